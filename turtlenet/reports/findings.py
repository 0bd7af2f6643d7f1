"""Reasons to doubt a report's numbers, each with what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from turtlenet.reports.blocks import Block, Code


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
    commands: Sequence[Code] = ()

    @property
    def said(self) -> Sequence[tuple[str, str]]:
        """The subjects, each with its words."""
        return self.each or [(self.subject, self.words)]


@dataclass(frozen=True)
class Findings(Block):
    """Reasons to doubt the numbers, the gravest first."""

    found: Sequence[Finding]


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
