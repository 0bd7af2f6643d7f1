"""Data in Arrow's layout: Parquet files, and data sets of Hugging Face in memory or saved to a folder.

A data set is a table of scalars, or has one column of images or of arrays of one shape beside the label.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.data.about import VALIDATION, About
from turtlenet.data.labels import numbered_classes
from turtlenet.data.readers.files import check_inside
from turtlenet.data.readers.images import EncodedImages
from turtlenet.data.readers.tables import USUAL_LABELS, Reading, read_frame
from turtlenet.errors import DataError, an, one_line
from turtlenet.optional import needed

EXTRA = "tables"
_METADATA = b"huggingface"
_STATE, _PARTS = "state.json", "dataset_dict.json"
_KNOWN = ("train", "test", *VALIDATION)
_CALLED = f"{', '.join(_KNOWN[:-1])} or {_KNOWN[-1]}"


def is_saved_dataset(path: Path) -> bool:
    """Whether `datasets` of Hugging Face wrote a folder."""
    return (path / _STATE).is_file() or (path / _PARTS).is_file()


def read_saved_dataset(path: Path) -> dict[str, Any]:
    """The `pyarrow.Table` of each part of a folder that `Dataset.save_to_disk` wrote; `""` for a data set of one part.

    The files in the folder are read, whatever its descriptions name.

    Raises:
        DataError: pyarrow is not installed, or files that cannot be read.
    """
    if (path / _STATE).is_file():
        return {"": _read_folder(path, path)}
    parts = sorted(folder for folder in path.iterdir() if (folder / _STATE).is_file())
    found = {folder.name: _read_folder(folder, path) for folder in parts}
    known = {name: table for name, table in found.items() if name in _KNOWN}
    if not known:
        raise DataError(f"Expected a part {_CALLED} in {path}; got {', '.join(found) or 'none'}.")
    return known


def _read_folder(folder: Path, top: Path) -> Any:
    arrow = needed("pyarrow", EXTRA, "data sets of Hugging Face")
    files = sorted(folder.glob("*.arrow"))
    if not files:
        raise DataError(f"Expected .arrow files in {folder}; got none.")
    tables = []
    for file in files:
        check_inside(file, top)
        try:
            with arrow.memory_map(str(file)) as source:
                tables.append(arrow.ipc.open_stream(source).read_all())
        except Exception as error:  # Damaged bytes fail in as many ways as there are parsers below.
            raise DataError(f"Expected a data set in {file}; got: {one_line(error, 200)}.") from None
    if any(table.schema != tables[0].schema for table in tables):
        raise DataError(f"Expected the same columns in all .arrow files of {folder}; got others.")
    return arrow.concat_tables(tables)


def is_dataset(data: Any) -> bool:
    """Whether data are a data set of Hugging Face, or several parts of one."""
    return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(data).__mro__)


def tables_of(data: Any) -> dict[str, Any]:
    """The `pyarrow.Table` of each part of a data set of Hugging Face in memory.

    Raises:
        DataError: One without an end, or without a part of a known name.
    """
    kind = type(data).__name__
    if isinstance(data, Mapping):
        found = {name: part for name, part in data.items() if name in _KNOWN}
        if not found:
            raise DataError(f"Expected a part {_CALLED} in the {kind}; got {', '.join(map(str, data)) or 'none'}.")
        return {name: next(iter(tables_of(part).values())) for name, part in found.items()}
    if not hasattr(data, "with_format") or not hasattr(data, "__len__"):
        raise DataError(
            f"Expected a data set of Hugging Face in memory; got {an(kind)}: give a Dataset, not a stream."
        )
    return {"": data.with_format("arrow")[:]}


def read_arrow(
    table: Any,
    how: Reading,
    *,
    name: str,
    shape: tuple[int, ...] | None,
    num_classes: int | None = None,
    files: bool = False,
) -> tuple[dict[str, Any], About]:
    """The inputs and labels of a `pyarrow.Table`.

    Args:
        table: The table.
        how: Which columns are what.
        name: What messages call it.
        shape: The model's input shape without the batch; None keeps that of the data.
        num_classes: How many classes the model tells apart; None for any.
        files: Whether images may be files that the table names.

    Returns:
        See `turtlenet.data.readers.tables.read_frame`.

    Raises:
        DataError: Columns that do not fit.
    """
    classes, images = _described(table)
    inputs = [field.name for field in table.schema if field.name in images or _is_nested(field.type)]
    inputs = [column for column in inputs if column not in (how.label, how.weight, *how.drop)]
    if not inputs:
        needed("pandas", EXTRA, "tables")
        frame = table.to_pandas(ignore_metadata=True)
        width = None if shape is None else int(np.prod(shape))
        return read_frame(frame, how, name=name, width=width, num_classes=num_classes, classes=classes)
    if len(inputs) > 1:
        raise DataError(
            f"Expected one column of images or arrays in {name}; got {', '.join(inputs)}: leave others out with "
            "--drop."
        )
    column = inputs[0]
    label = how.label or _label(table, column, classes, name)
    for each in (label, how.weight):
        if each is not None and each not in table.column_names:
            raise DataError(f"Expected a column {each!r} in {name}; got {', '.join(table.column_names)}.")
    arrays: dict[str, Any] = {"y": _plain(table[label], label, name)}
    about = About(classes=tuple(classes.get(label, how.classes)))
    if arrays["y"].dtype == object:
        arrays["y"], called = numbered_classes(arrays["y"], name=name, num_classes=num_classes, classes=how.classes)
        about = About(classes=called)
    arrays["x"] = (
        _images(table[column], shape, name, files) if column in images else _nested(table[column], column, name)
    )
    if how.weight is not None:
        arrays["sample_weight"] = _plain(table[how.weight], how.weight, name)
    return arrays, about


def _described(table: Any) -> tuple[dict[str, list[str]], set[str]]:
    """The names of the values of columns that are classes, and the columns that are images, as far as is told."""
    try:
        told = json.loads((table.schema.metadata or {}).get(_METADATA, b"{}"))["info"]["features"]
        classes = {
            name: list(map(str, each["names"])) for name, each in told.items() if each.get("_type") == "ClassLabel"
        }
        images = {name for name, each in told.items() if each.get("_type") == "Image"}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}, set()
    return classes, images & set(table.column_names)


def _label(table: Any, column: str, classes: Mapping[str, Any], name: str) -> str:
    others = [each for each in table.column_names if each != column]
    found = [each for each in others if each in classes] or [each for each in others if each in USUAL_LABELS]
    if len(found) != 1:
        raise DataError(
            f"Expected the column of the label by its name (--label COLUMN) in {name}; "
            f"got {', '.join(others) or 'none'}."
        )
    return found[0]


def _plain(column: Any, called: str, name: str) -> np.ndarray:
    """A column of numbers or text as an array."""
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise DataError(f"Expected a value in every row of column {called!r} of {name}; got none at row {row}.")
    found = np.asarray(column.to_numpy())
    if found.dtype.kind in "buif":
        return found
    if found.dtype == object and all(isinstance(each, str) for each in found):
        return found
    raise DataError(f"Expected numbers or text in column {called!r} of {name}; got {column.type}.")


def _is_nested(kind: Any) -> bool:
    from pyarrow import types

    kind = getattr(kind, "storage_type", kind)
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _nested(column: Any, called: str, name: str) -> np.ndarray:
    """Lists of lists of numbers as one array."""
    import pyarrow.compute as compute

    values = column.combine_chunks()
    sides = [len(values)]
    while _is_nested(values.type):
        values = getattr(values, "storage", values)
        lengths = compute.min_max(compute.list_value_length(values)).as_py()
        if values.null_count or lengths["min"] != lengths["max"]:
            raise DataError(
                f"Expected arrays of one shape in column {called!r} of {name}; got lengths from {lengths['min']} to "
                f"{lengths['max']}."
            )
        sides.append(int(lengths["max"]))
        values = values.flatten()
    if values.null_count:
        raise DataError(f"Expected numbers in column {called!r} of {name}; got a missing one.")
    found = np.asarray(values.to_numpy(zero_copy_only=False))
    if found.dtype.kind not in "buif":
        raise DataError(f"Expected numbers in column {called!r} of {name}; got {values.type}.")
    return found.reshape(sides)


def _images(column: Any, shape: tuple[int, ...] | None, name: str, files: bool) -> EncodedImages:
    def opened(place: int) -> Any:
        cell = column[place].as_py() or {}
        if cell.get("bytes") is not None:
            return io.BytesIO(cell["bytes"])
        if files and cell.get("path"):
            return Path(cell["path"])
        raise DataError(
            f"Expected the images themselves in {name}; got only the path of image {place}: a file names no others "
            "(embed them: Dataset.map with an Image feature, or give the folder of images)."
        )

    return EncodedImages(opened, len(column), shape, name)
