"""Rows of a table: named columns of numbers, flags and categories, one of which is the label."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.data.about import About
from turtlenet.data.labels import numbered_classes
from turtlenet.data.readers.columns import (
    check_categories,
    check_known,
    check_missing,
    is_number,
    is_text,
    listed,
    numbers_of,
    texts,
    type_of,
)
from turtlenet.errors import DataError
from turtlenet.input_kind import TABLE

SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}
"""What files of tables are called."""
USUAL_LABELS = ("label", "class", "target", "y")
"""Columns that are taken for the label where none is named, if there is but one of them."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a table is read, and which labels are asked for where there are several.

    Attributes:
        label: The column of the label; None takes the one that is called so, see `USUAL_LABELS`.
        weight: The column of how much each row counts in training; None for alike.
        drop: Columns that are no features.
        names: The features that the model takes, in its order, where that is known; else all others, as they stand.
        classes: The names of the model's classes in their order, where they are known.
        output: The output that is asked, under whose name labels may stand; empty for none.
    """

    label: str | None = None
    weight: str | None = None
    drop: Sequence[str] = ()
    names: Sequence[str] = ()
    classes: Sequence[str] = ()
    output: str = ""


PLAIN = Reading()


def reading_of(settings: Any, seen: Sequence[Mapping[str, Any]] = ()) -> Reading:
    """How a table is to be read.

    Args:
        settings: Has `label`, `weight`, `drop`, `classes` (see `turtlenet.settings.train.ColumnSettings`), and maybe
            `output`.
        seen: What the model was trained on, whose features and classes are known then; see
            `turtlenet.data.parts.trained_on`.
    """
    first = seen[0] if seen else {}
    return Reading(
        label=settings.label,
        weight=settings.weight,
        drop=tuple(settings.drop),
        classes=tuple(settings.classes) or tuple(first.get("classes", ())),
        names=tuple(first.get("features", ())),
        output=str(getattr(settings, "output", None) or ""),
    )


def is_frame(data: Any) -> bool:
    """Whether data are a frame of pandas, or what turns into one (polars, pyarrow)."""
    return hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "to_pandas"))


def is_tabular(data: Any) -> bool:
    """Whether data are a table for certain, whatever the shape of the model's inputs: a frame, or a file of one."""
    if isinstance(data, tuple) and data:
        data = data[0]
    if isinstance(data, (str, os.PathLike)):
        path = Path(os.fspath(data))
        return path.suffix.lower() in SUFFIXES or any(each.suffix.lower() in SUFFIXES for each in _parts_in(path))
    return is_frame(data) or getattr(getattr(data, "train", None), "kind", None) is TABLE


def _parts_in(path: Path) -> list[Path]:
    """What is called `train` or `test` in a folder."""
    return [*path.glob("train.*"), *path.glob("test.*")] if path.is_dir() else []


def read_frame(
    frame: Any,
    how: Reading,
    *,
    name: str,
    width: int | None,
    num_classes: int | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, Any], About]:
    """The features and labels of a table.

    Numbers stay as they are; flags become 0 and 1. A column of text is encoded as one column of 0 and 1 for each of
    its values, in their sorted order, if the model's input is as wide as that makes the table.

    Args:
        frame: A `pandas.DataFrame`.
        how: Which columns are what.
        name: What messages call the table.
        width: Numbers that the model takes for a row; None for any.
        num_classes: How many classes the model tells apart; None for any.
        classes: The names of the values of columns that hold classes as integers, where they have names.

    Returns:
        `x`, float32 (n, features), `y`, int32 (n,), or float32 (n, labels) of several columns, and `sample_weight`,
        float32 (n,), if there are any; and their names.

    Raises:
        DataError: A column that is not there, has missing values or no numbers, or as many features as the model does
            not take.
    """
    columns = [str(column) for column in frame.columns]
    _check_columns(frame.columns, name)
    if not len(frame):
        raise DataError(f"Expected at least one row; got none in {name}.")
    label = how.label if how.label is not None else _usual_label(columns, name)
    labels = [label] if label in columns else [part.strip() for part in label.split(",") if part.strip()] or [label]
    special = [*labels, *([how.weight] if how.weight is not None else []), *how.drop]
    for column in special:
        _place(column, columns, name)
    if how.weight in labels:
        raise DataError(f"Expected another column for the weights than for the label in {name}; got {how.weight!r}.")
    by_name = {column: frame.iloc[:, place] for place, column in enumerate(columns)}
    rest = {column: values for column, values in by_name.items() if column not in special}
    _drop_row_numbers(rest)
    if not rest:
        raise DataError(f"Expected at least one feature beside the label; got none in {name}.")
    if len(labels) > 1:
        # Each a question of its own: several labels of 0 and 1, or several numbers.
        codes = np.stack([numbers_of(by_name[each], each, name) for each in labels], axis=1)
        called = tuple(how.classes or labels)
    else:
        codes, called = _labels(by_name[labels[0]], labels[0], how, name, num_classes, (classes or {}).get(label, ()))
    arrays: dict[str, Any] = {"y": codes}
    arrays["x"], about = features(rest, name=name, width=width, names=how.names)
    if how.weight is not None:
        arrays["sample_weight"] = numbers_of(by_name[how.weight], how.weight, name)
    return arrays, About(names=about.names, types=about.types, groups=about.groups, classes=called, kind=TABLE)


