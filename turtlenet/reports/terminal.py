"""A document as plain text for a terminal, at most 100 columns wide."""

from turtlenet.reports.blocks import Block, Bullets, Column, Table, Text, View, Words
from turtlenet.reports.document import Document
from turtlenet.reports.findings import Finding, Findings
from turtlenet.reports.format import WIDTH, aligned, clean, clip, wrapped


def render(document: Document) -> str:
    """The text, without a line break at its end; sections are an empty line apart."""
    sections = [
        [line for block in section.blocks for line in _lines(block)] for section in document.shown(View.TERMINAL)
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in sections if lines)


def _lines(block: Block) -> list[str]:
    match block:
        case Text():
            return wrapped(_plain(block.words), " " * block.indent)
        case Bullets():
            return [line for item in block.items for line in wrapped(_plain(item), "  ")]
        case Table():
            return _table(block)
        case Findings():
            return [line for finding in block.found for line in wrapped(_finding(finding), "  ")]
    return []


def _plain(words: Words) -> str:
    return clean(words if isinstance(words, str) else "".join(words))


def _finding(finding: Finding) -> str:
    said = [f"{clip(name, 40)}: {clean(words)}" if name else clean(words) for name, words in finding.said]
    if finding.kind in ("alarm", "doubt"):
        return f"! {' '.join(said)} -> {clean(finding.more)}"
    return clean(f"{' '.join(said)} {finding.more}")


def _table(table: Table) -> list[str]:
    rows = [[_cell(*pair) for pair in zip(row, table.columns, strict=True)] for row in (table.titles, *table.cells)]
    others, names = len(table.columns) - 1, max(len(row[0]) for row in rows)
    width = max((column.width for column in table.columns[1:]), default=0)
    fit = max(1, (WIDTH - 2 - names) // (width + 2)) if width else max(1, others)
    lines: list[str] = []
    for start in range(1, 1 + max(1, others), fit):
        lines += [""] * (start > 1) + aligned([[row[0], *row[start : start + fit]] for row in rows])
    return lines


def _cell(text: str, column: Column) -> str:
    return clip(text, column.width or len(text)) if text else ""
