"""Tables in files: CSV and Parquet. Nothing in them is run, and no other file is read for them."""

import re
import warnings
from pathlib import Path
from typing import Any

from turtlenet.data.about import VALIDATION
from turtlenet.data.readers.files import check_inside
from turtlenet.data.readers.tables import SUFFIXES
from turtlenet.errors import DataError, one_line
from turtlenet.files.formats import what_is
from turtlenet.optional import needed

EXTRA = "tables"
PARQUET_SUFFIXES = {".parquet", ".pq"}
_SEPARATORS = ",;\t|"
_SAID = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""A first line by which Excel is told the separator."""
_QUOTED = re.compile(r'"[^"]*("|$)')
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NO_TABLES = (
    *("a web page", "a JSON file", "a Jupyter notebook", "a Git LFS", "a git-annex", "a DVC", "a zip archive"),
    "an Excel workbook",
)
"""How `turtlenet.files.formats.what_is` calls them."""


def is_table(path: Path) -> bool:
    """Whether a path is called as a table is."""
    return path.suffix.lower() in SUFFIXES


def tables_in(path: Path) -> dict[str, Path]:
    """The tables `train.*`, `test.*` and `val.*` of a folder, by these names; the last alone if it is all there is.

    Raises:
        DataError: Several tables for a part, or a link that leads out of the folder.
    """
    found: dict[str, Path] = {}
    for part in ("train", "test", *VALIDATION):
        files = sorted(file for file in path.glob(f"{part}.*") if is_table(file))
        if len(files) > 1:
            raise DataError(f"Expected one table {part} in {path}; got {' and '.join(file.name for file in files)}.")
        for file in files:
            check_inside(file, path)
            found[part] = file
    # A table beside folders of images, or beside arrays, may be about those.
    others = any(item.is_dir() or item.suffix.lower() == ".npy" for item in path.iterdir() if item.name[0] != ".")
    return found if {"train", "test"} & set(found) or not others else {}


def read_csv(path: Path) -> Any:
    """The table in a CSV file as a `pandas.DataFrame`.

    Values are apart by a comma, a semicolon, a tabulator or a bar, whichever the first line has most of, or by what a
    line `sep=;` before all others says. An empty
    cell, and what pandas takes for one (NA, NaN, null, None), is a missing value.

    Raises:
        DataError: pandas is not installed, or the file cannot be read.
    """
    pandas = needed("pandas", EXTRA, "tables")
    try:
        _check_kind(path)
        with path.open("r", encoding="utf-8-sig", newline="") as text:
            head = text.readline(1 << 20)
        said = _SAID.fullmatch(head)
        bare = _QUOTED.sub("", head)
        likely = max(_SEPARATORS, key=bare.count) if any(map(bare.count, _SEPARATORS)) else ","
        how = {"sep": said[1] if said else likely, "skiprows": 1 if said else 0}
        # An open file: pandas would fetch an address.
        with path.open("rb") as file, warnings.catch_warnings():
            # Of lines with more cells than the first it would drop those at the end, and take others for the label.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            how |= {"encoding": "utf-8-sig", "low_memory": False, "index_col": False, "skipinitialspace": True}
            frame = pandas.read_csv(file, **how)
            file.seek(0)
            # Of two columns of one name it calls the second by another, and a label would become a feature.
            names = pandas.read_csv(file, **how, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
        if (twice := names[(names != "") & names.duplicated()]).size:
            raise DataError(f"Expected every column to have a name of its own in {path}; got {twice.iloc[0]!r} twice.")
        return frame
    except DataError:
        raise
    except pandas.errors.ParserWarning:
        raise DataError(
            f"Expected as many cells in every line of {path} as names in its first line; got lines with more: is a "
            "name missing, such as that of row numbers?"
        ) from None
    except UnicodeDecodeError as error:
        if (known := what_is(path)) and known != "a text file":
            raise DataError(f"Expected a table in {path}; got {known}.") from None
        raise DataError(f"Expected text in UTF-8 in {path}; got{_encoding(path, error)}.") from None
    except Exception as error:  # Damaged bytes fail in as many ways as there are parsers below.
        raise DataError(f"Expected a table in {path}; got{_reason(path, error)}.") from None


def read_parquet(path: Path) -> Any:
    """The table in a Parquet file as a `pyarrow.Table`.

    Raises:
        DataError: pyarrow is not installed, or the file cannot be read.
    """
    parquet = needed("pyarrow.parquet", EXTRA, "Parquet files")
    try:
        with path.open("rb") as file:
            return parquet.read_table(file)
    except Exception as error:  # As above.
        raise DataError(f"Expected a table in {path}; got{_reason(path, error)}.") from None


def _reason(path: Path, error: Exception) -> str:
    known = what_is(path) or ""
    if not known or "text file" in known or (path.suffix.lower() in PARQUET_SUFFIXES and "Parquet table" in known):
        return f": {one_line(error, 200)}"
    return f" {known}"


def _check_kind(path: Path) -> None:
    """Refuses what a parser of CSV would read as a table, and is none.

    Raises:
        DataError: Such a file.
    """
    known = what_is(path) or ""
    if known.startswith(_NO_TABLES):
        cure = "" if ":" in known else ": save the table in it as CSV"
        raise DataError(f"Expected a table in {path}; got {known}{cure}.")


def _encoding(path: Path, error: UnicodeDecodeError) -> str:
    """What bytes are that are no UTF-8."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_UTF_16):
        return " UTF-16: save it as UTF-8"
    if b"\0" in head:
        return f": {one_line(error, 200)}"
    return " Latin-1 or another encoding: save it as UTF-8"
