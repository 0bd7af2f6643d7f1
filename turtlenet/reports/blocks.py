"""What a section of a report consists of: text, tables, facts, figures, code and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from turtlenet.reports.format import clean

if TYPE_CHECKING:
    from turtlenet.reports.figures import PictureFile, Plot


class View(Flag):
    """The three renderings of a document, to say which of them show a block or a column."""

    TERMINAL = 1
    MARKDOWN = 2
    PAGE = 4
    FILES = MARKDOWN | PAGE
    ALL = TERMINAL | MARKDOWN | PAGE


class Emphasis(str):
    """Words to stand out, bold in files."""


class Verbatim(str):
    """Words to be typed as they are, such as a command."""


Words: TypeAlias = str | tuple[str, ...]
"""A sentence, or pieces of one, of which some may be `Emphasis` or `Verbatim`."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a section; `views` are the renderings that show it."""

    views: View = View.ALL


@dataclass(frozen=True)
class Text(Block):
    """A paragraph; in a terminal, all its lines but the first are indented by this many spaces."""

    words: Words
    indent: int = 0


@dataclass(frozen=True)
class Bullets(Block):
    """A list of sentences."""

    items: Sequence[Words]


@dataclass(frozen=True)
class Column:
    """What one column of a table shows.

    Args:
        title: The heading.
        value: What it takes from a row: the name of an attribute, several names, whose values `format` is given in
            this order, or a function of the row. A row without the attribute leaves its cell empty.
        format: Turns the value into text; not asked where the value is an empty string.
        meaning: What the numbers are, for a reader who sees them for the first time; a page explains them so.
        note: Name of an attribute that a page shows in small print below the value.
        width: The most characters in a terminal; 0 for as many as there are. Where not all columns of a fixed width
            fit side by side, the others go on below.
        views: The renderings that show it.
        prose: Whether it holds words rather than numbers, which begin at the left.
    """

    title: str
    value: str | tuple[str, ...] | Callable[[Any], Any]
    format: Callable[..., str] = str
    meaning: str = ""
    note: str = ""
    width: int = 0
    views: View = View.ALL
    prose: bool = False

    def cell(self, row: Any) -> str:
        """The text of a row's cell."""
        if callable(self.value):
            values = [self.value(row)]
        else:
            names = (self.value,) if isinstance(self.value, str) else self.value
            values = [getattr(row, name, "") for name in names]
        return "" if isinstance(values[0], str) and not values[0] else self.format(*values)

    def small(self, row: Any) -> str:
        """The small print below it."""
        return str(getattr(row, self.note, None) or "") if self.note else ""


@dataclass(frozen=True)
class Table(Block):
    """Rows of objects under columns; a row with an attribute `strong` that is true is a sum, and stands out.

    Where it is `folded`, a page shows it only when it is opened.
    """

    columns: Sequence[Column]
    rows: Sequence[Any]
    folded: bool = False

    @property
    def titles(self) -> list[str]:
        """The headings."""
        return [column.title for column in self.columns]

    @property
    def cells(self) -> list[list[str]]:
        """The text of every cell, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    @property
    def strong(self) -> list[bool]:
        """Which rows are sums."""
        return [bool(getattr(row, "strong", False)) for row in self.rows]


@dataclass(frozen=True)
class Facts(Block):
    """Names and values, such as where the results come from; a terminal leaves them out."""

    values: Mapping[str, Any]
    views: View = field(default=View.FILES, kw_only=True)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each name with its value as one line of text; `-` for an empty one."""
        return [(name, clean(value)) for name, value in self.values.items()]


@dataclass(frozen=True)
class Figures(Block):
    """Pictures; `draw` is called once, and only where they are shown."""

    draw: Callable[[], Sequence["Plot | PictureFile"]]
    views: View = field(default=View.FILES, kw_only=True)

    @cached_property
    def pictures(self) -> Sequence["Plot | PictureFile"]:
        """What was drawn."""
        return self.draw()


@dataclass(frozen=True)
class Code(Block):
    """Text to copy, in a language such as `sh`; if `folded`, a page shows its title only, until it is opened."""

    title: str
    text: str
    language: str
    folded: bool = False
    views: View = field(default=View.FILES, kw_only=True)


@dataclass(frozen=True)
class Shot:
    """One image: a PNG file in base64, what it shows for those who cannot see it, and words below it.

    `mark` colors the words: `right`, `wrong`, or empty for neither. `note` is small print below them.
    """

    png: str
    alt: str
    words: str = ""
    mark: str = ""
    note: str = ""


@dataclass(frozen=True)
class Card:
    """Images side by side, under a title with small print."""

    title: str
    note: str
    shots: Sequence[Shot]


@dataclass(frozen=True)
class Gallery(Block):
    """Cards of images, which a page alone can show."""

    cards: Sequence[Card]
    views: View = field(default=View.PAGE, kw_only=True)
