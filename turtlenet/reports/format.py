"""Numbers, names and columns as text, for the terminal and for pages."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

WIDTH = 100
MISSING = "-"


def clean(text: Any) -> str:
    """One line of printable characters, whatever a file or a model was called."""
    kept = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(kept.split()) or MISSING


def clip(text: Any, width: int) -> str:
    """One printable line of at most `width` characters; what is too much goes from the middle.

    Specs of one attack often differ in their last setting only.

    >>> clip("pgd:steps=40,restarts=10", 16)
    'pgd:ste…tarts=10'
    """
    line = clean(text)
    tail = width // 2
    return line if len(line) <= width else f"{line[: width - 1 - tail]}…{line[-tail:]}"


def percent(value: float) -> str:
    """A share as `86.1 %`; never 0 or 100 for what is only close to it.

    >>> percent(0.861), percent(0.9996)
    ('86.1 %', '99.96 %')
    """
    return f"{_rounded(100 * value, 1, 100)} %"


def within(interval: Sequence[float]) -> str:
    """An interval of shares as `83.8 to 88.1`, in percent."""
    return " to ".join(_rounded(100 * end, 1, 100) for end in interval)


def fraction(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A share as `0.861`, or `0.861 [0.838, 0.881]` with its interval; `-` where it is not known."""
    if value is None:
        return MISSING
    share = _rounded(value, 3, 1)
    return share if interval is None else f"{share} [{', '.join(_rounded(end, 3, 1) for end in interval)}]"


def number(value: float | None) -> str:
    """A measured quantity to three figures; `-` where nothing was measured.

    >>> number(0.012345), number(12345.6), number(None)
    ('0.0123', '12,346', '-')
    """
    if value is None:
        return MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.3g}"


def count(value: Any) -> str:
    """A whole number with its thousands apart; `-` where it is not known."""
    return f"{value:,}" if isinstance(value, int) else MISSING


def several(value: int, one: str) -> str:
    """So many of something, by the word for one of it.

    >>> several(1, "step"), several(1200, "figure")
    ('1 step', '1,200 figures')
    """
    return f"{value:,} {one}{'' if value == 1 else 's'}"


def _rounded(value: float, digits: int, whole: float) -> str:
    """Rounds without reaching 0 or the whole unless the value is just that."""
    for extra in range(digits, digits + 3):
        text = f"{value:.{extra}f}"
        if float(text) not in (0.0, whole) or value in (0.0, whole):
            return text
    return f"{value:.{digits}f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side; the first one, of names, gives way where the numbers need the room."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = max(1, min(widths[0], WIDTH - sum(2 + width for width in widths[1:]) - 2))
    titles = [clip(row[0], widths[0]) if row[0] else "" for row in rows]
    return [
        "  " + "  ".join([title.ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for title, row in zip(titles, rows, strict=True)
    ]


def wrapped(text: str, indent: str) -> list[str]:
    """Lines of at most `WIDTH` characters, all but the first indented."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent)
