"""Arrays from files: `.npz`, `.h5` and folders of `.npy`, without ever running what is in them."""

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from turtlenet.data.about import VALIDATION
from turtlenet.errors import DataError, an, one_line
from turtlenet.files import hdf5
from turtlenet.files.formats import this_is
from turtlenet.files.numpy_files import check_arrays, map_stored

ARRAYS = (
    *("x_train", "y_train", "x_test", "y_test", "x", "y", "image", "label"),
    *("sample_weight", "sample_weight_train"),
    *(f"{array}_{part}" for part in VALIDATION for array in "xy"),
)
MAPPED = 2**29
"""Bytes from which on an array in a `.npz` is not read into memory, if it is not compressed."""


def read_arrays(path: Path, more: Collection[str] = ()) -> dict[str, Any]:
    """The arrays of a file or a folder by name.

    A `.npz` is read into memory in its own types; an `.h5` stays open, and `.npy` files and large arrays of a `.npz`
    that is not compressed are mapped, so that their pixels are read in slices. Names that turtlenet does not know map
    to `None`: messages list them.

    Args:
        path: The file or folder.
        more: Further names to read.

    Raises:
        DataError: No such kind of file, or one that is damaged or needs pickle.
    """
    readers = {".npz": _read_npz, ".h5": _read_h5, ".hdf5": _read_h5}
    reader = _read_folder if path.is_dir() else readers.get(path.suffix.lower())
    if reader is None:
        what = this_is(path).removesuffix(", not a model")
        raise DataError(
            f"Expected a .npz, .h5 or .hdf5 file, a table (.csv, .tsv, .parquet, .pq), or a folder; got {path}{what}."
        )
    try:
        return reader(path, {*ARRAYS, *more})
    except DataError:
        raise
    except Exception as error:  # A damaged file fails in as many ways as there are libraries below.
        # Of a file of the right kind the reader knows more.
        right = path.suffix.lower() == ".npz" and zipfile.is_zipfile(path)
        what = "" if right or "HDF5" in this_is(path) else this_is(path)
        what = what or f": {one_line(error, 200)}"
        raise DataError(f"Expected arrays that can be read in {path}; got{what}.") from None


def _read_npz(path: Path, names: Collection[str]) -> dict[str, Any]:
    check_arrays(path)
    # Opened here, because NumPy leaves a damaged archive open.
    with path.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"Expected a .npz archive in {path}; got a single array.")
        return {key: _member(path, archive, key) if key in names else None for key in archive.files}


def _member(path: Path, archive: Any, key: str) -> Any:
    mapped = map_stored(path, key, MAPPED)
    return archive[key] if mapped is None else mapped


def _read_h5(path: Path, names: Collection[str]) -> dict[str, Any]:
    # Not closed here: the data sets keep the file open for as long as they are in use.
    hdf5.check(path, DataError)
    file = h5py.File(path, "r")
    found = {key: file[key] if key in names else None for key in file}
    for key, item in found.items():
        if item is not None and not isinstance(item, h5py.Dataset):
            raise DataError(f"Expected an array {key} in {path}; got {an(type(item).__name__.lower())}.")
        # A type that NumPy does not have is said here, and not at the first image.
        _ = item is None or item.dtype
    return found


def _read_folder(path: Path, names: Collection[str]) -> dict[str, Any]:
    files = {file.stem: file for file in sorted(path.glob("*.npy"))}
    return {key: _mapped(file) if key in names else None for key, file in files.items()}


def _mapped(file: Path) -> Any:
    check_inside(file, file.parent)
    check_arrays(file)
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"Expected an array in {file}; got an archive.")
    return array


def check_inside(path: Path, folder: Path) -> None:
    """Refuses a link in a folder that leads out of it: what lies there is not the folder's to show.

    Raises:
        DataError: Such a link.
    """
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise DataError(f"Expected files that can be read in {folder}; got: {one_line(error)}.") from None
    if not inside:
        raise DataError(f"Expected files of {folder} itself; {path.name} is a link to somewhere else.")
