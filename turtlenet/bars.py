"""A progress bar that is whole however narrow the terminal is."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tqdm import tqdm

__all__ = ["Bar", "aside", "hidden"]

_HIDDEN = contextvars.ContextVar("hidden", default=False)
_LEAST = 4
"""Columns that the bar itself keeps at least."""


class Bar(tqdm):
    """A bar with numbers behind it, as many of the last ones as fit beside it.

    What does not fit is left out whole, where tqdm would cut the line off: the first of the numbers, then the time
    that has passed and the speed, then the last of the numbers.

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
        super().__init__(
            total=total, initial=done, unit=unit, disable=hidden or _HIDDEN.get(), leave=leave, **settings
        )

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
        texts = [_text(dict(items[first:])) for first in range(len(items))]
        ways = [{**found, "bar_format": form, "postfix": text} for form in (None, _SHORT) for text in texts]
        ways += [{**found, "bar_format": form, "postfix": ""} for form in (None, _SHORT, _SHORTEST)]
        return next((way for way in ways if _length(way) <= width), ways[-1])


def aside(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tells lines so that each stands on a line of its own, above the bars that are shown."""

    def told(line: str) -> None:
        with tqdm.external_write_mode():
            tell(line)

    return told


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Shows no bar within it."""
    token = _HIDDEN.set(True)
    try:
        yield
    finally:
        _HIDDEN.reset(token)


_SHORT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining}{postfix}]"
_SHORTEST = "{percentage:3.0f}%|{bar}|"


def _text(numbers: Mapping[str, str]) -> str:
    return ", ".join(f"{word}={value}" for word, value in numbers.items())


def _length(found: Mapping[str, Any]) -> int:
    """Columns of a line with the shortest bar."""
    # Without a width, tqdm draws a bar of ten columns.
    return len(tqdm.format_meter(**{**found, "ncols": None})) - 10 + _LEAST
