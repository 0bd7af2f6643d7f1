"""The figures that are there, as tables and sentences write them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turtlenet.reproduction.paper import Paper, RowPlan, find

__all__ = ["ABSENT", "Found", "grid", "percent"]

ABSENT = "not run"


class Found:
    """All rows of a folder, by paper, row and figure.

    Args:
        rows: What `turtlenet.reproduction.row.read_rows` gives.
        papers: Those whose tables are made; the others are found by name.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], papers: Sequence[Paper] = ()):
        self.rows = rows
        self.papers = {paper.name: paper for paper in papers}

    def paper(self, name: str) -> Paper:
        """A paper, for titles and published figures."""
        if name not in self.papers:
            self.papers[name] = find(name)
        return self.papers[name]

    def plans(self, name: str) -> dict[str, RowPlan]:
        """The rows of a paper, by name."""
        return {row.name: row for row in self.paper(name).rows}

    def cell(self, row: str, name: str) -> Mapping[str, Any]:
        """A figure with what belongs to it; empty if it was not measured."""
        found: Mapping[str, Any] = self.rows.get(row, {}).get("cells", {}).get(name, {})
        return found

    def text(self, row: str, name: str, part: str = "", flip: bool = False) -> str:
        """`85.3 [84.6, 86.0]`, in percent; `flip` tells the error instead."""
        cell = self.cell(row, name)
        cell = cell.get(part, {}) if part else cell
        if not cell:
            return ABSENT
        if "interval" not in cell:
            return f"{100 * cell['accuracy']:.1f}"
        numbers = [cell["accuracy"], *cell["interval"]]
        if flip:
            numbers = [1 - numbers[0], 1 - numbers[2], 1 - numbers[1]]
        middle, low, high = (f"{100 * number:.1f}" for number in numbers)
        return f"{middle} [{low}, {high}]"

    def number(self, row: str, name: str, part: str) -> str:
        """`1.2e-03`, of a figure that is no share."""
        value = self.cell(row, name).get(part)
        return ABSENT if value is None else f"{value:.1e}"

    def length(self, row: str, name: str) -> str:
        """`2.1`, the median length of perturbations."""
        value = self.cell(row, name).get("median")
        return ABSENT if value is None else f"{value:.1f}"

    def success(self, row: str, name: str) -> str:
        """`97.9`, of a generator, in percent."""
        value = self.cell(row, name).get("success")
        return ABSENT if value is None else f"{100 * value:.1f}"

    def error(self, row: str, name: str) -> str:
        """`14.7`, in percent, for a sentence."""
        return _first(self.text(row, name, flip=True))

    def value(self, row: str, name: str, part: str = "") -> str:
        """`85.3`, for a sentence."""
        return _first(self.text(row, name, part))


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A table in Markdown, whose first columns are names and whose others are numbers."""
    rule = ["---"] * names + ["--:"] * (len(head) - names)
    lines = ["| " + " | ".join(line) + " |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def percent(share: float | None) -> str:
    """`97.51`, and nothing for None."""
    return "" if share is None else f"{100 * share:.2f}".removesuffix("0")


def _first(text: str) -> str:
    return text if text == ABSENT else text.partition(" ")[0]
