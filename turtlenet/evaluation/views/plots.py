"""The report's plots: small SVG pictures, each for light and for dark paper.

A plot's title is its conclusion and stands beside the picture, where it can wrap on a phone. Colors are those of
Okabe and Ito, which most color-blind people can tell apart; markers and line styles tell the models apart as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from turtlenet.evaluation.views.text import (
    CLEAN,
    ROBUST,
    attack_rows,
    class_name,
    kind,
    names,
    part_rows,
    robust_title,
    sums,
)
from turtlenet.reports.figures import MARKERS, STYLES, Plot, Theme, legend, new_axes, new_plot
from turtlenet.reports.format import clean, clip, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import ClassRow, CurvePoint
    from turtlenet.evaluation.results.report import Report

_MOST_CLASSES = 20
_WIDTH = 5.0
_WIDEST = 4.0
"""The curve is drawn up to this many times the threat's eps; its table has all of it."""


def curve(reports: Sequence[Report]) -> Plot | None:
    """Accuracy against eps, with the interval as a band and a mark at the threat's eps; None without a curve."""
    if not any(report.curve for report in reports):
        return None
    alt = "; ".join(
        f"{name}: " + ", ".join(f"eps {at.eps:g} {percent(at.accuracy)}" for at in _points(report))
        for name, report in zip(names(reports), reports, strict=True)
        if report.curve
    )
    return new_plot(
        _curve_title(reports), alt, (_WIDTH, 3.1), lambda figure, theme: _draw_curve(figure, theme, reports), "curve"
    )


def accuracies(reports: Sequence[Report]) -> Plot | None:
    """Accuracy clean, under each attack and under all, as bars with intervals; None without an attack."""
    bars = _bars(reports)
    if len(bars) < 3:
        return None
    alt = "; ".join(
        f"{label}: " + ", ".join(f"{name} {percent(cell[0])}" for name, cell in zip(names(reports), cells, strict=True)
                                 if cell)
        for label, cells in bars
    )  # fmt: skip
    height = 0.7 + len(bars) * (0.14 + 0.2 * len(reports)) + 0.25 * _legend_rows(reports)
    return new_plot(
        _bars_title(reports),
        alt,
        (_WIDTH, height),
        lambda figure, theme: _draw_bars(figure, theme, reports, bars),
        "attacks",
    )


def per_class(report: Report) -> Plot | None:
    """Each class before and after all attacks; of many classes, the weakest; None without classes."""
    if not report.per_class:
        return None
    weakest = min(report.per_class, key=lambda row: row.robust_accuracy)
    of = f"{percent(weakest.robust_accuracy)} of {kind(report).count(weakest.count)}"
    title = f"Weakest class: {class_name(report, weakest.label)}, {of}"
    rows = _weakest(report.per_class)
    if len(rows) < len(report.per_class):
        title += f" (the {len(rows)} weakest of {len(report.per_class)} are drawn)"
    alt = "; ".join(
        f"class {class_name(report, row.label)}: clean {percent(row.clean_accuracy)}, "
        f"robust {percent(row.robust_accuracy)}"
        for row in rows
    )
    return new_plot(
        title, alt, (_WIDTH, 2.9), lambda figure, theme: _draw_classes(figure, theme, report, rows), "classes"
    )


def _legend_rows(reports: Sequence[Report]) -> int:
    return math.ceil(len(reports) / 2) if len(reports) > 1 else 0


def _points(report: Report) -> list[CurvePoint]:
    return sorted(report.curve, key=lambda point: point.eps)


def _near(report: Report) -> list[CurvePoint]:
    """The points to draw: the widest ball of all would squeeze the others against the axis."""
    eps = report.threat.get("eps")
    return [at for at in _points(report) if not eps or at.eps <= _WIDEST * eps]


def _at_threat(report: Report) -> CurvePoint | None:
    """The curve's point at the threat's eps, if it was measured."""
    eps = report.threat.get("eps")
    points = (at for at in report.curve if eps is not None and math.isclose(at.eps, eps, rel_tol=1e-4, abs_tol=1e-9))
    return next(points, None)


