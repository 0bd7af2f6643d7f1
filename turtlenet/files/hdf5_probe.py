"""The process that looks at a foreign HDF5 file first; see `turtlenet.files.hdf5`.

Run as a script that imports h5py and nothing of turtlenet: a damaged or hostile file may let libhdf5 loop for ever,
crash, or ask for all memory, and does so here, under limits. Reads requests and writes answers, a line of JSON each.
"""

import contextlib
import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

__all__: list[str] = []

# As in `keras_files/weights/hdf5_arrays.py`: Keras does not compress; who repacks a file gains little, but for zeros.
_ROOM, _EXPANSION = 1 << 28, 100
_MEMORY = 1 << 30
_MOST_OBJECTS = 1_000_000
_MOST_ENTRIES = 1_000_000


class _WrongError(Exception):
    """What a file must not have."""


def _limit() -> None:
    """Bounds what this process may take, where the system can."""
    try:
        import resource
    except ImportError:
        return
    taken = 1 << 32
    with contextlib.suppress(OSError):
        taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    for what, most in (("RLIMIT_AS", taken + _MEMORY), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0)):
        try:
            hard = resource.getrlimit(getattr(resource, what))[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(getattr(resource, what), (most, hard))
        except (AttributeError, ValueError, OSError):
            pass


def _timer(seconds: float) -> None:
    """Ends this process after so much of its own time: a signal's default action needs no help of a busy Python."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


class _Walk:
    """Everything in a file, each thing once."""

    def __init__(self, h5py: Any, file: Any, held: int):
        self.h5py, self.file, self.held = h5py, file, held
        self.claimed = self.read = 0
        self.seen: set[Any] = set()

    def all(self) -> None:
        self.one("/", self.file)
        if wrong := self.file.visititems_links(self._link):
            raise _WrongError(wrong)

    def _link(self, name: str, link: Any) -> str | None:
        """What is wrong; h5py stops there, while an exception would come out as another one."""
        if not isinstance(link, self.h5py.HardLink):
            kind = type(link).__name__
            return f"{name!r} in it is {'an' if kind[0] == 'E' else 'a'} {kind}"
        try:
            self.one(name, self.file[name])
        except _WrongError as error:
            return str(error)
        except KeyError:  # A link to what is damaged; whoever wants it is told.
            pass
        return None

    def one(self, name: str, item: Any) -> None:
        info = self.h5py.h5o.get_info(item.id)
        if info.addr in self.seen:
            return
        self.seen.add(info.addr)
        if len(self.seen) > _MOST_OBJECTS:
            raise _WrongError(f"there are more than {_MOST_OBJECTS:,} things in it")
        for key in item.attrs:
            self._attribute(item, key)
        if isinstance(item, self.h5py.Dataset):
            self._dataset(name, item)

    def _attribute(self, item: Any, key: str) -> None:
        entries = math.prod(item.attrs.get_id(key).shape or ())
        # What is longer is refused by its readers before they read it.
        if entries <= _MOST_ENTRIES:
            _tried(lambda: item.attrs[key])

    def _dataset(self, name: str, item: Any) -> None:
        if item.external or item.is_virtual:
            raise _WrongError(f"those of {name!r} lie in another file")
        size = int(item.dtype.itemsize)
        own = math.prod(item.shape or ()) * size
        self.claimed += own
        chunk = math.prod(item.chunks or ()) * size
        most = _ROOM + _EXPANSION * self.held
        if max(self.claimed, chunk) > most:
            raise _WrongError(f"room {max(self.claimed, chunk)}")
        if item.chunks:
            _tried(lambda: item.id.chunk_iter(lambda info: None))
        if (item.chunks or item.dtype.hasobject) and own + self.read <= _ROOM:
            self.read += own
            _tried(lambda: item[()])


def _tried(read: Any) -> None:
    """Reads something; only what it costs is asked here, not whether it is whole."""
    try:
        read()
    except MemoryError:
        raise
    except Exception as error:
        if any(word in str(error).lower() for word in ("alloc", "memory", "no space")):
            raise MemoryError from None


def _probe(h5py: Any, path: str) -> str:
    """What is wrong with a file; empty if nothing is, or if it cannot be opened, which its readers say."""
    try:
        with h5py.File(path, "r") as file:
            _Walk(h5py, file, Path(path).stat().st_size).all()
    except _WrongError as error:
        return str(error)
    except MemoryError:
        return "memory"
    except Exception as error:
        return "memory" if any(word in str(error).lower() for word in ("alloc", "memory")) else ""
    return ""


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.extend(sys.argv[1:])
    import h5py

    _limit()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        _timer(asked["seconds"])
        wrong = _probe(h5py, asked["path"])
        _timer(0)
        sys.stdout.write(json.dumps({"wrong": wrong}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
