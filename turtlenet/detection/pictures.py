"""The histogram of paper 001's Figure 2, and the ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from turtlenet.reports import figures

if TYPE_CHECKING:
    from turtlenet.detection.report import AttackedRow, Detection

_MOST = 6


def pictures(result: Detection) -> list[figures.PictureFile]:
    """Both, as files beside the report."""
    return [_histogram(result), _roc(result)]


def _histogram(result: Detection) -> figures.PictureFile:
    """The scores, clean and under each attack."""
    names = ["clean", *(_short(row) for row in result.rows)][:_MOST]
    return figures.new_picture(
        "Scores of clean inputs that are right, and of adversarial examples that succeed",
        "Histogram of the scores; the table below has the means and variances",
        "histogram.png",
        (6.4, 4.0),
        names,
        lambda axes, looks, theme: _draw_bins(axes, looks, theme, result, len(names)),
    )


def _roc(result: Detection) -> figures.PictureFile:
    """The ROC curve of each attack, with the detector's points as marks."""
    rows = [row for row in result.rows if row.successes.roc][:_MOST]
    return figures.new_picture(
        "ROC curves and areas; marks are the detector's points",
        "ROC curves; the table below has the areas",
        "roc.png",
        (5.2, 5.2),
        [f"{_short(row)}, {row.successes.auc:.3f}" for row in rows],
        lambda axes, looks, theme: _draw_roc(axes, looks, theme, result, rows),
    )


def _short(row: AttackedRow) -> str:
    """A name that a legend has room for."""
    return f"adaptive, {row.aims_at[-1]}" if row.adaptive else row.spec


def _draw_bins(
    axes: Axes, looks: Sequence[dict[str, Any]], theme: figures.Theme, result: Detection, most: int
) -> None:
    histogram = result.histogram
    edges = np.linspace(0, histogram.top, len(histogram.counts[0]) + 1)
    for place, (counts, look) in enumerate(zip(histogram.counts[:most], looks, strict=False)):
        total = sum(counts)
        heights = [100 * each / total if total else 0.0 for each in counts]
        if place == 0:
            axes.stairs(heights, edges, fill=True, color=look["color"], alpha=0.25)
        style = "-" if place == 0 else look["linestyle"]
        axes.stairs(heights, edges, color=look["color"], linewidth=1.6, linestyle=style)
        axes.plot([], [], color=look["color"], linewidth=1.6, linestyle=style, label="x")
    for alarm in result.alarms:
        if alarm.point.edge < histogram.top:
            axes.axvline(alarm.point.edge, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                alarm.point.name,
                (alarm.point.edge, 100),
                xytext=(3, -2),
                textcoords="offset points",
                rotation=90,
                va="top",
                fontsize=8.5,
            )
    # The first bin has most of the clean inputs: on a linear axis nothing else would be seen.
    axes.set_yscale("symlog", linthresh=1, linscale=0.6)
    axes.set_yticks([0, 1, 3, 10, 30, 100], ["0", "1", "3", "10", "30", "100"])
    axes.set_yticks([], minor=True)
    uncertain = any(alarm.point.edge != alarm.point.cut for alarm in result.alarms)
    name = "uncertainty (variance of the softmax outputs)" if uncertain else "probability that the detector gives"
    axes.set(xlabel=name, ylabel="share of the images, %")
    axes.set(xlim=(0, histogram.top), ylim=(0, 100))
    axes.grid(axis="y", linewidth=0.8)


def _draw_roc(
    axes: Axes,
    looks: Sequence[dict[str, Any]],
    theme: figures.Theme,
    result: Detection,
    rows: Sequence[AttackedRow],
) -> None:
    axes.plot([0, 1], [0, 1], color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
    for row, look in zip(rows, looks, strict=False):
        wrong, right = zip(*row.successes.roc, strict=True)
        axes.plot(wrong, right, color=look["color"], linestyle=look["linestyle"], linewidth=1.8, label="x")
        for alarm, rate in zip(result.alarms, row.successes.seen, strict=True):
            axes.plot(
                alarm.successes.share, rate.share, look["marker"], color=look["color"], markersize=7, clip_on=False
            )
    axes.set(xlabel="clean inputs taken for adversarial", ylabel="adversarial examples seen")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.grid(linewidth=0.8)