def features_of(frame: Any, how: Reading, shape: Sequence[int]) -> tuple[np.ndarray, About]:
    """The features of a frame without a label, as they are given beside labels.

    Raises:
        DataError: See `read_frame`.
    """
    frame = frame if hasattr(frame, "iloc") else frame.to_pandas()
    columns = [str(column) for column in frame.columns]
    _check_columns(frame.columns, "the table")
    taken = {column: frame.iloc[:, place] for place, column in enumerate(columns) if column not in how.drop}
    found, about = features(taken, name="the table", width=math.prod(shape), names=how.names)
    return found, dataclasses.replace(about, classes=tuple(how.classes))


def features(
    columns: Mapping[str, Any], *, name: str, width: int | None, names: Sequence[str] = ()
) -> tuple[np.ndarray, About]:
    """The features of a table as numbers.

    Args:
        columns: Each column's `pandas.Series` by its name.
        name: What messages call the table.
        width: Numbers that the model takes for a row; None for any.
        names: The features that the model takes, where they are known.

    Raises:
        DataError: See `read_frame`.
    """
    worded = {column: values for column, values in columns.items() if is_text(values, column, name)}
    for column, values in worded.items():
        check_categories(values, column, name)
    groups = {column: _categories(column, values, names, name) for column, values in worded.items()}
    if names:
        groups = {column: each for column, each in groups.items() if each}
        wanted = {part for column in groups for part in _parts(column, groups[column])}
        absent = [each for each in names if each not in wanted and (each not in columns or each in worded)]
        if absent:
            raise DataError(
                f"Expected a column {absent[0]!r}, which the model was trained on, in {name}; got {listed(columns)}."
            )
    else:
        _check_width(columns, groups, width, name)
    found: dict[str, tuple[np.ndarray, str, str]] = {}
    for column, values in columns.items():
        if column in groups:
            text = texts(values, column, name)
            check_known(text, column, groups[column], name)
            parts = zip(_parts(column, groups[column]), groups[column], strict=True)
            found |= {part: ((text == value).astype("float32"), "one-hot", column) for part, value in parts}
        elif not names or column in names:
            found[column] = numbers_of(values, column, name), type_of(values), ""
    order = list(names) or list(found)
    values, types, parts_of = zip(*(found[each] for each in order), strict=True)
    about = About(names=tuple(order), types=types, groups=parts_of if any(parts_of) else (), kind=TABLE)
    return np.stack(values, axis=1), about


