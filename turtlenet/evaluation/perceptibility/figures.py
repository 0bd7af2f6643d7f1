"""The plots of how visible a change must become: shares broken against eps, and PSNR and SSIM against eps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.perceptibility.text import finding, median, seen
from turtlenet.evaluation.views.text import kind, names
from turtlenet.reports.figures import Plot, Theme, legend, look, new_axes, new_plot
from turtlenet.reports.format import percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_WIDTH = 5.0
_PANELS = (("psnr", "PSNR, dB"), ("ssim", "SSIM"))


def drawn(reports: Sequence[Report]) -> list[Plot]:
    """Both plots; none where nobody measured, one where no image was broken."""
    results = seen(reports)
    if not results:
        return []
    alt = "; ".join(
        f"{name}: " + ", ".join(f"eps {at.eps:g} {percent(at.share)}" for at in each.broken) for name, each in results
    )
    drawn = new_plot(
        finding(reports), alt, (_WIDTH, 3.1), lambda figure, theme: _shares(figure, theme, reports), "smallest-eps"
    )
    plots = [drawn]
    known = _PANELS if kind(reports[0]).pictured else ()
    panels = [panel for panel in known if any(each.measure(panel[0]).count for _, each in results)]
    if panels:
        title = "What is seen of the smallest change that breaks an image: further down is more visible"
        words = "; ".join(
            f"{name}: median PSNR {median(each, 'psnr')} dB, median SSIM {median(each, 'ssim')}"
            for name, each in results
        )
        height = 0.9 + 1.6 * len(panels)
        plots.append(
            new_plot(
                title,
                words,
                (_WIDTH, height),
                lambda figure, theme: _sight(figure, theme, reports, panels),
                "visibility",
            )
        )
    return plots


def _looks(reports: Sequence[Report], theme: Theme) -> list[tuple[Perceptibility, dict[str, Any]]]:
    pairs = [(one.perceptibility, look(theme, place, len(reports))) for place, one in enumerate(reports)]
    return [(each, style) for each, style in pairs if each is not None]


def _shares(figure: Figure, theme: Theme, reports: Sequence[Report]) -> None:
    axes = new_axes(figure)
    for each, style in _looks(reports, theme):
        fell = sorted(eps for eps in each.smallest if eps)
        count = max(1, each.right)
        # Every image is known by its own radius: a stair, with the intervals where the grid has them.
        places = [0.0, *fell, each.grid[-1]]
        heights = [100 * min(step, len(fell)) / count for step in range(len(places))]
        plain = {name: value for name, value in style.items() if name != "marker"}
        axes.step(places, heights, where="post", linewidth=2, clip_on=False, label="x", **plain)
        for at in each.broken:
            ends = [100 * end for end in at.share_interval]
            axes.plot([at.eps, at.eps], ends, color=style["color"], alpha=0.35, linewidth=5, clip_on=False)
    _threats(axes, theme, reports, 103)
    axes.set(xlabel="eps, input units", ylabel=f"{kind(reports[0]).examples} broken, %", ylim=(0, 103))
    axes.set_xlim(left=0)
    axes.grid(axis="y", linewidth=0.8)
    _named(figure, axes, reports)


def _sight(figure: Figure, theme: Theme, reports: Sequence[Report], panels: Sequence[tuple[str, str]]) -> None:
    first = None
    for place, (name, label) in enumerate(panels, start=1):
        axes = new_axes(figure, len(panels), 1, place)
        for each, style in _looks(reports, theme):
            pairs = [
                (eps, value)
                for eps, value in zip(each.smallest, getattr(each, name), strict=True)
                if eps and value is not None
            ]
            axes.plot(
                [eps for eps, _ in pairs],
                [value for _, value in pairs],
                style["marker"],
                color=style["color"],
                markersize=4,
                alpha=0.6,
                label="x",
                clip_on=False,
            )
        axes.set(ylabel=label)
        axes.set_xlim(left=0, right=max(each.grid[-1] for _, each in seen(reports)))
        axes.grid(axis="y", linewidth=0.8)
        first = first or axes
    axes.set(xlabel="eps that broke the image, input units")
    if first is not None:
        _named(figure, first, reports)


def _threats(axes: Axes, theme: Theme, reports: Sequence[Report], top: float) -> None:
    for eps in {each.fixed.eps for _, each in seen(reports)}:
        axes.axvline(eps, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(f" eps {eps:g}", (eps, top), va="bottom", ha="center", fontsize=9.5, annotation_clip=False)


def _named(figure: Figure, axes: Axes, reports: Sequence[Report]) -> None:
    if len(reports) > 1:
        every = names(reports)
        legend(figure, axes, [name for name, one in zip(every, reports, strict=True) if one.perceptibility])
