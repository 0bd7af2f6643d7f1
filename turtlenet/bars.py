"""A progress bar that is whole however narrow the terminal is."""

from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

__all__ = ["Bar"]

_LEAST = 4
"""Columns that the bar itself keeps at least."""


class Bar(tqdm):
    """A bar with numbers behind it, as many of the last ones as fit beside it.

    What does not fit is left out whole, where tqdm would cut the line off: first the numbers, the first of them first,
    then the time that has passed.

    Args:
        total: How many there are to do.
        done: How many are done already.
        unit: What is counted, in the singular.
        hidden: Whether to show nothing.
        leave: Whether the bar stays when it is done.
        **settings: Further ones of tqdm.
    """

    def __init__(
        self, total: int, *, done: int = 0, unit: str, hidden: bool = False, leave: bool = True, **settings: Any
    ):
        self.numbers: dict[str, str] = {}
        settings = {"dynamic_ncols": True, **settings}
        super().__init__(total=total, initial=done, unit=unit, disable=hidden, leave=leave, **settings)

    def show(self, numbers: Mapping[str, str]) -> None:
        """Shows other numbers, by their words, at the next change of the bar."""
        self.numbers = dict(numbers)
        self.refresh()

    @property
    def format_dict(self) -> dict[str, Any]:
        """What tqdm draws the bar from."""
        found: dict[str, Any] = super().format_dict
        width = found.get("ncols")
        if not width:
            return {**found, "postfix": _text(self.numbers)}
        items = list(self.numbers.items())
        for first in range(len(items) + 1):
            one = {**found, "postfix": _text(dict(items[first:]))}
            if _length(one) <= width:
                return one
        return {**one, "bar_format": _SHORT if _length({**one, "bar_format": _SHORT}) <= width else _SHORTEST}


_SHORT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining}]"
_SHORTEST = "{percentage:3.0f}%|{bar}|"


def _text(numbers: Mapping[str, str]) -> str:
    return ", ".join(f"{word}={value}" for word, value in numbers.items())


def _length(found: Mapping[str, Any]) -> int:
    """Columns of a line with the shortest bar."""
    # Without a width, tqdm draws a bar of ten columns.
    return len(tqdm.format_meter(**{**found, "ncols": None})) - 10 + _LEAST
