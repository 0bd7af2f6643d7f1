"""Many models by the reports that were made of them: ranked where their numbers can be compared, apart where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.evaluation.results.paired import SURE, p_value
from turtlenet.evaluation.results.report import Report
from turtlenet.reports.base import BaseReport
from turtlenet.reports.document import Document
from turtlenet.typing import Interval

_ADDED = ("quantizer-pgd", "multi-targeted")
"""Attacks that an evaluation adds for some models: whoever has more of them has the harder test."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One model's line.

    Attributes:
        place: The first place that it may have: models that are not told apart from the one at the head of those
            before share it.
        model, path, sha256, parameters: Which model.
        clean_accuracy: Before any attack; with its 95 % interval.
        robust_accuracy: Under every attack; with its 95 % interval.
        p_value: How often chance alone would tell this model as far apart from the best one with the place before, on
            the same images, by an exact sign test; None for the first, and where no image is known by itself.
        attacks: How many attacks were run.
        doubts: The codes of the reasons to doubt.
        created: When it was evaluated.
        report: Where its report lies, from the folder that was ranked.
    """

    place: int
    model: str
    path: str | None
    sha256: str
    parameters: int | None
    clean_accuracy: float
    clean_accuracy_interval: Interval
    robust_accuracy: float
    robust_accuracy_interval: Interval
    p_value: float | None
    attacks: int
    doubts: tuple[str, ...]
    created: str
    report: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """Models that were tested alike.

    Attributes:
        setting: What is the same for all: `norm`, `eps`, `bounds`, `access`, `labels`, `pixels`, `mode`, `data` (its
            name), `count`, `data_sha256`, and the `attacks` by their specs.
        places: The models, the most robust first.
    """

    setting: dict[str, Any]
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class Leaderboard(BaseReport):
    """Models by their reports.

    Attributes:
        folder: What was ranked.
        boards: One for each setting, the one with most models first.
        skipped: What else was found there: `report` and `reason`.
    """

    folder: str
    boards: tuple[Board, ...]
    skipped: tuple[dict[str, Any], ...] = ()

    stem: ClassVar[str] = "leaderboard"

    def document(self) -> Document:
        """See `turtlenet.evaluation.views.leaderboard_sections`."""
        from turtlenet.evaluation.views.leaderboard_sections import document

        return document(self)


def ranked(folder: str, found: Sequence[tuple[str, Report]], skipped: Sequence[dict[str, Any]] = ()) -> Leaderboard:
    """Ranks reports.

    Args:
        folder: Where they were found, for people.
        found: Each report with where it lies. Of several reports of one model in one setting, the latest counts.
        skipped: What was found and is no such report.
    """
    groups: dict[str, list[tuple[str, Report]]] = {}
    for where, report in found:
        groups.setdefault(repr(sorted(setting_of(report).items())), []).append((where, report))
    boards = [Board(setting=setting_of(group[0][1]), places=_places(_latest(group))) for group in groups.values()]
    return Leaderboard(
        folder=folder, boards=tuple(sorted(boards, key=lambda board: -len(board.places))), skipped=tuple(skipped)
    )


def setting_of(report: Report) -> dict[str, Any]:
    """All that must be alike for two robust accuracies to be compared."""
    threat, data = report.threat, report.data
    same = {name: threat.get(name) for name in ("norm", "eps", "bounds", "access", "labels", "pixels")}
    if isinstance(threat.get("features"), dict):
        same["features"] = repr(sorted(threat["features"].items()))
    same |= {"mode": report.mode, "data": data.get("name"), "count": data.get("count")}
    same |= {"data_sha256": data.get("sha256"), "attacks": _attacks(report)}
    return same


def _attacks(report: Report) -> list[str]:
    """The attacks, but for those that were added because of the model, which only lower its number."""
    kept = [
        row.spec or row.name
        for row in report.attacks
        if row.counted and row.name not in _ADDED and row.settings.get("gradient") != "naive"
    ]
    return list(dict.fromkeys(kept))


def _latest(group: Sequence[tuple[str, Report]]) -> list[tuple[str, Report]]:
    newest: dict[str, tuple[str, Report]] = {}
    for where, report in group:
        # A comparison's folder holds each of its reports once more.
        model = str(report.model.get("sha256") or where)
        if model not in newest or newest[model][1].created < report.created:
            newest[model] = (where, report)
    return list(newest.values())


def _places(group: Sequence[tuple[str, Report]]) -> tuple[Place, ...]:
    order = sorted(group, key=lambda pair: (-pair[1].robust_accuracy, -pair[1].clean_accuracy, pair[0]))
    places: list[Place] = []
    head, place = order[0][1], 1
    for number, (where, report) in enumerate(order):
        chance = p_value(head, report) if number else None
        if number and not _alike(head, report, chance):
            head, place = report, number + 1
        places.append(_place(place, where, report, chance))
    return tuple(places)


def _alike(head: Report, other: Report, chance: float | None) -> bool:
    return head.robust_accuracy == other.robust_accuracy if chance is None else chance >= SURE


def _place(place: int, where: str, report: Report, chance: float | None) -> Place:
    model = report.model
    return Place(
        place=place,
        model=str(model.get("name") or "model"),
        path=model.get("path"),
        sha256=str(model.get("sha256") or ""),
        parameters=model.get("parameters"),
        clean_accuracy=report.clean_accuracy,
        clean_accuracy_interval=report.clean_accuracy_interval,
        robust_accuracy=report.robust_accuracy,
        robust_accuracy_interval=report.robust_accuracy_interval,
        p_value=chance,
        attacks=len(report.attacks),
        doubts=tuple(doubt.code for doubt in report.doubts),
        created=report.created,
        report=where,
    )
