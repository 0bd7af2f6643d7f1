"""The one door for HDF5 files: another process reads their structure first.

libhdf5 trusts what it reads. A damaged or hostile file can let it loop for ever, deaf to Ctrl-C, crash, or take all
memory, in something as small as reading an attribute. So a small process, which is started once and knows h5py alone,
walks through a file under limits of time and memory before this process opens it. It also refuses links that lead out
of the file, and arrays that lie in other files.

Known files are not asked about again: those that were looked at and have not changed, and those that this process
wrote.
"""

import atexit
import contextlib
import json
import os
import queue
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from turtlenet.errors import ModelError, TurtlenetError

__all__ = ["SECONDS", "check", "is_known", "is_trusted", "opened", "start", "trusted", "vouch"]

SECONDS = 2.0
"""Seconds of processor time for the structure of a file; a large one gets more."""
_BYTES_A_SECOND = 50_000_000
# Of the clock; processor time is what ends a loop, so this is for storage that does not answer.
_PATIENCE = 60.0
_MOST_KNOWN = 1000

_known: dict[tuple[int, ...], str] = {}
_trusted: ContextVar[bool] = ContextVar("trusted_hdf5", default=False)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], kind: type[TurtlenetError] = ModelError) -> Iterator[h5py.File]:
    """Opens a file to read, once it is known that this ends.

    Args:
        path: The file.
        kind: What is raised: `ModelError` or `DataError`.

    Raises:
        TurtlenetError: See `check`; what h5py says of a damaged file comes as it is.
    """
    check(path, kind)
    with h5py.File(path, "r") as file:
        yield file


def check(
    path: str | os.PathLike[str], kind: type[TurtlenetError] = ModelError, of: str | os.PathLike[str] | None = None
) -> None:
    """Refuses a file whose structure cannot be read in reasonable time and memory, or that leads out of itself.

    Args:
        path: The file, HDF5 or not: what is none is refused by whoever opens it.
        kind: What is raised: `ModelError` or `DataError`.
        of: The archive that the file was taken out of, which is known from then on.

    Raises:
        TurtlenetError: Such a file, or something that is no file: a pipe would block whoever opens it.
    """
    name = Path(of or path)
    try:
        state = Path(path).stat()
        stamp = _stamp(name.stat())
    except OSError:
        # Whoever opens it says so.
        return
    if not stat.S_ISREG(state.st_mode):
        raise kind(f"Expected a file; {name} is something else.")
    if is_trusted():
        return
    if stamp not in _known:
        wrong = _worker.ask(os.path.realpath(path), SECONDS + state.st_size / _BYTES_A_SECOND)
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)))
        _known[stamp] = _known[_stamp(state)] = wrong
    if wrong := _known[stamp]:
        if wrong.startswith("room "):
            most, claimed = f"100 times the {state.st_size:,} bytes of {name}", int(wrong.split()[1])
            raise kind(f"Expected at most {most}; it claims {claimed:,}.")
        damaged = wrong.startswith("reading it ")
        said = f"a whole HDF5 file; {name} is damaged: {wrong}" if damaged else f"arrays in {name} itself; {wrong}"
        raise kind(f"Expected {said}.")


def is_known(path: str | os.PathLike[str]) -> bool:
    """Whether a file, or what was taken out of it, was found to be fine and has not changed since."""
    try:
        return _known.get(_stamp(Path(path).stat())) == ""
    except OSError:
        return False


def is_trusted() -> bool:
    """Whether files are opened unseen at this point of the program."""
    return _trusted.get()


def vouch(path: str | os.PathLike[str]) -> None:
    """Says that this process wrote a file just now."""
    with contextlib.suppress(OSError):
        _known[_stamp(Path(path).stat())] = ""


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Opens files unseen while it lasts: the user trusts them."""
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def start() -> None:
    """Starts the other process, so that it is ready when it is asked."""
    _worker.start()


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


class _Worker:
    """The other process, started when it is wanted and anew after it was lost."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.process: subprocess.Popen[str] | None = None
        self.answers: queue.Queue[str] = queue.Queue()
        self.owner = 0
        self.ready = False

    def start(self) -> None:
        with self.lock:
            # A forked process must not talk to the worker of its parent.
            if self.process is not None and self.owner == os.getpid() and self.process.poll() is None:
                return
            self.stop()
            places = dict.fromkeys(str(Path(str(each.__file__)).parents[1]) for each in (h5py, np))
            probe = Path(__file__).with_name("hdf5_probe.py")
            one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(probe), *places],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one},
                encoding="utf-8",
            )
            self.owner, self.ready, self.answers = os.getpid(), False, queue.Queue()
            threading.Thread(target=_listen, args=(self.process.stdout, self.answers), daemon=True).start()

    def ask(self, path: str, seconds: float) -> str:
        """What is wrong with a file; empty if nothing is."""
        with self.lock:
            try:
                self.start()
                if not self.ready and self._answer(_PATIENCE) != "ready\n":
                    raise OSError
                self.ready = True
            except OSError:
                self.stop()
                raise ModelError(
                    f"Expected to start {sys.executable}, in which HDF5 files are looked at first; it did not start: "
                    "--trust (trust=True) reads them without."
                ) from None
            try:
                self._say(json.dumps({"path": path, "seconds": seconds}) + "\n")
                answer = self._answer(seconds + _PATIENCE)
            except OSError:
                answer = ""
            except BaseException:
                # Interrupted: what it says later must not be taken for another answer.
                self.stop()
                raise
            if answer:
                wrong = str(json.loads(answer)["wrong"])
                return "reading it takes more than 1 GiB of memory" if wrong == "memory" else wrong
            return self._why(seconds)

    def _say(self, line: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def _answer(self, seconds: float) -> str:
        """The next line; empty where none comes."""
        try:
            return self.answers.get(timeout=seconds)
        except queue.Empty:
            return ""

    def _why(self, seconds: float) -> str:
        """Why the process gave no answer; it is gone afterwards."""
        code: int | None = None
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=1)
        self.stop()
        if code is None or code == -getattr(signal, "SIGPROF", 0):
            return f"reading it does not end (stopped after {seconds:.0f} s)"
        return f"reading it ends the process that reads it (code {code})"

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if self.owner == os.getpid():
            process.kill()
            process.wait()
        else:
            # It belongs to the process that this one was forked from.
            process.returncode = 0
        for pipe in (process.stdin, process.stdout):
            # What was written and not read has nobody to go to.
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()


def _listen(pipe: Any, answers: "queue.Queue[str]") -> None:
    """Passes lines on; an empty one says that there are no more."""
    with contextlib.suppress(OSError, ValueError):
        for line in pipe:
            answers.put(line)
    answers.put("")


_worker = _Worker()
atexit.register(_worker.stop)
