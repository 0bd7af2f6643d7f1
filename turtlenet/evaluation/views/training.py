"""The curves of the run that made a model, as far as its file tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from turtlenet.evaluation.views.text import kind
from turtlenet.reports.blocks import Column, Figures, Table, Text, View
from turtlenet.reports.document import Section
from turtlenet.reports.figures import Plot, Theme, legend, look, new_axes, new_plot
from turtlenet.reports.format import clean, count, fraction, number, percent
from turtlenet.training.run.curves import EPOCH, history_of

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_SHARES = {
    "val_accuracy": "clean, validation",
    "val_robust_accuracy": "robust, validation",
    "val_certified_accuracy": "certified, validation",
    "robust_accuracy": "robust, training",
}


class _Epoch:
    """One epoch's line."""

    def __init__(self, numbers: dict[str, float], best: int | None):
        self.numbers = numbers
        self.epoch = int(numbers[EPOCH])
        self.strong = False
        self.note = "kept" if self.epoch == best else ""


def section(report: Report, level: int = 2) -> Section:
    """What was measured after each epoch; left out where that is not known."""
    history = _history(report)
    words = _words(report) if history else ""
    columns = (
        Column(EPOCH, "epoch", count, note="note"),
        Column("loss", lambda row: row.numbers.get("loss"), number),
        *(Column(title, _share(name), fraction) for name, title in _SHARES.items() if _known(history, name)),
    )
    best = report.training.get("best_epoch")
    rows = [_Epoch(each, best) for each in history]
    plots = Figures(lambda: [plot for plot in (_accuracies(report), _loss(report)) if plot], views=View.PAGE)
    table = Table(columns, rows, folded=True, views=View.FILES)
    return Section("Training", [Text(words, views=View.FILES), plots, table], level)


def _share(name: str) -> Any:
    return lambda row: row.numbers.get(name)


def _history(report: Report) -> list[dict[str, float]]:
    return history_of(report.training.get("history"))


def _known(history: Sequence[dict[str, float]], name: str) -> bool:
    return any(name in each for each in history)


def _words(report: Report) -> str:
    told = report.training
    how = f"Objective {clean(told.get('objective') or 'unknown')}"
    how += f", attack {clean(told['attack'])}" if told.get("attack") else ""
    how += f", {count(told.get('steps'))} steps" if told.get("steps") else ""
    kept = f"; the weights of epoch {count(told['best_epoch'])} were kept" if told.get("best_epoch") else ""
    return f"{how}{kept}. As the model's file tells."


def _accuracies(report: Report) -> Plot | None:
    """Clean and robust accuracy over the epochs."""
    history = _history(report)
    names = [name for name in _SHARES if _known(history, name)]
    if not names or len(history) < 2:
        return None
    best, judged = report.training.get("best_epoch"), "val_robust_accuracy"
    inputs = kind(report).examples
    at = next((each for each in history if each[EPOCH] == best and judged in each), None)
    title = f"Epoch {best} was best: robust {percent(at[judged])} on the validation {inputs}" if at else "Accuracy"
    last = ", ".join(f"{_SHARES[name]} {percent(history[-1][name])}" for name in names if name in history[-1])

    def draw(figure: Figure, theme: Theme) -> None:
        axes = new_axes(figure)
        for index, name in enumerate(names):
            points = [(each[EPOCH], 100 * each[name]) for each in history if name in each]
            how = {**look(theme, index, len(names)), "markersize": 3.5 if len(points) < 40 else 0, "linewidth": 2}
            axes.plot(*zip(*points, strict=True), label="x", clip_on=False, **how)
        if best:
            axes.axvline(best, color=theme.ink, linewidth=1, linestyle=(0, (2, 2)))
        axes.set(xlabel="epoch", ylabel="accuracy, %", ylim=(0, 103))
        axes.locator_params(axis="x", integer=True)
        axes.grid(axis="y", linewidth=0.8)
        legend(figure, axes, [_SHARES[name] for name in names])

    return new_plot(title, f"after the last epoch {last}", (5.0, 3.1), draw)


def _loss(report: Report) -> Plot | None:
    """The loss that training minimized."""
    points = [(each[EPOCH], each["loss"]) for each in _history(report) if "loss" in each]
    if len(points) < 2:
        return None

    def draw(figure: Figure, theme: Theme) -> None:
        axes = new_axes(figure)
        axes.plot(*zip(*points, strict=True), color=theme.color(0, 1), linewidth=2, clip_on=False)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.locator_params(axis="x", integer=True)
        axes.grid(axis="y", linewidth=0.8)

    title = f"The loss of training went from {number(points[0][1])} to {number(points[-1][1])}"
    return new_plot(title, f"{len(points)} epochs", (5.0, 3.1), draw)
