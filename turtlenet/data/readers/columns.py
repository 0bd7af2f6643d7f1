"""The values of one column of a table: text or numbers, and what is refused of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from turtlenet.errors import DataError, decimal_point

_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b")
_SHOWN = 6


def is_text(values: Any, column: str, name: str) -> bool:
    """Whether a column is text or categories; others are numbers or flags.

    Raises:
        DataError: It is neither, such as dates.
    """
    kind = getattr(values.dtype, "kind", "O")
    if kind in "buif":
        return False
    if kind == "O":
        known = values.dropna()
        if len(known) and all(isinstance(each, (bool, int, float, np.number, np.bool_)) for each in known):
            return False
        if all(isinstance(each, (str, bool, int, float, np.number, np.bool_)) for each in known):
            return True
    elif kind in "UST":
        return True
    raise DataError(
        f"Expected numbers or text in column {column!r} of {name}; got {values.dtype}: make numbers of it, or leave "
        "it out with --drop."
    )


def check_categories(values: Any, column: str, name: str) -> None:
    """Refuses text that is dates, or numbers with a decimal comma, which would be as many categories."""
    known = [str(each) for each in values.dropna()]
    if known and all(map(_DATE.match, known)):
        raise DataError(
            f"Expected numbers or categories in column {column!r} of {name}; got dates such as {known[0][:40]!r}: "
            "make numbers of them, or leave them out with --drop."
        )
    meant = decimal_point(next((each for each in known if "," in each), ""))
    if meant and all(is_number(each.replace(",", ".")) for each in known):
        raise DataError(
            f"Expected numbers with a decimal point in column {column!r} of {name}; got text such as "
            f"{next(each for each in known if ',' in each)!r}."
        )


def texts(values: Any, column: str, name: str) -> np.ndarray:
    """The values of a column of text."""
    check_missing(values, column, name)
    return np.array([str(each) for each in values], dtype=object)


def numbers_of(values: Any, column: str, name: str) -> np.ndarray:
    """The values of a column of numbers, float32 (rows,).

    Raises:
        DataError: Text, missing values, or numbers that are not finite in float32.
    """
    if is_text(values, column, name):
        raise DataError(f"Expected numbers in column {column!r} of {name}; got text.")
    check_missing(values, column, name)
    found = np.asarray(values.to_numpy(dtype="float64"))
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise DataError(
            f"Expected finite numbers in column {column!r} of {name}; got {found[bad[0]]} at row {bad[0]}."
        )
    with np.errstate(over="ignore"):
        narrow = found.astype("float32")
    if not np.isfinite(narrow).all():
        row = int(np.flatnonzero(~np.isfinite(narrow))[0])
        raise DataError(f"Expected float32 numbers in column {column!r} of {name}; got {found[row]:g} at row {row}.")
    return narrow


def check_missing(values: Any, column: str, name: str) -> None:
    """Refuses a column that lacks values."""
    missing = np.flatnonzero(np.asarray(values.isna()))
    if len(missing):
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise DataError(
            f"Expected a value in every row of column {column!r} of {name}; got none at row {missing[0]}{more} "
            "(the first row is 0): fill them in or leave these rows out."
        )


def type_of(values: Any) -> str:
    """`integer` or `real`."""
    kind = getattr(values.dtype, "kind", "O")
    if kind == "O":
        return "integer" if all(isinstance(each, (bool, int, np.integer, np.bool_)) for each in values) else "real"
    return "integer" if kind in "biu" else "real"


def check_known(text: np.ndarray, column: str, known: Sequence[str], name: str) -> None:
    """Refuses text that is none of the known categories."""
    other = np.flatnonzero(~np.isin(text.astype(str), np.array(known, dtype=str)))
    if len(other):
        raise DataError(
            f"Expected one of {listed(known)} in column {column!r} of {name}; "
            f"got {text[other[0]]!r} at row {other[0]}."
        )


def listed(columns: Sequence[str] | Mapping[str, Any]) -> str:
    """The first few of some names, as a message has them."""
    some = [str(column)[:40] for column in columns][:_SHOWN]
    return ", ".join(some) + (f", ... ({len(columns)})" if len(columns) > _SHOWN else "")


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
