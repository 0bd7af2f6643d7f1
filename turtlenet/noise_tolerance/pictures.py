"""The picture of the noise that a model bears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes

from turtlenet.input_kind import kind_named
from turtlenet.noise_tolerance.noise import SHARES
from turtlenet.reports import figures
from turtlenet.reports.format import percent

if TYPE_CHECKING:
    from turtlenet.noise_tolerance.measure import NoiseCurve, Tolerance

PLOT = "tolerance.png"
_TICKS = (0.01, 0.03, 0.1, 0.3, 1.0)


def plot(result: Tolerance) -> figures.PictureFile:
    """Accuracy against strength, with the interval as a band and a large mark at the tolerable noise."""
    entries = [f"{curve.kind}, to {_share_text(result, curve)}" for curve in result.noises]
    return figures.new_picture(
        "Accuracy under growing noise; the marks are what is tolerable",
        "Accuracy under growing noise; the tables below have the figures",
        PLOT,
        (6.4, 4.0),
        entries,
        lambda axes, looks, theme: _draw(axes, looks, theme, result),
    )


def _full(result: Tolerance, curve: NoiseCurve) -> float:
    return 1.0 if curve.kind in SHARES else result.bounds[1] - result.bounds[0]


def _share_text(result: Tolerance, curve: NoiseCurve) -> str:
    return percent(curve.tolerable / _full(result, curve))


def _draw(axes: Axes, looks: Sequence[dict[str, Any]], theme: figures.Theme, result: Tolerance) -> None:
    floor = 100 * (result.clean_accuracy - result.loss)
    for curve, look in zip(result.noises, looks, strict=False):
        full = _full(result, curve)
        places = [strength / full for strength in curve.strengths[1:]]
        low, high = ([100 * within[end] for within in curve.intervals[1:]] for end in (0, 1))
        axes.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
        heights = [100 * accuracy for accuracy in curve.accuracies[1:]]
        axes.plot(places, heights, **look, markersize=3.5, linewidth=1.8, clip_on=False, label="x")
    axes.axhline(floor, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
    for curve, look in zip(result.noises, looks, strict=False):
        place = max(curve.tolerable / _full(result, curve), _leftmost(result))
        axes.plot(place, floor, look["marker"], color=look["color"], markersize=9, clip_on=False)
    eps = result.proposal.eps / (result.bounds[1] - result.bounds[0])
    if _leftmost(result) <= eps <= 1:
        axes.axvline(eps, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            f"eps {result.proposal.eps:g}", (eps, 103), va="bottom", ha="center", fontsize=9.5, annotation_clip=False
        )
    axes.set_xscale("log")
    axes.set_xticks(_TICKS, [f"{100 * tick:g} %" for tick in _TICKS])
    axes.set_xticks([], minor=True)
    kind = kind_named(result.data.get("kind"))
    axes.set(
        xlabel=f"strength, of the {kind.value} range (of the {kind.values}, for salt and pepper)",
        ylabel="accuracy, %",
    )
    axes.set(ylim=(0, 103), xlim=(_leftmost(result), 1))
    axes.grid(axis="y", linewidth=0.8)


def _leftmost(result: Tolerance) -> float:
    return min(curve.strengths[1] / _full(result, curve) for curve in result.noises)
