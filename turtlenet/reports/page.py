"""A document as one HTML page that needs nothing else: no network, no font file; light or dark.

A small script of its own sorts tables and copies commands. The page's policy names its hash, so that no other script
runs, whatever a name in a report holds; without it the page says the same.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from turtlenet.reports.blocks import Block, Emphasis, Verbatim, View, Words
from turtlenet.reports.document import Document, Section
from turtlenet.reports.format import percent, within

_TEMPLATES = Path(__file__).with_name("templates")
_SMALL = 96
"""Images up to this many pixels a side are enlarged with their pixels sharp."""


def render(document: Document) -> str:
    """The whole of an HTML file, for a laptop, a phone or paper."""
    sections = _anchored(document.shown(View.PAGE))
    contents = [(section.title, anchor) for section, anchor in sections if section.level == 2 and anchor]
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        document=document, sections=sections, contents=contents, script=Markup(script), script_hash=f"sha256-{digest}"
    )


def _anchored(sections: Iterable[Section]) -> list[tuple[Section, str]]:
    """The sections, each with the name by which a link finds it; without a title it has none."""
    found: list[tuple[Section, str]] = []
    for number, section in enumerate(sections, 1):
        words = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")[:40]
        found.append((section, f"{number}-{words}".strip("-") if section.title else ""))
    return found


@cache
def _script() -> str:
    return (_TEMPLATES / "page.js").read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
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
