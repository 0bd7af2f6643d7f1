"""What can go wrong, as one tree.

TurtlenetError
├── SpecError       a spec string, a suite file or a name that nothing answers to
├── SettingError    a setting out of its range (eps, steps, levels, ...)
├── ModelError      a file that is no model, or a model that cannot be attacked
├── DataError       data that do not fit: shape, bounds, labels, NaN, nothing there
└── OutputError     a path that cannot be written

Every one of them carries a single line: what was expected and what came. The command line prints that line and
exits with code 2; Python callers can also catch `ValueError`.
"""

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "DataError",
    "ModelError",
    "OutputError",
    "SettingError",
    "SpecError",
    "TurtlenetError",
    "an",
    "at_least",
    "decimal_point",
    "did_you_mean",
    "one_line",
    "printable",
]


def printable(text: str) -> str:
    """A text in one line, in which what steers a terminal is spelled out."""
    flat = (" " if each.isspace() else each for each in text)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in flat)


def one_line(error: BaseException, most: int | None = None) -> str:
    """What an exception of another library says, in one line without its full stop; its class where it says nothing.

    Args:
        error: The exception.
        most: The most characters; None for all of them.

    >>> one_line(OSError("A file\\n  is cut short.")), one_line(KeyError())
    ('A file is cut short', 'KeyError')
    """
    return " ".join(str(error).split())[:most].rstrip(". ") or type(error).__name__


def an(name: str) -> str:
    """A name behind its article.

    >>> an("ExternalLink"), an("dict")
    ('an ExternalLink', 'a dict')
    """
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


_COMMA = re.compile(r"([+-]?\d+),(\d+(?:e[+-]?\d+)?(?:px|%|[hms])?)", re.IGNORECASE)
"""A number with a decimal comma, and perhaps a unit."""


class TurtlenetError(ValueError):
    """Anything that turtlenet refuses, in one line."""

    ag_pass_through = True
    """TensorFlow's word for errors that come out of `tf.function` as they are, without pages of its own around."""

    def __init__(self, message: object = ""):
        super().__init__(printable(str(message)))


class SpecError(TurtlenetError):
    """A name or a spec string that cannot be read."""


class SettingError(TurtlenetError):
    """A setting that is out of its range."""


class ModelError(TurtlenetError):
    """A file that is no model, or a model that cannot be attacked."""


class DataError(TurtlenetError):
    """Data that do not fit the model or the bounds."""


class OutputError(TurtlenetError):
    """A path that cannot be written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: the name that was meant, for a near miss, else the names there are.

    Capitals and underscores make no difference: papers write PGD, and Python cannot write `mc-dropout`.

    >>> did_you_mean("pdg", ["fgsm", "pdpgd", "pgd"])
    " Did you mean 'pgd'?"
    >>> did_you_mean("PGD", ["fgsm", "pgd"])
    " Did you mean 'pgd'?"
    """
    known = sorted(known)
    alike = {_folded(each): each for each in known}
    close = difflib.get_close_matches(_folded(str(name)), alike, n=3, cutoff=0.5)
    # Letters that changed places are likelier than letters left out.
    near = [alike[each] for each in sorted(close, key=lambda each: sorted(each) != sorted(_folded(str(name))))]
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(filter(None, known)) or 'none'}."


def decimal_point(text: object) -> str:
    """The end of a message: the number that was meant by one with a decimal comma; empty where there is none.

    >>> decimal_point("0,03"), decimal_point("pgd")
    (" Did you mean '0.03'? A decimal point is expected.", '')
    """
    found = _COMMA.fullmatch(str(text).strip())
    return f" Did you mean {'.'.join(found.groups())!r}? A decimal point is expected." if found else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def at_least(least: int, **values: int) -> None:
    """Refuses settings below a number.

    Raises:
        SettingError: One that is.
    """
    for name, value in values.items():
        if value < least:
            raise SettingError(f"Expected {name} >= {least}; got {value}.")
