"""Reports as tables of columns: for CSV, for Parquet, and for pandas.

Columns are plain lists by name, so that a report knows of no other library; pandas and PyArrow are imported where they
are asked for.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from turtlenet.errors import OutputError
from turtlenet.optional import needed

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = dict[str, list[Any]]

FORMATS = (".csv", ".parquet")
_EXTRA = "tables"


def columns_of(records: Sequence[Any]) -> Columns:
    """A column for each field of dataclasses of one kind.

    Fields of fields are joined with `_`, intervals become two columns, and what is no number and no text is left out.

    >>> @dataclasses.dataclass
    ... class Row:
    ...     attack: str
    ...     accuracy: float
    ...     accuracy_interval: tuple[float, float]
    >>> columns_of([Row("pgd", 0.5, (0.4, 0.6))])
    {'attack': ['pgd'], 'accuracy': [0.5], 'accuracy_low': [0.4], 'accuracy_high': [0.6]}
    """
    return joined([_flat(record) for record in records])


def joined(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Columns of rows, of which some may lack some; None stands there."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def stacked(parts: Sequence[tuple[Mapping[str, Any], Columns]]) -> Columns:
    """Tables one below the other, each with columns of its own before that have one value all over it."""
    names = dict.fromkeys(name for first, columns in parts for name in (*first, *columns))
    whole: Columns = {name: [] for name in names}
    for first, columns in parts:
        length = max(map(len, columns.values()), default=0)
        for name, values in whole.items():
            values += [first[name]] * length if name in first else columns.get(name, [None] * length)
    return whole


def to_pandas(columns: Columns) -> "pd.DataFrame":
    """A data frame; whole numbers stay whole where some are missing.

    Raises:
        DataError: pandas is not installed.
    """
    pandas = needed("pandas", _EXTRA, "data frames")
    frame: pd.DataFrame = pandas.DataFrame({name: _series(pandas, values) for name, values in columns.items()})
    return frame


def to_bytes(columns: Columns, suffix: str) -> bytes:
    """The content of a `.csv` or of a `.parquet`.

    Raises:
        DataError: PyArrow is not installed, which Parquet needs.
        OutputError: Another suffix.
    """
    check_suffix(Path(f"table{suffix}"))
    if suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue().encode("utf-8", "backslashreplace")
    arrow, parquet = needed("pyarrow", _EXTRA, "Parquet"), needed("pyarrow.parquet", _EXTRA, "Parquet")
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns), file)
    return file.getvalue()


def check_suffix(path: Path) -> None:
    """Refuses a file that is neither CSV nor Parquet, and Parquet without PyArrow, before any work.

    Raises:
        OutputError: Another suffix.
        DataError: PyArrow is not installed.
    """
    if path.suffix not in FORMATS:
        raise OutputError(f"Expected a .csv or a .parquet for a table; got {path.name!r}.")
    if path.suffix == ".parquet":
        needed("pyarrow", _EXTRA, "Parquet")


def _series(pandas: Any, values: list[Any]) -> Any:
    whole = all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in values)
    holed = whole and None in values and any(value is not None for value in values)
    return pandas.array(values, dtype="Int64") if holed else values


def _flat(record: Any, before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{before}{field.name}"
        if dataclasses.is_dataclass(value):
            found |= _flat(value, f"{name}_")
        elif isinstance(value, tuple) and name.endswith("interval") and len(value) == 2:
            stem = name.removesuffix("interval")
            found |= {f"{stem}low": value[0], f"{stem}high": value[1]}
        elif value is None or isinstance(value, str | int | float):
            found[name] = value
    return found
