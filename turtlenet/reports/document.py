"""A report as one document: written once, shown in a terminal, as Markdown and as an HTML page.

A `Document` has a title, a headline (the finding in one sentence), a few facts, and sections. A `Section` is a heading
over blocks: `Text`, `Bullets`, `Table`, `Facts`, `Figures`, `Code` and `Gallery` of `blocks.py`, and `Findings` of
`findings.py`. Whoever writes a report builds a document of plain, unescaped strings. The modules `terminal`,
`markdown` and `page` beside this one have a function `render` each, which escapes them and does all the layout.

A table is a sequence of rows, which may be any objects, and columns that say what to take from a row and how to write
it. A new column is one line:

>>> from dataclasses import dataclass
>>> from turtlenet.reports.blocks import Column, Table
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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from turtlenet.reports.blocks import Block, Bullets, Code, Emphasis, Facts, Figures, Gallery, Table, Text, View
from turtlenet.reports.findings import Findings

if TYPE_CHECKING:
    from turtlenet.reports.figures import PictureFile, Plot


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
