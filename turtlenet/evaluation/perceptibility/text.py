"""How visible a change must become, in the words that tables and figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.views.text import kind, names
from turtlenet.reports.format import MISSING, clip, number

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report


def seen(reports: Sequence[Report]) -> list[tuple[str, Perceptibility]]:
    """What each report that has measured it found, with the model's name."""
    pairs = zip(names(reports), reports, strict=True)
    return [(name, one.perceptibility) for name, one in pairs if one.perceptibility is not None]


def finding(reports: Sequence[Report]) -> str:
    """The radius that breaks half of the images, for every model, in one sentence."""
    results = seen(reports)
    parts = [f"{clip(name, 40)} {_middle(each)}" if len(results) > 1 else _middle(each) for name, each in results]
    return f"Half of the {kind(reports[0]).examples} are broken by eps: {', '.join(parts)}"


def median(each: Perceptibility, name: str, *, interval: bool = True) -> str:
    """The median of one of `MEASURES`, with its interval."""
    measure = each.measure(name)
    open_end = _beyond(each) if name == "eps" else MISSING
    if not measure.count:
        return MISSING
    middle = open_end if measure.median is None else number(measure.median)
    low, high = measure.median_interval
    if not interval or (low is None and (high is None or name != "eps")):
        return middle
    return f"{middle} [{open_end if low is None else number(low)}, {open_end if high is None else number(high)}]"


def mean(each: Perceptibility, name: str) -> str:
    """The mean of one of `MEASURES` over the images that were broken, with its interval."""
    measure = each.measure(name)
    if measure.mean_interval is None:
        return number(measure.mean)
    return f"{number(measure.mean)} [{', '.join(map(number, measure.mean_interval))}]"


def state(each: Perceptibility, place: int) -> str:
    """What became of one of the pictures."""
    sight = each.pictures[place]
    if sight.state == "wrong":
        return "wrong at first"
    return f"held to eps {each.grid[-1]:g}" if sight.eps is None else f"broken at eps {number(sight.eps)}"


def _middle(each: Perceptibility) -> str:
    middle = each.measure("eps").median
    return _beyond(each) if middle is None else number(middle)


def _beyond(each: Perceptibility) -> str:
    """What is said of a radius that was not found: larger than all, or none at all."""
    return f"> {each.grid[-1]:g}" if each.right else MISSING
