"""Ranges that the fields of a dataclass declare: `steps: int = count(40, low=1)`.

A field is declared by `number`, `count`, `share` or `one_of`, which carry its default, its range and its help;
`check_ranges` in `__post_init__` refuses what is out of range, in one line. A value of None is in every range, so that
`float | None` needs nothing of its own.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from turtlenet.errors import SettingError, SpecError, did_you_mean

__all__ = ["Range", "check_ranges", "count", "number", "one_of", "share"]


@dataclass(frozen=True, kw_only=True)
class Range:
    """What values a field may have: numbers between two ends, or one of some words.

    Args:
        low, high: The ends, where they belong to the range; None for no end.
        above, below: The same, where they do not.
        note: What the number is, for messages: `a fraction of the radius`.
        choices: The words; empty for a range of numbers.
        of: What the words are of, for messages: ` of mixed`, with the space before it.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    note: str = ""
    choices: tuple[str, ...] = ()
    of: str = ""

    def __contains__(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        # NaN is in no range, and no setting is infinite.
        return (
            -float("inf") < value < float("inf")
            and (self.low is None or self.low <= value)
            and (self.high is None or value <= self.high)
            and (self.above is None or self.above < value)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """The range as it stands in messages and in tables: `>= 1`, `from 0 to 1`, `in (0, 1]`, `a, b or c`."""
        if self.choices:
            return " or ".join(filter(None, (", ".join(self.choices[:-1]), self.choices[-1])))
        start = self.low if self.above is None else self.above
        end = self.high if self.below is None else self.below
        if start is None or end is None:
            signs = {">=": self.low, ">": self.above, "<=": self.high, "<": self.below}
            words = "".join(f"{sign} {limit:,}" for sign, limit in signs.items() if limit is not None)
        elif self.above is None and self.below is None:
            words = f"from {start:,} to {end:,}"
        else:
            words = f"in {'[' if self.above is None else '('}{start:,}, {end:,}{']' if self.below is None else ')'}"
        return ", ".join(filter(None, (words or "as a finite number", self.note)))

    def check(self, name: str, value: Any) -> None:
        """Refuses a value that is out of the range.

        Raises:
            SettingError: A number that is; the line is `Expected epochs >= 1; got 0.`
            SpecError: An unknown word.
        """
        if value is None or value in self:
            return
        if self.choices:
            raise SpecError(f"Unknown {name} {value!r}{self.of}.{did_you_mean(str(value), self.choices)}")
        raise SettingError(f"Expected {name} {self}; got {value}.")


def number(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    help: str = "",
    note: str = "",
    **metadata: Any,
) -> Any:
    """Declares a field that is a number; `low` and `high` belong to its range, `above` and `below` do not.

    Args:
        default: Its default, which may be None.
        low, high, above, below: The ends of the range; None for no end. NaN and infinity are never in it.
        help: What the field is, in one line.
        note: What the number is, for messages: `a fraction of the radius`.
        **metadata: Further metadata of the field.
    """
    return _field(default, Range(low=low, high=high, above=above, below=below, note=note), help, metadata)


def count(
    default: int | None,
    *,
    low: int = 0,
    high: int | None = None,
    help: str = "",
    note: str = "",
    **metadata: Any,
) -> Any:
    """Declares a field that is a whole number of at least `low`; see `number`."""
    return _field(default, Range(low=low, high=high, note=note), help, metadata)


def share(default: float | None, help: str = "", *, note: str = "", **metadata: Any) -> Any:
    """Declares a field that is a number from 0 to 1; see `number`."""
    return _field(default, Range(low=0, high=1, note=note), help, metadata)


def one_of(default: str | None, choices: Collection[str], help: str = "", *, of: str = "", **metadata: Any) -> Any:
    """Declares a field that is one of some words; an unknown one gets "Unknown start 'x'. Did you mean 'y'?".

    Args:
        default: Its default.
        choices: The words.
        help: What the field is, in one line.
        of: What the words are of, for messages: ` of mixed`, with the space before it.
        **metadata: Further metadata of the field.
    """
    return _field(default, Range(choices=tuple(choices), of=of), help, metadata)


def check_ranges(settings: Any) -> None:
    """Refuses a dataclass of which a field is out of its declared range; called in `__post_init__`.

    Raises:
        SettingError: A number that is out of its range.
        SpecError: A word that is none of a field's.
    """
    for field in dataclasses.fields(settings):
        if "range" in field.metadata:
            field.metadata["range"].check(field.name, getattr(settings, field.name))


def _field(default: Any, within: Range, help: str, metadata: dict[str, Any]) -> Any:
    return dataclasses.field(default=default, metadata={"range": within, "help": help, **metadata})
