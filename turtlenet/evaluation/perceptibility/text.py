"""How visible a change must become, in words and cells that all views share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from turtlenet.evaluation.perceptibility.result import MEASURES, Measure, Perceptibility
from turtlenet.evaluation.text import names
from turtlenet.reports.format import MISSING, WIDTH, aligned, clip, count, fraction, number

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Report

__all__ = [
    "CAVEAT",
    "FIXED_HEAD",
    "MEAN_HEAD",
    "MEDIAN_HEAD",
    "TITLE",
    "finding",
    "fixed_rows",
    "lines",
    "mean_rows",
    "median_rows",
    "seen",
    "sights",
    "state",
]

TITLE = "How visible a change must become"
CAVEAT = (
    "Each image's smallest radius that the attack needed, and the example found there. Linf, L2, PSNR and SSIM are of "
    "the images that were broken; a stronger attack may need less."
)
_COLUMNS = {"eps": "smallest eps", "linf": "Linf", "l2": "L2", "psnr": "PSNR, dB", "ssim": "SSIM"}
MEDIAN_HEAD = ("median [95 % interval]", "images", "never broken", *_COLUMNS.values())
MEAN_HEAD = ("mean [95 % interval]", "broken", *_COLUMNS.values())
FIXED_HEAD = ("at the threat's eps", "eps", "broken [95 % interval]", *list(_COLUMNS.values())[1:])


def seen(reports: Sequence[Report]) -> list[tuple[str, Report, Perceptibility]]:
    """The reports that have measured it, with a name each."""
    pairs = zip(names(reports), reports, strict=True)
    return [(name, one, one.perceptibility) for name, one in pairs if one.perceptibility is not None]


def finding(reports: Sequence[Report]) -> str:
    """The radius that breaks half of the images, for every model, in one sentence."""
    found = [(clip(name, 40), each) for name, _, each in seen(reports)]
    parts = [f"{name} {_middle(each)}" if len(found) > 1 else _middle(each) for name, each in found]
    return f"Half of the images are broken by eps: {', '.join(parts)}"


def _middle(each: Perceptibility) -> str:
    median = each.measure("eps").median
    return _beyond(each) if median is None else number(median)


def _beyond(each: Perceptibility) -> str:
    """What is said of a radius that was not found: larger than all, or none at all."""
    return f"> {each.grid[-1]:g}" if each.right else MISSING


def median_rows(reports: Sequence[Report], *, short: bool = False) -> list[list[str]]:
    """A row for each model, under `MEDIAN_HEAD`; `short` leaves out all intervals but that of eps."""
    rows = []
    for name, _, each in seen(reports):
        cells = [_median(each, measure, interval=not short or measure.name == "eps") for measure in each.measures]
        rows.append([name, count(each.right), count(each.held), *cells])
    return rows


def _median(each: Perceptibility, measure: Measure, *, interval: bool) -> str:
    open_end = _beyond(each) if measure.name == "eps" else MISSING
    if not measure.count:
        return MISSING
    middle = open_end if measure.median is None else number(measure.median)
    low, high = measure.median_interval
    if not interval or (low is None and (high is None or measure.name != "eps")):
        return middle
    return f"{middle} [{open_end if low is None else number(low)}, {open_end if high is None else number(high)}]"


def mean_rows(reports: Sequence[Report]) -> list[list[str]]:
    """A row for each model, under `MEAN_HEAD`."""
    return [
        [name, count(each.right - each.held), *(_mean(each.measure(measure)) for measure in MEASURES)]
        for name, _, each in seen(reports)
    ]


def _mean(measure: Measure) -> str:
    if measure.mean_interval is None:
        return number(measure.mean)
    return f"{number(measure.mean)} [{', '.join(map(number, measure.mean_interval))}]"


def fixed_rows(reports: Sequence[Report]) -> list[list[str]]:
    """A row for each model, under `FIXED_HEAD`: means over the images that the attack broke."""
    rows = []
    for name, _, each in seen(reports):
        at = each.fixed
        share = fraction(at.share, at.share_interval)
        rows.append([name, f"{at.eps:g}", share, *map(number, (at.linf, at.l2, at.psnr, at.ssim))])
    return rows


def state(each: Perceptibility, number_: int) -> str:
    """What became of one of the pictures, in words."""
    sight = each.pictures[number_]
    if sight.state == "wrong":
        return "wrong at first"
    return f"held to eps {each.grid[-1]:g}" if sight.eps is None else f"broken at eps {number(sight.eps)}"


def sights(reports: Sequence[Report]) -> list[tuple[int, int, list[tuple[str, Perceptibility, int]]]]:
    """The pictured images: place and label, and for each model its name, and which of its pictures it is."""
    found: dict[tuple[int, int], list[tuple[str, Perceptibility, int]]] = {}
    for name, _, each in seen(reports):
        for place, sight in enumerate(each.pictures):
            found.setdefault((sight.index, sight.label), []).append((name, each, place))
    return [(*image, rows) for image, rows in found.items()]


def lines(reports: Sequence[Report]) -> list[str]:
    """The summary for a terminal, at most 100 columns; nothing where nobody asked."""
    if not seen(reports):
        return []
    head = textwrap.wrap(f"{TITLE}, under {clip(seen(reports)[0][2].attack, 50)}:", WIDTH)
    medians = aligned([["median", *MEDIAN_HEAD[1:]], *median_rows(reports, short=True)])
    fixed = aligned([FIXED_HEAD, *fixed_rows(reports)])
    return [line.rstrip() for line in [*head, *medians, "", *fixed]]
