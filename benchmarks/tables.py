"""What a case found: rows of cells, each with its target, as aligned text and as JSON."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Row", "Section", "verdict"]


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        cells: What was measured, by column.
        target: What it is held against, in words; empty if nothing.
        met: Whether the target is met; None without one.
    """

    cells: dict[str, Any]
    target: str = ""
    met: bool | None = None


@dataclass
class Section:
    """One case: its rows, and what to know when reading them."""

    name: str
    title: str
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    def text(self) -> str:
        """The aligned table under its title, the notes below."""
        head = f"{self.name}: {self.title} ({self.seconds:.0f} s)"
        return "\n".join([head, "-" * len(head), *self._lines(), *(f"  * {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return dataclasses.asdict(self)

    def _lines(self) -> list[str]:
        columns = list(dict.fromkeys(column for row in self.rows for column in row.cells))
        judged = any(row.met is not None for row in self.rows)
        table = [[*columns, *(("target", "met") if judged else ())]]
        for row in self.rows:
            cells = [_cell(row.cells.get(column)) for column in columns]
            table.append([*cells, *((row.target or "-", verdict(row)) if judged else ())])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]


def verdict(row: Row) -> str:
    """`yes`, `NO`, or `-` for a row without a target."""
    return "-" if row.met is None else "yes" if row.met else "NO"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
