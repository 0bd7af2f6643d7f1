"""The tables of a report of robustness: a line for each image and attack, for each image, for each attack, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turtlenet.reports.frames import Columns, columns_of, stacked

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import ImageResults
    from turtlenet.evaluation.results.report import Report

WRONG, HELD, BROKEN, SKIPPED = "wrong", "held", "broken", "skipped"
"""What an attack did to an image: it was wrong before, it withstood, it fell, or the attack was not run on it."""


def tables(report: Report) -> dict[str, Columns]:
    """All that have rows, and `examples`, the one that says most first."""
    found = {
        "results": _results(report),
        "examples": _examples(report),
        "attacks": _attacks(report),
        "classes": columns_of(report.per_class),
        "answer_parts": columns_of(report.per_part),
        "curve": columns_of(report.curve),
        "parts": columns_of(report.parts),
        "doubts": columns_of(report.doubts),
    }
    return {name: columns for name, columns in found.items() if name == "examples" or any(columns.values())}


def _results(report: Report) -> Columns:
    """A line for each image under each attack."""
    shared = _known(report)
    count = len(shared["label"])
    parts = [
        ({"attack": row.title}, {**shared, **_under(report, each)})
        for row, each in zip(report.attacks, report.results, strict=False)
        if len(each.correct) == count
    ]
    whole = stacked(parts)
    return {name: whole[name] for name in ("index", "attack", *whole) if name in whole}


def _under(report: Report, each: ImageResults) -> Columns:
    right = _right(report)
    known = zip(right, each.attacked, each.correct, strict=True)
    verdicts = [
        WRONG if not before else SKIPPED if not run else HELD if after else BROKEN for before, run, after in known
    ]
    answers = [None if answer < 0 else answer for answer in each.prediction]
    return {
        "verdict": verdicts,
        "prediction": answers,
        **_named(report, "prediction", answers),
        "confidence": list(each.confidence),
        "distance": list(each.distance),
        "gradients": list(each.gradients),
        "queries": list(each.queries),
    }


def _known(report: Report) -> Columns:
    """What is known of the images before any attack."""
    verdicts = report.verdicts
    labels, clean = (list(verdicts.get(name, [])) for name in ("label", "clean_prediction"))
    clean = clean if len(clean) == len(labels) else [None] * len(labels)
    sure = verdicts.get("clean_confidence", [])
    return {
        "index": list(range(len(labels))),
        "label": labels,
        **_named(report, "label", labels),
        "clean_prediction": clean,
        **_named(report, "clean_prediction", clean),
        **({"clean_confidence": list(sure)} if len(sure) == len(labels) else {}),
    }


def _examples(report: Report) -> Columns:
    """A line for each image: what it is, what the model said, and whether all attacks and parts failed."""
    known = _known(report)
    robust = list(report.verdicts.get("robust", []))
    known["robust"] = robust if len(robust) == len(known["label"]) else [None] * len(known["label"])
    return known


def _attacks(report: Report) -> Columns:
    columns = columns_of(report.attacks)
    return {"attack": [row.title for row in report.attacks], **columns} if columns else columns


def _right(report: Report) -> list[bool]:
    known = report.verdicts
    return [label == answer for label, answer in zip(known["label"], known["clean_prediction"], strict=True)]


def _named(report: Report, column: str, values: list[Any]) -> Columns:
    """A column of the names of the classes that `values` are, where names are known; else none."""
    classes = report.data.get("classes")
    if not isinstance(classes, list) or not classes:
        return {}
    names = [str(classes[each]) if isinstance(each, int) and 0 <= each < len(classes) else None for each in values]
    return {f"{column}_name": names}
