"""Files that are written at once or not at all."""

import io
import os
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

from turtlenet.errors import OutputError

__all__ = ["PathType", "check_folder", "make_folder", "write_array", "write_files", "write_whole"]


def check_folder(path: Path) -> None:
    """Finds out, before any work, whether a folder can be made or written; makes nothing.

    Raises:
        OutputError: Something else stands there, or the folder it would be made in cannot be written.
    """
    standing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not standing.is_dir():
        raise OutputError(f"Expected a folder to write in at {path}; got a file at {standing}.")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise OutputError(f"Expected a folder that can be written at {path}; got no permission for {standing}.")


def make_folder(path: Path) -> None:
    """Makes a folder, and those that it lies in, where there is none.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Expected to make the folder {path}; got: {error.strerror or error}.") from None


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Writes to a temporary name in the same folder, then renames it: a reader sees the old file or the new one.

    Args:
        path: Where the file shall lie.
        write: Is given the open binary file.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        _replace({path: write})
    except OSError as error:
        raise OutputError(f"Expected to write {path}; got: {error.strerror or error}.") from None


def write_array(path: Path, array: Any) -> None:
    """Writes an array, of any shape and type, as an `.npy` file; see `write_whole`.

    Raises:
        OutputError: The file cannot be written.
    """
    # Not into the file itself: NumPy writes there by C's own buffer, and a disk that is full when that is flushed
    # raises nothing.
    import numpy as np

    held = io.BytesIO()
    np.save(held, array)
    write_whole(path, lambda file: file.write(held.getvalue()))


def write_files(folder: str | Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Writes the files of a report under other names first, then renames them: a crash leaves old ones or new ones.

    Args:
        folder: Where to; made if it is not there.
        files: Names, which may have folders before them, and contents.

    Returns:
        The files written, in their order.

    Raises:
        OutputError: The folder cannot be written.
    """
    writes = {Path(folder) / name: partial(_put, content) for name, content in files.items()}
    try:
        for path in writes:
            path.parent.mkdir(parents=True, exist_ok=True)
        _replace(writes)
    except OSError as error:
        where = " ".join(str(folder).split())
        raise OutputError(
            f"Expected to write a report to {where}; {error.strerror or type(error).__name__}."
        ) from None
    return tuple(writes)


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _replace(writes: Mapping[Path, Callable[[IO[bytes]], Any]]) -> None:
    """Writes files to temporary names beside them, and renames them once all are on the disk."""
    mark = uuid.uuid4().hex[:8]
    temporaries = {path: path.with_name(f".{path.name}.{mark}") for path in writes}
    try:
        for path, temporary in temporaries.items():
            with temporary.open("wb") as file:
                writes[path](file)
                file.flush()
                os.fsync(file.fileno())
        for path, temporary in temporaries.items():
            temporary.replace(path)
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


PathType: TypeAlias = str | PathLike[str]
