"""A report as one document: written once, shown in a terminal, as Markdown and as an HTML page.

A `Document` has a title, a headline (the finding in one sentence), a few facts, and sections. A `Section` is a heading
over blocks: `Text`, `Bullets`, `Table`, `Facts`, `Figures`, `Findings`, `Code` and `Gallery`. Whoever writes a report
builds a document of plain, unescaped strings. The modules `terminal`, `markdown` and `page` beside this one have a
function `render` each, which escapes them and does all the layout.

A table is a sequence of rows, which may be any objects, and columns that say what to take from a row and how to write
it. A new column is one line:

>>> from dataclasses import dataclass
>>> from turtlenet.reports.format import fraction
>>> @dataclass
... class Result:
...     attack: str
...     accuracy: float
>>> columns = (
...     Column("attack", "attack"),
...     Column("accuracy", "accuracy", fraction, "Share of the images that are still classified correctly."),
... )
>>> section = Section("Attacks", [Table(columns, [Result("fgsm", 0.951), Result("pgd", 0.863)])])
>>> document = Document(title="A report", headline="PGD leaves 86.3 %.", facts=["a model"], sections=[section])
>>> from turtlenet.reports import markdown
>>> print(markdown.render(document))  # doctest: +NORMALIZE_WHITESPACE
# A report
<BLANKLINE>
**PGD leaves 86.3 %.**
<BLANKLINE>
a model.
<BLANKLINE>
## Attacks
<BLANKLINE>
| attack | accuracy |
| --- | --: |
| fgsm | 0.951 |
| pgd | 0.863 |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A reason to doubt the numbers, or a word on why there is none.

    Attributes:
        words: What was found.
        more: What to do about it; where it is no doubt, what else is to be said.
        code: A stable name for machines.
        subject: Whose finding it is, where a document has several.
        kind: `doubt`; `alarm`, a doubt that makes all numbers worthless, which a page shows in red; `good`, which it
            shows in green; or `note`, which is none of these.
        each: Where several have the same finding with other figures, the subject and the words of each, in place of
            `subject` and `words`.
        commands: What to run next, ready to copy; files alone show it.
    """

    words: str
    more: str
    code: str = ""
    subject: str = ""
    kind: str = "doubt"
    each: Sequence[tuple[str, str]] = ()
    commands: Sequence["Code"] = ()

    @property
    def said(self) -> Sequence[tuple[str, str]]:
        """The subjects, each with its words."""
        return self.each or [(self.subject, self.words)]


def merged(found: Sequence[Finding], count: int, every: str = "every model") -> list[Finding]:
    """Findings of several subjects, those with the same code and the same advice as one.

    Args:
        found: The findings, of which each has its subject.
        count: How many subjects there are.
        every: What all of them together are called.

    >>> doubts = [Finding(words="5 rows.", more="Take 1,000.", code="few", subject=name) for name in "ab"]
    >>> [(each.subject, each.words) for each in merged(doubts, 2)]
    [('every model', '5 rows.')]
    """
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for each in found:
        groups.setdefault((each.kind, each.code, each.more), []).append(each)
    return [group[0] if len(group) == 1 else _joined(group, count, every) for group in groups.values()]


def _joined(group: Sequence[Finding], count: int, every: str) -> Finding:
    commands = [each for one in group for each in one.commands]
    if len({one.words for one in group}) > 1:
        pairs = tuple((one.subject, one.words) for one in group)
        return replace(group[0], subject="", words="", each=pairs, commands=commands)
    subject = every if len(group) == count else ", ".join(one.subject for one in group)
    return replace(group[0], subject=subject, commands=commands)


@dataclass(frozen=True)
class Findings(Block):
    """Reasons to doubt the numbers, the gravest first."""

    found: Sequence[Finding]


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
    """One image: a PNG file in base64, what it shows for who cannot see it, and words below it.

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


@dataclass(frozen=True)
class Section:
    """A heading over blocks, left out where all of them are empty; without blocks, one over the sections that follow.

    Args:
        title: The heading, which a terminal leaves out; empty for none.
        blocks: What stands below it.
        level: 2, or 3 for a part of what the last section of level 2 is about.
    """

    title: str
    blocks: Sequence[Block] = ()
    level: int = 2

    def only(self, views: View) -> "Section":
        """The section in some of the renderings alone, such as one that has it in another place than the others."""
        return replace(self, blocks=[replace(block, views=block.views & views) for block in self.blocks])


@dataclass(frozen=True)
class Number:
    """A share to be seen first, with its 95 % interval, and what it is a share of."""

    words: str
    share: float
    interval: tuple[float, float] | None = None
    big: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyFigures:
    """The numbers that matter most, which a page shows large, before everything else.

    Attributes:
        numbers: A few shares.
        words: The same in a sentence.
        title: Whose they are, where a document has several.
        scale: Shares to draw as a bar: before, after, and the ends of the interval of the latter; None for no bar.
    """

    numbers: Sequence[Number]
    words: str = ""
    title: str = ""
    scale: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """All that a report says.

    Attributes:
        title: What kind of report it is.
        headline: The finding in one sentence.
        facts: What was measured and how, in a few words each; the model first.
        sections: The rest.
        verdicts: The numbers at the head of a page.
        opening: What terminal and Markdown begin with in place of the headline and the facts.
    """

    title: str
    headline: str
    facts: Sequence[str]
    sections: Sequence[Section]
    verdicts: Sequence[KeyFigures] = ()
    opening: Section | None = None

    def shown(self, view: View) -> Iterator[Section]:
        """The sections of one rendering, of which it shows every block and every column; what is empty is left out."""
        first = () if view is View.PAGE else (self.opening or self._usual_opening(),)
        for section in (*first, *self.sections):
            blocks = [_narrowed(block, view) for block in section.blocks if view in block.views and not _empty(block)]
            if blocks or not section.blocks:
                yield replace(section, blocks=blocks)

    @property
    def pictures(self) -> dict[str, bytes]:
        """The picture files that its Markdown shows, by name."""
        blocks = [block for section in self.shown(View.MARKDOWN) for block in section.blocks]
        figures = [each for block in blocks if isinstance(block, Figures) for each in block.pictures]
        return {each.file: each.png for each in figures if each.file}

    @property
    def figures(self) -> list["Plot | PictureFile"]:
        """All that is drawn in any of its renderings."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [each for block in blocks if isinstance(block, Figures) for each in block.pictures]

    def _usual_opening(self) -> Section:
        return Section(
            "",
            [
                Text(" | ".join(self.facts), views=View.TERMINAL),
                Text(self.headline, views=View.TERMINAL),
                Text((Emphasis(self.headline),), views=View.MARKDOWN),
                Text(f"{', '.join(self.facts)}.", views=View.MARKDOWN),
            ],
        )


def _empty(block: Block) -> bool:
    """Whether there is nothing in a block."""
    match block:
        case Figures():
            return not block.pictures
        case Table(_, content) | Code(_, content):
            return not content
        case Text(content) | Bullets(content) | Facts(content) | Findings(content) | Gallery(content):
            return not content
    return False


def _narrowed(block: Block, view: View) -> Block:
    """A block without the columns that a view leaves out."""
    if not isinstance(block, Table):
        return block
    return replace(block, columns=[column for column in block.columns if view in column.views])
