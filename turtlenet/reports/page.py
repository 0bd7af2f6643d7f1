"""A document as one HTML page that needs nothing else: no network, no script, no font file; light or dark."""

import base64
import binascii
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from turtlenet.reports.document import Block, Document, Emphasis, Verbatim, View, Words
from turtlenet.reports.format import percent, within

_SMALL = 96
"""Images up to this many pixels a side are enlarged with their pixels sharp."""


def render(document: Document) -> str:
    """The whole of an HTML file, for a laptop, a phone or paper."""
    return _template().render(document=document, sections=document.shown(View.PAGE))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "within": within}
    environment.filters |= {"cell": _cell, "is_small": _is_small, "kind": _kind, "words": _words}
    return environment.get_template("page.html")


def _kind(block: Block) -> str:
    return type(block).__name__


def _words(words: Words) -> Markup:
    tags = {Emphasis: "<b>{}</b>", Verbatim: "<code>{}</code>"}
    pieces = [words] if isinstance(words, str) else words
    return Markup("").join(Markup(tags.get(type(piece), "{}")).format(piece) for piece in pieces)


def _cell(text: str) -> Markup:
    """A number stands out before its interval."""
    share, bracket, interval = text.partition(" [")
    if not bracket:
        return Markup.escape(text)
    return Markup('<b>{}</b> <span class="soft">[{}</span>').format(share, interval)


def _is_small(png: str) -> bool:
    """Reads an image's width and height from the header of its PNG file in base64."""
    try:
        head = base64.b64decode(png[:32])
    except (binascii.Error, ValueError):
        return False
    return max(int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) <= _SMALL
