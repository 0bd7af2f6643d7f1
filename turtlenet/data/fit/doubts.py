"""Whether data, bounds and radius belong to the model."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from turtlenet.balls import is_plain
from turtlenet.data.fit.fit import Fit
from turtlenet.radius import size_words
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import interval

_SLIVER = 0.1
_DARK = 0.5
_TINY = 1 / 1000
_UNITS = {
    True: "8px means gray levels of 255, 3% a share of the range.",
    False: "3% means a share of the range.",
}
"""How else a radius may be given, for images and for other inputs."""


def find_misfits(fit: Fit) -> tuple[Doubt, ...]:
    """What can be doubted before any attack."""
    found = (check(fit) for check in FIT_CHECKS.values())
    return tuple(doubt for doubt in found if doubt is not None)


def guessing(fit: Fit) -> Doubt | None:
    """A clean accuracy that always answering one class would reach."""
    count, hits = len(fit.labels), int((fit.labels == fit.predictions).sum())
    if not count or hits == count:
        return None
    sizes = np.bincount(fit.labels)
    largest, several = int(sizes.argmax()), np.count_nonzero(sizes) > 1
    # Where there are images of one class only, always answering it is no guess.
    guess = float(sizes.max()) / count if several else 1 / fit.num_classes
    what = f"always answering class {largest}" if several else f"guessing one of {fit.num_classes} classes"
    if fit.chance is not None:
        guess, what = fit.chance
    low, high = interval(hits, count)
    if low > guess:
        return None
    how = "cannot be told from" if hits / count > guess else "is no better than"
    given = np.unique(fit.predictions)
    constant = f" The model answers class {given[0]} to all of them." if several and len(given) == 1 else ""
    return Doubt(
        code="no-better-than-guessing",
        finding=f"Clean accuracy {hits / count:.3f} [{low:.3f}, {high:.3f}] on {fit.inputs.count(count)} {how} "
        f"{what}, which gives {guess:.3f}.{constant}",
        advice=f"The {fit.inputs.value} range, the labels or the order of {_parts(fit)} do not fit the model, or it "
        "is not trained: give the data as it was trained on (--bounds LOW,HIGH; floats if they were standardised, or "
        "--normalize) before believing any number.",
    )


def relabeled(fit: Fit) -> Doubt | None:
    """Answers that fit the labels in another order."""
    count, classes = len(fit.labels), fit.num_classes
    if count < 5 * classes or fit.chance is not None:
        return None
    hits = int((fit.labels == fit.predictions).sum())
    table = np.zeros((classes, classes), int)
    np.add.at(table, (fit.labels, fit.predictions), 1)
    theirs = linear_sum_assignment(table, maximize=True)[1]
    found = int(table[np.arange(classes), theirs].sum())
    if found < 0.5 * count or interval(found, count)[0] <= interval(hits, count)[1] + 0.05:
        return None
    return Doubt(
        code="labels-in-another-order",
        finding=f"With the labels in another order ({_order(table, theirs)}) {found / count:.3f} of "
        f"{fit.inputs.count(count)} would be right instead of {hits / count:.3f}.",
        advice="Number the classes as the model was trained on (--classes A,B,...); classes that have names are "
        "numbered by their sorted names.",
    )


def left_out(fit: Fit) -> Doubt | None:
    """Classes of which there is nothing among the first of data that lie by class."""
    if fit.first_classes is None:
        return None
    here, there = fit.first_classes
    return Doubt(
        code="classes-left-out",
        finding=f"Of the {there} classes of the data the first {fit.inputs.count(len(fit.labels))} have {here}: the "
        "data lie in the order of their classes.",
        advice="Nothing is said of the other classes: take all of the data (--limit 0), or give them in random order.",
    )


def _order(table: np.ndarray, theirs: np.ndarray) -> str:
    """Which of the model's classes stands for which label, as `0 as 3, 3 as 0` or `shifted by 1`."""
    moved = [(int(ours), int(other)) for ours, other in enumerate(theirs) if ours != other and table[ours].any()]
    steps = {(other - ours) % len(theirs) for ours, other in moved}
    if len(steps) == 1 and len(moved) > 2:
        step = min(steps)
        return f"shifted by {step if 2 * step <= len(theirs) else step - len(theirs)}"
    return ", ".join(f"{ours} as {other}" for ours, other in moved[:4]) + (", ..." if len(moved) > 4 else "")


def _parts(fit: Fit) -> str:
    return {"image": "channels", "table": "columns"}.get(fit.inputs.name, "features")


