"""Files that are written at once or not at all."""

import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

from turtlenet.errors import OutputError

__all__ = ["PathType", "check_folder", "write_whole"]


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


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Writes to a temporary name in the same folder, then renames it: a reader sees the old file or the new one.

    Args:
        path: Where the file shall lie.
        write: Is given the open binary file.

    Raises:
        OutputError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"Expected to write {path}; got: {error.strerror or error}.") from None
    finally:
        temporary.unlink(missing_ok=True)


PathType: TypeAlias = str | PathLike[str]
