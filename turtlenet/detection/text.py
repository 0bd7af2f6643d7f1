"""The terminal's view of a detector, and the words and cells that all views share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from turtlenet.reports.format import MISSING, WIDTH, aligned, clean, clip, count, fraction, percent, within

if TYPE_CHECKING:
    from turtlenet.detection.fitted import FittedDetector, Point, Scores
    from turtlenet.detection.report import AttackedRow, Detection, Separation, Share

__all__ = [
    "SEPARATION_HEAD",
    "equation",
    "facts",
    "fitted",
    "headline",
    "legend",
    "point_words",
    "populations",
    "scores_cells",
    "separation_cells",
    "share",
    "slip_head",
    "slip_rows",
    "table",
    "title",
]

EQUATION = (
    "The score is the variance of each class's softmax output over the draws (1/N), averaged over the classes: "
    "paper 001, equation 12. Sigma is the variance of the scores, as the paper's must be."
)
OWN_PROBABILITY = (
    "The score is the probability that the detector itself gives; mu and sigma are the mean and the variance of these."
)
SEPARATION_HEAD = ("attack", "clean", "adversarial", "mu", "sigma", "AUC [95 % interval]", "accuracy [95 % interval]")


def table(result: Detection) -> str:
    """The summary for a terminal: plain text, at most 100 columns."""
    lines = [*_wrapped(" | ".join(facts(result))), *_wrapped(headline(result)), ""]
    for title, rows in populations(result):
        lines += [*_wrapped(title), *_separations(rows), ""]
    lines += [*_wrapped("Misclassified and not seen, of the images that were right:")]
    lines += [*aligned([slip_head(result), *slip_rows(result)]), ""]
    lines += [*legend(result), ""]
    for doubt in result.doubts:
        lines += _wrapped(f"! {clean(doubt.finding)} -> {clean(doubt.advice)}", "  ")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def fitted(found: FittedDetector) -> str:
    """What a detector was fitted on, for a terminal."""
    said = {"successes": "clean images that are right, adversarial examples that succeed", "all": "all images"}
    head = f"{found.detector['name']}, fitted on {said[found.population]}; {found.draws} draws behind a score"
    rows = [["", "count", "mu", "sigma"], *([clip(row.name, 40), *scores_cells(row)] for row in found.scores)]
    points = [line for point in found.points for line in _wrapped(point_words(point), "  ")]
    return "\n".join([*_wrapped(head), *aligned(rows), *points])


def facts(result: Detection) -> list[str]:
    """What was scored, in a few words each."""
    threat, total = result.threat, result.data.get("count")
    low, high = threat["bounds"]
    return [
        clip(result.model.get("name") or "model", 40),
        f"{result.detector['detector']['name']} detector, {result.draws} draws",
        f"{clip(result.data.get('name', MISSING), 30)}, {count(total)} images",
        f"{str(threat['norm']).capitalize()} eps {threat['eps']:g} in [{low:g}, {high:g}]",
    ]


def headline(result: Detection) -> str:
    """The finding in a sentence: what the detector lets through, at the point of few false alarms."""
    alarm = result.alarms[-1]
    false = f"while {percent(alarm.successes.share)} of the clean images set it off"
    plain = f"plain attacks get {_of(result.slipped_plain)} of the images misclassified and not seen"
    if not result.slipped_adaptive:
        return f"At {alarm.point.name}, {plain}, {false}; no attack knew of the detector."
    return f"At {alarm.point.name}, {plain}, attacks that know of it {_of(result.slipped_adaptive)}, {false}."


def title(row: AttackedRow) -> str:
    """An attack as the user named it; an adaptive one by the points that it was told of."""
    return f"{row.name}, told {' and '.join(row.aims_at)}" if row.adaptive else clean(row.spec)


def equation(result: Detection) -> str:
    """What the scores are."""
    return OWN_PROBABILITY if all(each.point.edge == each.point.cut for each in result.alarms) else EQUATION


def populations(result: Detection) -> list[tuple[str, list[tuple[AttackedRow, Separation]]]]:
    """Both populations, each with a title and what every attack's examples were like."""
    return [
        (
            "Clean images that are classified correctly, against adversarial examples that succeed:",
            [(row, row.successes) for row in result.rows],
        ),
        (
            "All clean images against all adversarial ones, whatever the answers, as in paper 001:",
            [(row, row.all) for row in result.rows],
        ),
    ]


def separation_cells(row: AttackedRow, found: Separation) -> list[str]:
    """One attack's line in a table of `SEPARATION_HEAD`, without its name."""
    auc = MISSING if found.auc is None else fraction(found.auc, found.auc_interval)
    accuracy = MISSING if found.accuracy is None else fraction(found.accuracy, found.accuracy_interval)
    return [count(found.clean.count), *scores_cells(found.adversarial), auc, accuracy]


def scores_cells(scores: Scores) -> list[str]:
    """How many, their mean and their variance."""
    return [count(scores.count), *(_small(value) for value in (scores.mu, scores.sigma))]


def slip_head(result: Detection) -> list[str]:
    """Heads of the table of what got through."""
    return ["attack", "misclassified", *(f"not seen at {alarm.point.name}" for alarm in result.alarms)]


def slip_rows(result: Detection) -> list[list[str]]:
    """What each attack got through, then all plain ones, then all."""
    rows = [[clip(title(row), 44), share(row.fooled), *(share(each) for each in row.slipped)] for row in result.rows]
    for name, found in (("any plain attack", result.slipped_plain), ("any attack", result.slipped_adaptive)):
        if found:
            rows.append([name, "", *map(share, found)])
    return rows


def legend(result: Detection) -> list[str]:
    """What the points of the detector are, and how often clean images set it off."""
    return [
        line
        for alarm in result.alarms
        for line in _wrapped(
            f"{point_words(alarm.point)}; of clean images that are right, {share(alarm.successes)} set it off, "
            f"of all, {share(alarm.all)}",
            "  ",
        )
    ]


def point_words(point: Point) -> str:
    """Where a detector says that it sees an attack."""
    if point.edge == point.cut:
        return f"{point.name}: seen at a probability above {point.cut:.3g}"
    beyond = "above" if point.side == "below" else "below"
    return f"{point.name}: seen at a probability above {point.cut:.3g}, an uncertainty {beyond} {point.edge:.3g}"


def share(found: Share) -> str:
    """A share with its interval."""
    return fraction(found.share, found.interval) if found.count else MISSING


def _of(found: Sequence[Share]) -> str:
    return f"{percent(found[-1].share)} (95 % interval {within(found[-1].interval)})" if found else "none"


def _separations(rows: Sequence[tuple[AttackedRow, Separation]]) -> list[str]:
    clean_side = rows[0][1].clean if rows else None
    cells = [[clip(title(row), 44), *separation_cells(row, found)] for row, found in rows]
    first = [["clean", "", *scores_cells(clean_side), "", ""]] if clean_side else []
    return aligned([SEPARATION_HEAD, *first, *cells])


def _small(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2e}"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent)