def _labels(
    values: Any, column: str, how: Reading, name: str, num_classes: int | None, called: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The class of each row, and the names of the classes."""
    check_missing(values, column, name)
    if is_text(values, column, name):
        return numbered_classes(texts(values, column, name), name=name, num_classes=num_classes, classes=how.classes)
    numbers = np.asarray(values.to_numpy(dtype="float64"))
    if called:
        # Numbers that have names are places among those.
        return numbers, tuple(called)
    if how.classes and all(map(is_number, how.classes)):
        given = np.array([_written(each) for each in numbers])
        known = tuple(_written(float(each)) for each in how.classes)
        return numbered_classes(given, name=name, num_classes=num_classes, classes=known)
    distinct = np.unique(numbers)
    whole = bool((distinct == np.floor(distinct)).all())
    if whole and num_classes == len(distinct) and not np.isin(distinct, np.arange(num_classes)).all():
        # Classes 1, 2 and 3, or -1 and 1: as many as the model has, in their order.
        return np.searchsorted(distinct, numbers).astype("int32"), tuple(map(_written, distinct))
    if whole and not how.classes and len(distinct) < (num_classes or 0) and distinct[0] > 0:
        # Either class 0 is missing, or they are counted from 1 and another is.
        raise DataError(
            f"Expected labels from 0, or all {num_classes} classes, in column {column!r} of {name}; got "
            f"{listed(list(map(_written, distinct)))}: name all in the order of the outputs (--classes 0,1,...)."
        )
    return numbers, tuple(how.classes)


def _written(number: float) -> str:
    """A class that is a number as text."""
    return str(int(number)) if np.isfinite(number) and number == np.floor(number) else repr(float(number))


def _check_columns(named: Sequence[Any], name: str) -> None:
    columns = list(map(str, named))
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"Expected every column to have a name of its own in {name}; got {twice!r} twice.")
    # Columns that are called by whole numbers themselves are those of a frame that was made of an array.
    if len(columns) > 1 and all(isinstance(each, str) and is_number(each) for each in named):
        raise DataError(f"Expected a first line with the names of the columns in {name}; got {listed(columns)}.")


def _usual_label(columns: Sequence[str], name: str) -> str:
    found = [column for column in columns if column in USUAL_LABELS]
    if len(found) != 1:
        raise DataError(
            f"Expected the column of the label by its name (--label COLUMN) in {name}; got columns {listed(columns)}."
        )
    return found[0]


def _place(column: str, columns: Sequence[str], name: str) -> None:
    if column not in columns:
        near = next((each for each in columns if each.strip().lower() == column.strip().lower()), None)
        more = f": did you mean {near!r}?" if near else "."
        raise DataError(f"Expected a column {column!r} in {name}; got {listed(columns)}{more}")


def _drop_row_numbers(columns: dict[str, Any]) -> None:
    """Takes away the index that pandas writes into a file where nobody tells it not to."""
    for column in [each for each in columns if each == "" or each.startswith("Unnamed: ")]:
        values = columns[column]
        if values.dtype.kind in "iu" and (values.to_numpy() == np.arange(len(values))).all():
            del columns[column]


def _parts(column: str, values: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns that a column of text becomes."""
    return tuple(f"{column}={value}" for value in values)


def _categories(column: str, values: Any, names: Sequence[str], name: str) -> tuple[str, ...]:
    """The values of a column of text: those that the model knows, or those that there are."""
    if names:
        start = f"{column}="
        return tuple(each.removeprefix(start) for each in names if each.startswith(start))
    return tuple(sorted(set(texts(values, column, name))))


def _check_width(
    columns: Mapping[str, Any], groups: Mapping[str, Sequence[str]], width: int | None, name: str
) -> None:
    """Refuses a table that has another number of features than the model takes."""
    total = len(columns) - len(groups) + sum(map(len, groups.values()))
    if width is None or total == width:
        return
    if groups:
        first = next(iter(groups))
        words = [each for each in groups[first] if not is_number(each)]
        if len(words) == 1 < len(groups[first]) - 1:
            # A mark for what is missing, most likely: one word among numbers.
            row = int(np.flatnonzero(np.asarray(columns[first].astype(str) == words[0]))[0])
            raise DataError(
                f"Expected numbers in column {first!r} of {name}; got {words[0]!r} at row {row} (the first row is 0)."
            )
        raise DataError(
            f"Expected {width} features as numbers in {name}; got {len(columns)} columns with text in {first!r} "
            f"({listed(groups[first])}), which are {total} with a column of 0 and 1 for each value of a text: give "
            "the columns as the model was trained on them, or leave some out with --drop."
        )
    mend = ": leave out what is none with --drop" if total > width else ""
    raise DataError(f"Expected {width} features for this model in {name}; got {total}: {listed(columns)}{mend}.")
