"""What lies in a model file beside its model: pickles, assets, and whatever else loading the model does not look at.

Loading reads the description and the arrays alone; the rest is harmless here, and may not be for someone who opens the
file with other programs. Nothing is unpacked to the disk, unpickled or run to find out.
"""

import io
import pickletools
import shutil
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import h5py

from turtlenet.files import hdf5
from turtlenet.keras_files.model_description import ModelDescription
from turtlenet.keras_files.safety.graph import harmful_operations
from turtlenet.keras_files.save import OPTIMIZER_STATE

_ARCHIVE = frozenset(("config.json", "metadata.json", "model.weights.h5", "turtlenet_provenance.json"))
_HDF5 = frozenset(("model_weights", "optimizer_weights", OPTIMIZER_STATE))
_SAVED_MODEL = frozenset(("saved_model.pb", "keras_metadata.pb", "fingerprint.pb"))
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".p")
_RUNS = frozenset(("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ"))
_CODE = "which is Python code for who unpickles it"
# So many bytes tell what a part is; so many parts are named, and so many read.
_HEAD, _NAMED, _READ = 1 << 16, 5, 10_000


def unread(description: ModelDescription) -> tuple[str, ...]:
    """What a file holds beside its model, one phrase each; empty where it holds a model and nothing else.

    Args:
        description: A file that was read.
    """
    look = {"hdf5": _in_hdf5, "weights": _in_hdf5, "saved-model": _in_saved_model, "keras": _in_keras}
    parts: list[str] = []
    try:
        parts.extend(islice(look[description.format](description), _READ))
    except Exception as error:  # Whatever h5py and zipfile make of damaged bytes.
        parts.append(f"parts that cannot be read ({type(error).__name__})")
    parts = list(dict.fromkeys(parts))
    more = [f"{len(parts) - _NAMED} more such parts"] if len(parts) > _NAMED else []
    return (*parts[:_NAMED], *more)


def _in_keras(description: ModelDescription) -> Iterator[str]:
    yield from _in_folder(description, _ARCHIVE) if description.path.is_dir() else _in_archive(description.path)


def _in_archive(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        if archive.comment:
            yield "a comment, which was not looked at"
        parts = archive.infolist()
        for name, times in Counter(part.filename for part in parts).items():
            if times > 1:
                yield f"{name[:80]!r} {times} times, of which only one was looked at"
        for part in parts:
            if stat.S_ISLNK(part.external_attr >> 16):
                yield f"{part.filename[:80]!r}, a link to another file"
            elif not part.is_dir() and part.filename not in _ARCHIVE:
                with archive.open(part) as stream:
                    yield _told(part.filename, stream)
            elif part.filename == "model.weights.h5":
                with tempfile.TemporaryDirectory() as folder:
                    weights = Path(folder) / part.filename
                    with archive.open(part) as stream, weights.open("wb") as copy:
                        shutil.copyfileobj(stream, copy)
                    with hdf5.opened(weights) as file:
                        yield from _no_numbers(file)


def _in_folder(description: ModelDescription, expected: frozenset[str]) -> Iterator[str]:
    for path in sorted(description.path.rglob("*")):
        name = path.relative_to(description.path).as_posix()
        if path.is_symlink():
            yield f"{name[:80]!r}, a link to another file"
        elif path.is_file() and not (name in expected or name.startswith("variables/variables.")):
            with path.open("rb") as stream:
                yield _told(name, stream)
        elif not path.is_file() and not path.is_dir():
            yield f"{name[:80]!r}, which is neither a file nor a folder"
        elif name == "model.weights.h5":
            with hdf5.opened(path) as file:
                yield from _no_numbers(file)


def _in_saved_model(description: ModelDescription) -> Iterator[str]:
    if names := harmful_operations(description.path):
        yield f"a graph that reads or writes files, or runs code, for who loads it ({', '.join(names)})"
    yield from _in_folder(description, _SAVED_MODEL)


def _in_hdf5(description: ModelDescription) -> Iterator[str]:
    with hdf5.opened(description.path) as file:
        if description.format == "hdf5":
            for name in sorted(set(file) - _HDF5):
                yield f"{name[:80]!r} beside the model, which was not looked at"
        yield from _no_numbers(file)


def _no_numbers(file: h5py.File) -> Iterator[str]:
    """Arrays of texts, of bytes and of objects: no weights, and a place for a pickle."""
    odd_arrays: dict[str, Any] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (odd := _odd(item)):
            odd_arrays[name] = odd

    file.visititems(look)
    for name, what in odd_arrays.items():
        yield f"the array {name[:80]!r}, {what}"


def _odd(array: h5py.Dataset) -> str | None:
    numbers = array.dtype.kind in "fiubc" or array.dtype.str == "|V2"
    if array.external or array.is_virtual:
        return "which lies in another file"
    if not numbers:
        return "which holds no numbers"
    if array.dtype.itemsize == 1 and array.ndim == 1 and _is_pickle("", array[:_HEAD].tobytes()):
        return f"a pickle, {_CODE}"
    return None


def _told(name: str, stream: IO[bytes]) -> str:
    """What a part is that no model needs, by its first bytes."""
    head = stream.read(_HEAD)
    if _is_pickle(name, head):
        what = f"a pickle, {_CODE}"
    elif head.startswith(b"\x93NUMPY"):
        objects = b"|O" in head[:1000] or b"'O" in head[:1000]
        what = "an array of objects, which is a pickle" if objects else "an array, which was not looked at"
    elif head.startswith(b"PK\x03\x04"):
        packed = _packs_pickle(head + stream.read(1 << 24))
        what = f"an archive with a pickle in it, {_CODE}" if packed else "an archive, which was not looked at"
    else:
        what = "which was not looked at"
    return f"{name[:80]!r}, {what}"


def _packs_pickle(data: bytes) -> bool:
    """Whether an archive within has a pickle, as PyTorch's files and arrays of objects (`.npz`) do."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for part in archive.infolist()[:100]:
                with archive.open(part) as stream:
                    head = stream.read(_HEAD)
                if _is_pickle(part.filename, head) or (head.startswith(b"\x93NUMPY") and b"|O" in head[:1000]):
                    return True
    except Exception:  # Cut short, or damaged: it was not looked at.
        return False
    return False


def _is_pickle(name: str, head: bytes) -> bool:
    if name.lower().endswith(_PICKLES) or (head[:1] == b"\x80" and head[1:2] <= b"\x05"):
        return True
    # The oldest pickles are text: they begin with an operation, and end with a dot.
    seen = set()
    try:
        for operation, _, _ in pickletools.genops(head):
            seen.add(operation.name)
    except Exception:
        return False
    return "STOP" in seen and not seen.isdisjoint(_RUNS)
