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
    """A bar with the time left, gradients a second and other numbers, as many as fit beside it.

    What does not fit is left out whole, where tqdm would cut the line off: the time that has passed and the steps a
    second, then the first of the numbers, then the gradients a second, then the last of the numbers.

    Args:
        total: How many there are to do.
        done: How many are done already.
        unit: What is counted, in the singular.
        hidden: Whether to show nothing.
        leave: Whether the bar stays when it is done.
        gradients: Gradients that one of those takes, of single examples; 0 where they are not counted.
        **settings: Further ones of tqdm.
    """

    def __init__(
        self,
        total: int,
        *,
        done: int = 0,
        unit: str,
        hidden: bool = False,
        leave: bool = True,
        gradients: float = 0.0,
        **settings: Any,
    ):
        self.numbers: dict[str, str] = {}
        self.gradients = gradients
        self.pace = 0.0
        """Gradients a second, where they are measured."""
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
        pace = self._pace(found)
        speed = f"{tqdm.format_sizeof(pace)} gradients/s" if pace else "{rate_fmt}"
        long, middle = _LONG.replace("SPEED", speed), _MIDDLE.replace("SPEED", speed)
        width = found.get("ncols")
        items = list(self.numbers.items())
        texts = [_text(dict(items[first:])) for first in range(len(items))]
        if not width:
            return {**found, "bar_format": long, "postfix": _text(self.numbers)}
        ways = [{**found, "bar_format": long, "postfix": text} for text in texts[:1]]
        ways += [{**found, "bar_format": form, "postfix": text} for form in (middle, _SHORT) for text in texts]
        ways += [{**found, "bar_format": form, "postfix": ""} for form in (long, middle, _SHORT, _SHORTEST)]
        return next((way for way in ways if _length(way) <= width), ways[-1])

    def _pace(self, found: Mapping[str, Any]) -> float:
        """Gradients a second; 0 while nobody knows."""
        since, elapsed = found["n"] - found["initial"], found["elapsed"]
        rate = found["rate"] or (since / elapsed if elapsed else 0.0)
        return self.pace or rate * self.gradients


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


_LONG = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left, SPEED{postfix}]"
_MIDDLE = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining} left, SPEED{postfix}]"
_SHORT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining} left{postfix}]"
_SHORTEST = "{percentage:3.0f}%|{bar}|"


def _text(numbers: Mapping[str, str]) -> str:
    return ", ".join(f"{word}={value}" for word, value in numbers.items())


def _length(found: Mapping[str, Any]) -> int:
    """Columns of a line with the shortest bar."""
    # Without a width, tqdm draws a bar of ten columns.
    return len(tqdm.format_meter(**{**found, "ncols": None})) - 10 + _LEAST