def _curve_title(reports: Sequence[Report]) -> str:
    drawn = [(name, report) for name, report in zip(names(reports), reports, strict=True) if report.curve]
    attacks = {clip(report.curve_attack or "the attack", 40) for _, report in drawn}
    attack = attacks.pop() if len(attacks) == 1 else "the curve's attack"
    places = [(name, _at_threat(report) or _points(report)[-1]) for name, report in drawn]
    if len(places) == 1:
        return f"At eps {places[0][1].eps:g}, {attack} leaves {percent(places[0][1].accuracy)}"
    if len({at.eps for _, at in places}) == 1:
        left = ", ".join(f"{clip(name, 40)} {percent(at.accuracy)}" for name, at in places)
        return f"At eps {places[0][1].eps:g}, {attack} leaves {left}"
    left = ", ".join(f"{clip(name, 40)} {percent(at.accuracy)} at eps {at.eps:g}" for name, at in places)
    return f"Of what was right, {attack} leaves {left}"


def _draw_curve(figure: Figure, theme: Theme, reports: Sequence[Report]) -> None:
    axes = new_axes(figure)
    drawn = [index for index, report in enumerate(reports) if report.curve]
    for eps in {float(report.threat["eps"]) for report in reports if report.threat.get("eps") is not None}:
        axes.axvline(eps, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(f" eps {eps:g}", (eps, 103), va="bottom", ha="center", fontsize=9.5, annotation_clip=False)
    for index in drawn:
        _line(axes, theme.color(index, len(reports)), index, reports[index])
    unit = reports[0].threat.get("unit") or "input units"
    axes.set(xlabel=f"eps, {unit}", ylabel="accuracy, %", ylim=(0, 103))
    axes.set_xlim(left=0)
    axes.grid(axis="y", linewidth=0.8)
    if len(reports) > 1:
        every = names(reports)
        legend(figure, axes, [every[index] for index in drawn])


def _line(axes: Axes, color: str, index: int, report: Report) -> None:
    points = _near(report)
    eps = [at.eps for at in points]
    low = [100 * at.accuracy_interval[0] for at in points]
    high = [100 * at.accuracy_interval[1] for at in points]
    style, marker = STYLES[index % len(STYLES)], MARKERS[index % len(MARKERS)]
    axes.fill_between(eps, low, high, color=color, alpha=0.2, linewidth=0)
    heights = [100 * at.accuracy for at in points]
    axes.plot(eps, heights, style, color=color, marker=marker, markersize=4.5, linewidth=2, label="x", clip_on=False)
    threat = _at_threat(report)
    if threat:
        axes.plot(threat.eps, 100 * threat.accuracy, marker, color=color, markersize=10, clip_on=False)


_Cell = tuple[float, tuple[float, float]]


def _bars(reports: Sequence[Report]) -> list[tuple[str, list[_Cell | None]]]:
    """Each row of bars: its label, then accuracy and interval for every model."""
    clean: list[_Cell | None] = [(one.clean_accuracy, one.clean_accuracy_interval) for one in reports]
    robust: list[_Cell | None] = [
        (one.robust_accuracy, one.robust_accuracy_interval) if one.attacks else None for one in reports
    ]
    tried = [
        (name, [(row.accuracy, row.accuracy_interval) if row else None for row in rows])
        for name, rows in attack_rows(reports)
    ]
    if len(reports) > 1:
        return [(CLEAN, clean), *tried, (ROBUST, robust)]
    rows: list[tuple[str, list[_Cell | None]]] = [(CLEAN, clean)]
    for attacks, title, share, interval in sums(reports[0]):
        rows += [(row.title, [(row.accuracy, row.accuracy_interval)]) for row in attacks]
        more = part_rows(reports[0], title == robust_title(reports[0])) if attacks else []
        rows += [(f"+ {row.name}", [(row.accuracy, row.accuracy_interval)]) for row in more]
        rows.append((title, [(share, (interval[0], interval[1]))]))
    return rows


def _bars_title(reports: Sequence[Report]) -> str:
    if len(reports) > 1:
        left = ", ".join(
            f"{clip(name, 40)} {percent(report.robust_accuracy)}"
            for name, report in zip(names(reports), reports, strict=True)
            if report.attacks
        )
        return f"All attacks together leave {left}"
    report = reports[0]
    if report.mode == "cascade":
        return f"The cascade leaves {percent(report.robust_accuracy)} of {percent(report.clean_accuracy)}"
    worst = min((row for row in report.attacks if row.counted), key=lambda row: row.accuracy)
    together = f"all together {percent(report.robust_accuracy)}"
    if report.beside_accuracy is not None:
        together += f", one {clean(report.beside)} {percent(report.beside_accuracy)}"
    return f"The strongest attack, {clip(worst.title, 40)}, leaves {percent(worst.accuracy)}; {together}"


def _draw_bars(
    figure: Figure, theme: Theme, reports: Sequence[Report], bars: Sequence[tuple[str, Sequence[_Cell | None]]]
) -> None:
    axes = new_axes(figure)
    thick = 0.8 / len(reports)
    for index in range(len(reports)):
        places = [row + thick * (index - (len(reports) - 1) / 2) for row in range(len(bars))]
        color = theme.color(index, len(reports))
        lengths = [100 * cell[0] if (cell := cells[index]) else 0 for _, cells in bars]
        faint = [f"{color}{'ff' if row == len(bars) - 1 else '8c'}" for row in range(len(bars))]
        axes.barh(places, lengths, height=0.86 * thick, color=faint, label="x")
        for place, (_, cells) in zip(places, bars, strict=True):
            _whisker(axes, theme, place, cells[index])
    axes.set_yticks(range(len(bars)), [clip(label, 22) for label, _ in bars])
    axes.set(xlabel="accuracy, %", xlim=(0, 116), ylim=(len(bars) - 0.5, -0.5))
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(axis="x", linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    if len(reports) > 1:
        legend(figure, axes, names(reports))


def _whisker(axes: Axes, theme: Theme, place: float, cell: _Cell | None) -> None:
    if cell is None:
        axes.annotate("not run", (1.5, place), va="center", fontsize=9)
        return
    share, (low, high) = cell
    axes.plot([100 * low, 100 * high], [place, place], color=theme.ink, linewidth=1.2, clip_on=False)
    axes.annotate(percent(share).removesuffix(" %"), (100 * high + 1.5, place), va="center", fontsize=9)


def _weakest(rows: Sequence[ClassRow]) -> list[ClassRow]:
    kept = sorted(rows, key=lambda row: row.robust_accuracy)[:_MOST_CLASSES]
    return sorted(kept, key=lambda row: row.label)


def _draw_classes(figure: Figure, theme: Theme, report: Report, rows: Sequence[ClassRow]) -> None:
    axes = new_axes(figure)
    color = theme.colors[0]
    places = range(len(rows))
    robust = [100 * row.robust_accuracy for row in rows]
    for place, row in zip(places, rows, strict=True):
        low, high = row.robust_accuracy_interval
        axes.plot([place, place], [100 * low, 100 * high], color=color, alpha=0.45, linewidth=7, clip_on=False)
    clean = [100 * row.clean_accuracy for row in rows]
    axes.plot(places, clean, "_", color=theme.ink, markersize=13, markeredgewidth=2, label="x", clip_on=False)
    axes.plot(places, robust, "o", color=color, markersize=6.5, label="x", clip_on=False)
    called = [clip(class_name(report, row.label), 14) for row in rows]
    axes.set_xticks(places, called, rotation=90 if len(rows) > 12 or sum(map(len, called)) > 60 else 0)
    axes.set(xlabel="class", ylabel="accuracy, %", ylim=(0, 103), xlim=(-0.6, len(rows) - 0.4))
    axes.grid(axis="y", linewidth=0.8)
    legend(figure, axes, ["clean", "robust, 95 % interval"])
