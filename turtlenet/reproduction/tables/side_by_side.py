"""The table that every paper has: clean, the paper's number, naive and adaptive side by side."""

from typing import Any

from turtlenet.reproduction.paper import Paper, RowPlan
from turtlenet.reproduction.tables.found import ABSENT, Found, grid, percent


def side_by_side(found: Found, paper: Paper) -> str:
    """Each row's figures that its file calls `shown`, in percent, with intervals and counts; empty without any."""
    rows = [row for row in paper.rows if row.shown]
    if not rows:
        return ""
    head = ["row", "paper", "clean", "naive", "adaptive", "images", "seed"]
    lines = []
    for row in rows:
        figures = [_figure(found, row, row.shown.get(what, "")) for what in ("clean", "naive", "adaptive")]
        counts = [_count(found, row, row.shown.get(what, "")) for what in ("clean", "naive", "adaptive")]
        seed = found.rows.get(row.place, {}).get("seed", "")
        same = " / ".join(f"{count:,}" for count in dict.fromkeys(count for count in counts if count))
        lines.append([row.title or row.name, percent(_published(row)), *figures, same, str(seed)])
    return f"{grid(head, lines)}\n\n{_named(rows)}"


def _named(rows: list[RowPlan]) -> str:
    """Which figures of the rows' files stand in the columns: attack and radius are told there."""
    columns = []
    for what in ("naive", "adaptive"):
        names = dict.fromkeys(f"`{row.shown[what]}`" for row in rows if row.shown.get(what))
        if names:
            columns.append(f"*{what}* is {' or '.join(names)}")
    return f"In the rows' files {'; '.join(columns)}." if columns else ""


def _cell(found: Found, row: RowPlan, name: str) -> dict[str, Any]:
    cell = dict(found.cell(row.place, name))
    part = row.shown.get("part")
    return dict(cell.get(part, {})) if part else cell


def _figure(found: Found, row: RowPlan, name: str) -> str:
    if not name:
        return ""
    return found.text(row.place, name, row.shown.get("part", "")) if _cell(found, row, name) else ABSENT


def _count(found: Found, row: RowPlan, name: str) -> int:
    return int(_cell(found, row, name).get("n", 0)) if name else 0


def _published(row: RowPlan) -> float | None:
    told = row.published.get(row.shown.get("published", ""))
    if isinstance(told, list):
        return float(told["sm".index(row.shown.get("part", "s"))])
    return None if told is None else float(told)
