"""Markdown tables, and text that Markdown leaves as it is."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from turtlenet.reports.format import clean

__all__ = ["plain", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; the first column of names, the others of numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)] if head[0] else ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain(text: Any) -> str:
    """Text that Markdown prints as it is, in a table cell as well."""
    escaped = re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", clean(text).replace("&", "&amp;"))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def _code(text: Any) -> str:
    return clean(text).replace("`", "'").replace("|", "/")
