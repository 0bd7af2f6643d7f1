"""A document as GitHub-flavored Markdown, with everything in it escaped."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from turtlenet.reports.blocks import Block, Bullets, Code, Emphasis, Facts, Figures, Table, Text, Verbatim, View, Words
from turtlenet.reports.document import Document
from turtlenet.reports.findings import Finding, Findings
from turtlenet.reports.format import clean


def render(document: Document) -> str:
    """The whole of a Markdown file."""
    parts = [f"# {plain(document.title)}"]
    for section in document.shown(View.MARKDOWN):
        parts += [f"{'#' * section.level} {plain(section.title)}"] if section.title else []
        parts += filter(None, map(_block, section.blocks))
    return "\n\n".join(parts) + "\n"


def plain(text: Any) -> str:
    """Text that Markdown prints as it is, in a table cell as well."""
    escaped = re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", clean(text).replace("&", "&amp;"))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def _block(block: Block) -> str:
    match block:
        case Text():
            return _words(block.words)
        case Bullets():
            return "\n".join(f"- {_words(item)}" for item in block.items)
        case Table():
            return _table(block)
        case Facts():
            return _lines(["", ""], [[plain(name), plain(value)] for name, value in block.pairs])
        case Figures():
            return "\n\n".join(f"![{plain(each.alt)}]({each.file})" for each in block.pictures if each.file)
        case Findings():
            return "\n".join(map(_finding, block.found))
        case Code():
            return f"{plain(block.title)}\n\n{_fenced(block)}"
    return ""


def _words(words: Words) -> str:
    return "".join(map(_piece, [words] if isinstance(words, str) else words))


def _piece(words: str) -> str:
    """Pieces meet as they were written: `plain` would take the spaces at their ends away."""
    if isinstance(words, Verbatim):
        return f"`{_code(words)}`"
    if not words.strip():
        return words
    escaped = f"{' ' * words[0].isspace()}{plain(words)}{' ' * words[-1].isspace()}"
    return f"**{escaped}**" if isinstance(words, Emphasis) else escaped


def _table(table: Table) -> str:
    titles = [_title(title) for title in table.titles]
    rows = [
        [f"**{plain(first)}**" if strong else first and plain(first), *map(_number, others)]
        for (first, *others), strong in zip(table.cells, table.strong, strict=True)
    ]
    return _lines(titles, rows, [column.prose for column in table.columns])


def _lines(titles: Sequence[str], rows: Iterable[Sequence[str]], prose: Sequence[bool] = ()) -> str:
    """A table of cells that are Markdown already; the first column of names, the others of numbers or of prose."""
    marks = ["---" if words else "--:" for words in prose[1:] or [False] * (len(titles) - 1)]
    lines = [titles, ["---", *marks] if titles[0] else ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _title(text: str) -> str:
    return plain(text).replace(r"\[95 % interval\]", "[95 % interval]") if text else ""


def _number(text: str) -> str:
    """The brackets of an interval need no escape."""
    return re.sub(r"\\\[((?:[-+\d., e]|&gt;)+)\\\]", r"[\1]", plain(text)) if text else ""


def _finding(finding: Finding) -> str:
    doubted = finding.kind in ("alarm", "doubt")
    said = " ".join(
        (f"{plain(name)}: " if name else "") + (f"**{plain(words)}**" if doubted else plain(words))
        for name, words in finding.said
    )
    if doubted:
        return "\n".join([f"- {said} → {plain(finding.more)} (`{_code(finding.code)}`)", *_commands(finding)])
    return "\n".join([f"- {said} {plain(finding.more)}", *_commands(finding)])


def _commands(finding: Finding) -> list[str]:
    """The commands below a finding, as parts of its entry in the list."""
    return [
        "\n" + textwrap.indent(f"{plain(each.title)}\n\n{_fenced(each)}", "  ", lambda line: bool(line.strip()))
        for each in finding.commands
    ]


def _fenced(code: Code) -> str:
    """The text between fences that are longer than any with which one of its lines begins."""
    fence = "`" * max([3, *(1 + len(found) for found in re.findall(r"^\s*(`{3,})", code.text, flags=re.MULTILINE))])
    return f"{fence}{code.language}\n{code.text}\n{fence}"


def _code(text: Any) -> str:
    return clean(text).replace("`", "'").replace("|", "/")
