"""A document as HTML for a cell of a notebook: what a terminal shows, with tables that are tables."""

from html import escape

from turtlenet.reports.blocks import Block, Bullets, Emphasis, Table, Text, Verbatim, View, Words
from turtlenet.reports.document import Document
from turtlenet.reports.findings import Finding, Findings
from turtlenet.reports.format import clean


def render(document: Document) -> str:
    """The HTML, which needs no style of its own and no script."""
    parts = [_block(block) for section in document.shown(View.TERMINAL) for block in section.blocks]
    return f'<div class="turtlenet"><b>{_plain(document.headline)}</b>{"".join(parts)}</div>'


def _block(block: Block) -> str:
    match block:
        case Text():
            return f"<p>{_words(block.words)}</p>"
        case Bullets():
            return f"<ul>{''.join(f'<li>{_words(item)}</li>' for item in block.items)}</ul>"
        case Table():
            return _table(block)
        case Findings():
            items = [f"<li>{_plain(_finding(each))}</li>" for each in block.found]
            return f"<ul>{''.join(items)}</ul>"
    return ""


def _finding(finding: Finding) -> str:
    subject = f"{finding.subject}: " if finding.subject else ""
    return f"{subject}{finding.words} {finding.more}"


def _table(table: Table) -> str:
    head = "".join(f"<th>{_plain(title)}</th>" for title in table.titles)
    rows = []
    for cells, strong in zip(table.cells, table.strong, strict=True):
        tag = "th" if strong else "td"
        rows.append("<tr>" + "".join(f"<{tag}>{_plain(cell)}</{tag}>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _words(words: Words) -> str:
    tags = {Emphasis: "b", Verbatim: "code"}
    pieces = (words,) if isinstance(words, str) else words
    texts = ((tags.get(type(piece)), _plain(piece)) for piece in pieces)
    return "".join(f"<{tag}>{text}</{tag}>" if tag else text for tag, text in texts)


def _plain(text: str) -> str:
    # Blanks at its ends belong to a piece of a sentence.
    left, right = text[:1].isspace(), text[-1:].isspace() and len(text) > 1
    return f"{' ' * left}{escape(clean(text))}{' ' * right}" if text.strip() else escape(text)
