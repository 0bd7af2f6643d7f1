"""NumPy's files, held against their own size before anything of them is read.

`numpy.load` makes room for what a header claims before it looks for the numbers, and waits for whoever writes to a
pipe. It runs no code as long as `allow_pickle` is off, which is for its callers to say.
"""

import math
import stat
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from turtlenet.errors import DataError, TurtlenetError

__all__ = ["check_arrays", "map_stored"]

# As for HDF5: an archive that is compressed holds at most so many times its bytes, beyond 256 MiB.
_ROOM, _EXPANSION = 1 << 28, 100
_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_arrays(path: Path, kind: type[TurtlenetError] = DataError) -> None:
    """Refuses a `.npy` or `.npz` that claims more than it can hold, or that is no file.

    What is damaged in another way is left to `numpy.load`, which refuses it with its own words.

    Args:
        path: The file; a missing one is left to whoever opens it.
        kind: What is raised.

    Raises:
        TurtlenetError: A pipe, a device or a folder, or arrays that are larger than the bytes that shall hold them.
    """
    try:
        state = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(state.st_mode):
        raise kind(f"Expected a file of arrays at {path}; got something else.")
    try:
        claimed, room = _claimed(path, state.st_size)
    except Exception:  # Whatever zipfile and NumPy make of damaged bytes; they will say it again.
        return
    if claimed > room:
        raise kind(f"Expected at most {room:,} bytes of numbers in {path}; it claims {claimed:,}.")


def map_stored(path: Path, name: str, least: int) -> np.ndarray | None:
    """Maps an array of a `.npz` that is stored as it is, so that it is read in slices.

    Args:
        path: The file, which `check_arrays` let pass.
        name: The array's name.
        least: Bytes below which an array is not worth it: one that is read whole is held against its checksum.

    Returns:
        The array, to be read only; None for one that is smaller, compressed or damaged, which is for `numpy.load`.
    """
    with zipfile.ZipFile(path) as archive:
        part = archive.getinfo(f"{name}.npy")
    if part.compress_type != zipfile.ZIP_STORED or part.file_size < least or part.flag_bits & 1:
        return None
    with path.open("rb") as file:
        file.seek(part.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            return None
        start = part.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
        file.seek(start)
        read = _HEADERS.get(np.lib.format.read_magic(file))
        if read is None:
            return None
        shape, by_columns, dtype = read(file)
        offset = file.tell()
    whole = dtype.hasobject is False and offset + math.prod(shape) * dtype.itemsize == start + part.file_size
    return np.memmap(path, dtype, "r", offset, shape, "F" if by_columns else "C") if whole and shape else None


def _claimed(path: Path, held: int) -> tuple[int, int]:
    """The bytes that the arrays of a file claim, and those that it can hold."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            return _size(file), held
        with zipfile.ZipFile(file) as archive:
            total = 0
            for part in archive.infolist():
                total += part.file_size
                with archive.open(part) as member:
                    size = _size(member) if part.filename.endswith(".npy") else 0
                if size > part.file_size:
                    return size, part.file_size
            return total, _ROOM + _EXPANSION * held


def _size(file: IO[bytes]) -> int:
    """The bytes that the array behind a header claims; 0 of another file."""
    read = _HEADERS.get(np.lib.format.read_magic(file))
    if read is None:
        return 0
    shape, _, dtype = read(file)
    return 0 if dtype.hasobject else math.prod(shape) * dtype.itemsize
