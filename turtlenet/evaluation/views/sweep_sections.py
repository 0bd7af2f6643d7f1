"""What the report of several radii says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from turtlenet.evaluation.views import text
from turtlenet.evaluation.views.doubt_sections import doubts_of
from turtlenet.reports.base import findings
from turtlenet.reports.blocks import Column, Figures, Table, View
from turtlenet.reports.document import Document, Section
from turtlenet.reports.figures import Plot, Theme, new_axes, new_plot
from turtlenet.reports.findings import Findings
from turtlenet.reports.format import count, fraction, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.sweep import Sweep


def document(sweep: Sweep) -> Document:
    """The document of a sweep."""
    first, last = sweep.points[0], sweep.points[-1]
    report = sweep.reports[0]
    pairs = [(f"eps {point.eps:g}", each) for point, each in zip(sweep.points, sweep.reports, strict=True)]
    found = findings(sweep.doubts) + doubts_of(pairs, "every radius")
    norm = str(report.threat.get("norm", "")).capitalize()
    columns = (
        Column("eps", "eps", "{:g}".format, "The radius in input units."),
        Column(
            "robust [95 % interval]",
            ("robust_accuracy", "robust_accuracy_interval"),
            fraction,
            "Share of the inputs that withstood all that was run at this radius and at all smaller ones.",
        ),
        Column("this radius alone", "alone", fraction, "The same, of what was run at this radius alone."),
        Column(text.kind(report).examples, "examples", count),
    )
    return Document(
        title="Robustness over radii",
        headline=f"Robust accuracy {percent(first.robust_accuracy)} at eps {first.eps:g}, "
        f"{percent(last.robust_accuracy)} at eps {last.eps:g}",
        facts=[text.names(sweep.reports)[0], norm, text.inputs(report)],
        sections=[
            Section("Accuracy at each radius", [Figures(lambda: [_curve(sweep)], views=View.PAGE)]),
            Section("", [Table(columns, sweep.points)]),
            Section("Reasons to doubt", [Findings(found)]),
        ],
    )


def _curve(sweep: Sweep) -> Plot:
    alt = ", ".join(f"eps {point.eps:g} {percent(point.robust_accuracy)}" for point in sweep.points)
    last = sweep.points[-1]
    title = f"At eps {last.eps:g}, all attacks together leave {percent(last.robust_accuracy)}"
    return new_plot(title, alt, (5.0, 3.1), lambda figure, theme: _draw(figure, theme, sweep), "curve")


def _draw(figure: Figure, theme: Theme, sweep: Sweep) -> None:
    axes, color = new_axes(figure), theme.colors[0]
    eps = [point.eps for point in sweep.points]
    low, high = ([100 * point.robust_accuracy_interval[end] for point in sweep.points] for end in (0, 1))
    axes.fill_between(eps, low, high, color=color, alpha=0.2, linewidth=0)
    heights = [100 * point.robust_accuracy for point in sweep.points]
    axes.plot(eps, heights, color=color, marker="o", linewidth=2, clip_on=False)
    axes.set(
        xlabel=f"eps, {sweep.reports[0].threat.get('unit') or 'input units'}", ylabel="accuracy, %", ylim=(0, 103)
    )
    axes.set_xlim(left=0)
    axes.grid(axis="y", linewidth=0.8)
