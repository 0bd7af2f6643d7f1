"""Ranks models by the reports below a folder."""

import json
from pathlib import Path
from typing import Any

from turtlenet.checked import checked
from turtlenet.errors import DataError
from turtlenet.evaluation.results.leaderboard import Leaderboard, ranked
from turtlenet.evaluation.results.load import load
from turtlenet.evaluation.results.paired import p_value
from turtlenet.evaluation.results.report import Report
from turtlenet.files import PathType

_NAME = "report.json"


@checked()
def rank(folder: PathType) -> Leaderboard:
    """Reads every `report.json` below a folder and ranks the models, each setting by itself.

    No model is loaded and nothing is attacked: the numbers are those of the reports. What is no report of robustness
    is left out, and said so.

    Args:
        folder: Where the reports lie, at any depth.

    Raises:
        DataError: No such folder, or no report of robustness below it.
    """
    top = Path(folder)
    if not top.is_dir():
        raise DataError(f"Expected a folder of reports; got {folder}, which is no folder.")
    found: list[tuple[str, Report]] = []
    skipped: list[dict[str, Any]] = []
    for path in sorted(top.rglob(_NAME)):
        where = path.parent.relative_to(top).as_posix()
        try:
            found += [(where, each) for each in load(path, _ranked_alone).reports if each.attacks]
        except DataError as error:
            skipped.append({"report": where, "reason": _other(path) or str(error)})
    if not found:
        more = f": {len(skipped)} found that cannot be read so" if skipped else ""
        raise DataError(f"Expected {_NAME} of an evaluation below {folder}; got none{more}.")
    return ranked(str(folder), found, skipped)


def _ranked_alone(report: Report) -> str:
    """A leaderboard of one report, which it is compared with too: no framework is needed to show it."""
    p_value(report, report)
    return str(ranked("", [("", report)]))


def _other(path: Path) -> str:
    """What a report is that is none of robustness; empty where it is none at all."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    kinds = {
        "detector": "the report of a detector",
        "generator": "the report of a generator",
        "front": "the report of a front",
    }
    return next((words for name, words in kinds.items() if isinstance(told, dict) and name in told), "")