def range_of_values(fit: Fit) -> Doubt | None:
    """Values that fill little of the bounds, or one side of them."""
    span, values, inputs = fit.span, fit.inputs.values, fit.inputs.examples
    if not is_plain(fit.ball):
        return None
    low, high = span.bounds
    inside = f"[{span.low:.4g}, {span.high:.4g}] of [{low:g}, {high:g}]"
    ends = f"{math.floor(span.stored_low)},{max(math.ceil(span.stored_high), math.floor(span.stored_low) + 1)}"
    if span.peak is not None and span.peak > 1 and span.stored_high < _DARK * span.peak:
        return Doubt(
            code="integers-far-below-their-peak",
            finding=f"All {span.dtype} {values} lie within {span.stored_low:g} to {span.stored_high:g}; scaled by "
            f"their peak of {span.peak:,} they fill only {inside}.",
            advice=f"Unless the {inputs} are that {'dark' if fit.inputs.pictured else 'low'}, give floats scaled as "
            f"in training, or --bounds {ends} if the model takes the integers as they are.",
            options={"bounds": ends},
        )
    if span.fills < _SLIVER:
        unit = low == 0 <= span.low and 0.5 < span.high <= 1
        return Doubt(
            code=f"{values}-fill-a-sliver",
            finding=f"All {values} lie within {inside}: they fill {100 * span.fills:.2g} % of the range.",
            advice=(
                "Scale the data to the bounds: they look as if they were divided twice."
                if ends == f"{low:g},{high:g}"
                else f"Pass --bounds {ends} if the model takes them so; else scale the data to the bounds"
                + (f", times {high:g}." if unit else ".")
            ),
            options={} if ends == f"{low:g},{high:g}" else {"bounds": ends},
        )
    if low < 0 <= span.low and span.high <= 1 and span.peak is None:
        return Doubt(
            code=f"{values}-on-one-side",
            finding=f"All {values} lie within {inside}: none is below 0.",
            advice="Pass --bounds 0,1 if the model takes them so; else bring the data to the bounds, as 2x - 1 does "
            "from [0, 1] to [-1, 1].",
            options={"bounds": "0,1"},
        )
    return None


def other_reading(fit: Fit) -> Doubt | None:
    """Another reading of the same values, in which the model is right."""
    found = fit.reading
    if found is None:
        return None
    return Doubt(
        code="another-reading-fits",
        finding=f"With the {fit.inputs.values} {found.how}, {found.accuracy:.3f} of {found.count} "
        f"{fit.inputs.examples} are right instead of {found.clean:.3f}.",
        advice=f"The data are not as the model was trained on: {found.mend}.",
    )


def radius(fit: Fit) -> Doubt | None:
    """A radius that is nothing, or everything, on the range of the values."""
    ball = fit.ball
    if not is_plain(ball):
        return None
    eps, share = float(ball.eps), ball.per_pixel(fit.shape)
    kind, image = fit.inputs, fit.inputs.pictured
    level = (ball.high - ball.low) / 255
    words = size_words(ball.norm, share, 255 * share if image else None, kind)
    what = f"eps {eps:g} in {ball.norm} on {kind.values} in [{ball.low:g}, {ball.high:g}]"
    tiny = eps < 1 if ball.norm == "l0" else share < _TINY or (image and eps < level * (1 - 1e-6))
    if tiny:
        meant = f"{eps * (ball.high - ball.low):g}" if ball.high - ball.low > 1 and eps > 0 else ""
        return Doubt(
            code="tiny-radius",
            finding=f"The radius is next to nothing: {what} is {words}.",
            advice="eps is in input units: "
            + (f"if it was meant for {kind.values} in [0, 1], pass {meant}; " if meant and ball.norm != "l0" else "")
            + _UNITS[image],
            options={"eps": meant} if meant and ball.norm != "l0" else {},
        )
    if (ball.norm == "linf" and share >= 0.5) or share > 1:
        return Doubt(
            code="vast-radius",
            finding=f"The radius holds {kind.examples} of every class: {what} is {words}"
            + (", enough to turn any image gray." if image else "."),
            advice=f"eps is in input units, of the same range as the {kind.values}: {_UNITS[image]} No model can be "
            "robust at this radius.",
        )
    return None


FIT_CHECKS: dict[str, Callable[[Fit], Doubt | None]] = {
    "accuracy against guessing": guessing,
    "order of the labels": relabeled,
    "range of the values": range_of_values,
    "other readings of the data": other_reading,
    "size of the radius": radius,
    "classes left out": left_out,
}
