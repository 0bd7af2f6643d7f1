"""The summary of reports for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from turtlenet.evaluation.text import (
    CASCADE,
    CLEAN,
    ROBUST,
    also,
    attack_rows,
    attack_title,
    images,
    names,
    own_balls,
    part,
    part_rows,
    reassurance,
    robust,
    robust_title,
    size,
    sums,
    threat,
)
from turtlenet.reports.format import MISSING, WIDTH, aligned, clean, clip, count, fraction, wrapped

if TYPE_CHECKING:
    from turtlenet.evaluation.report import AttackRow, Report

__all__ = ["table"]

_FRACTION_COLUMN = len("0.861 [0.838, 0.881]") + 2


def table(reports: Sequence[Report]) -> str:
    """The summary for a terminal: plain text, at most 100 columns.

    Args:
        reports: One report, or several to stand side by side.

    Returns:
        A heading for each model, the accuracies with their intervals, and the doubts.
    """
    titles = names(reports)
    lines = [line for title, report in zip(titles, reports, strict=True) for line in _heading(title, report)]
    lines += ["", *(_costs(reports[0]) if len(reports) == 1 else _side_by_side(titles, reports))]
    if any(report.mode == "cascade" and report.attacks for report in reports):
        lines += wrapped(CASCADE, "  ")
    for note in dict.fromkeys(filter(None, map(own_balls, reports))):
        lines += wrapped(note, "  ")
    for title, report in zip(titles, reports, strict=True):
        lines += wrapped((f"{clip(title, 40)}: " if len(reports) > 1 else "") + also(report), "  ") * bool(
            also(report)
        )
    lines.append("")
    for title, report in zip(titles, reports, strict=True):
        lines += _doubts(f"{clip(title, 40)}: " if len(reports) > 1 else "", report)
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _heading(title: str, report: Report) -> list[str]:
    facts = [
        clip(title, 44),
        size(report),
        f"{clip(report.data.get('name', MISSING), 30)} {part(report)}".rstrip() + f", {images(report)}",
        threat(report),
    ]
    return wrapped(" | ".join(facts), "    ")


def _costs(report: Report) -> list[str]:
    """One model: each attack's accuracy and what it took."""
    rows = [["", "accuracy [95 % interval]", "success", "seconds", "gradients"]]
    rows.append([CLEAN, fraction(report.clean_accuracy, report.clean_accuracy_interval), "", "", ""])
    for attacks, title, share, interval in sums(report):
        for row in attacks:
            cells = [clip(attack_title(row), 36), fraction(row.accuracy, row.accuracy_interval)]
            rows.append([*cells, fraction(row.success_rate), f"{row.seconds:,.1f}", count(row.gradients)])
        for more in part_rows(report, title == robust_title(report)) if attacks else ():
            rows.append([clip(f"+ {more.name}", 36), fraction(more.accuracy, more.accuracy_interval), "", "", ""])
        rows += [[title, fraction(share, interval), "", "", ""]] if attacks else []
    return aligned(rows)


def _side_by_side(titles: Sequence[str], reports: Sequence[Report]) -> list[str]:
    """Several models: as many columns as fit, then the next ones below."""
    lines: list[str] = []
    rows = attack_rows(reports)
    label = min(30, max([len(ROBUST), *(len(name) for name, _ in rows)]))
    fit = (WIDTH - 2 - label) // (_FRACTION_COLUMN + 2)
    for start in range(0, len(reports), fit):
        part = slice(start, start + fit)
        lines += [*([""] if start else []), *_block(titles[part], reports[part], rows, part, label)]
    return lines


def _block(
    titles: Sequence[str],
    reports: Sequence[Report],
    attacks: Sequence[tuple[str, tuple[AttackRow | None, ...]]],
    part: slice,
    label: int,
) -> list[str]:
    rows = [["", *(clip(title, _FRACTION_COLUMN) for title in titles)]]
    rows.append([CLEAN, *(fraction(one.clean_accuracy, one.clean_accuracy_interval) for one in reports)])
    for name, cells in attacks:
        found = [fraction(row.accuracy, row.accuracy_interval) if row else MISSING for row in cells[part]]
        rows.append([clip(name, label), *found])
    rows.append([ROBUST, *(robust(one) for one in reports)])
    return aligned(rows)


def _doubts(name: str, report: Report) -> list[str]:
    if not report.doubts:
        return wrapped(f"{name}{reassurance(report)}", "  ")
    return [
        line
        for doubt in report.doubts
        for line in wrapped(f"! {name}{clean(doubt.finding)} -> {clean(doubt.advice)}", "  ")
    ]
