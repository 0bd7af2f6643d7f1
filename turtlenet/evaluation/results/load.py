"""Reads a report's JSON back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from turtlenet.errors import DataError
from turtlenet.evaluation.results.report import Comparison, Report

_JSON = "report.json"


def load(path: str | Path, shown: Callable[[Report], Any] = str) -> Report | Comparison:
    """Reads a report back.

    Args:
        path: A `report.json`, or the folder it is in.
        shown: Shows one report, which raises where the file says what cannot be shown.

    Raises:
        DataError: There is no such file, or it is not a report.
    """
    path = Path(path)
    file = path / _JSON if path.is_dir() else path
    try:
        return _read(json.loads(file.read_text(encoding="utf-8")), shown)
    except OSError as error:
        reason = f"{_line(file)}: {error.strerror or type(error).__name__}"
        raise DataError(f"Expected a {_JSON} or the folder of one; got {reason}.") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = _line(error)[:200].rstrip(". ") or type(error).__name__
        raise DataError(f"Expected a report that turtlenet wrote; got {_line(file)}: {reason}.") from None


def _read(data: object, shown: Callable[[Report], Any]) -> Report | Comparison:
    if not isinstance(data, Mapping):
        raise TypeError(f"a JSON {type(data).__name__} instead of an object")
    if "reports" not in data:
        return _sound(Report.from_dict(data), shown)
    return Comparison(tuple(_sound(Report.from_dict(one), shown) for one in data["reports"]))


def _sound(report: Report, shown: Callable[[Report], Any]) -> Report:
    """Lets no NaN in, which JSON proper does not have, and nothing that cannot be shown."""
    report.to_json()
    shown(report)
    return report


def _line(text: object) -> str:
    return " ".join(str(text).split())
