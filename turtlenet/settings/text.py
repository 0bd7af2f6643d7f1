"""Values of settings as they are written on the command line.

Each function reads one kind of value, for which `word_of` has the word in the help; what it cannot read is a
`SettingError` of one line. `str` reads a text that is read later.
"""

import re
from collections.abc import Callable
from typing import Any

from turtlenet.errors import SettingError, decimal_point
from turtlenet.radius import FORMS, parsed
from turtlenet.registry import parse_value

_WORDS = {
    "batch_size": "integer|auto",
    "bounds": "low,high",
    "class_weight": "balanced|class:weight",
    "count": "integer",
    "most": "integer",
    "names": "name,name",
    "radii": "radius,radius",
    "radius": "radius",
    "str": "text",
    "unless_none": "text",
}
_FILES = (".csv", ".toml")


def word_of(reader: Callable[[str], Any]) -> str:
    """What stands for a value in the help.

    >>> word_of(batch_size), word_of(str)
    ('integer|auto', 'text')
    """
    return _WORDS.get(reader.__name__, reader.__name__)


def number(text: str) -> float:
    """A number, also as a fraction.

    >>> number("0.3"), number("3/4")
    (0.3, 0.75)
    """
    value = parse_value(text)
    if not _is_number(value):
        raise SettingError(f"Expected a number such as 0.3 or 8/255; got {text!r}.{decimal_point(text)}")
    return float(value)


def radius(text: str) -> float | str:
    """A radius: `0.3`, `8/255`, `8px` or `3%`; it stays a text where only the bounds tell what it is.

    One for each feature, with commas between them, or for each input (`image=0.1;vector=5%`), or a file of features
    stays a text too.
    """
    value = parse_value(text)
    if _is_number(value):
        return float(value)
    if text.lower().endswith(_FILES):
        return text
    for each in text.split(";") if "=" in text else [text]:
        radii = each.rpartition("=")[2]
        for part in radii.split(","):
            parsed(part)
        if re.search(r",0\d", radii) and (meant := decimal_point(radii)):
            # Nobody writes a radius 03: of two features it would be one of 0 and one of 3.
            raise SettingError(f"Expected eps in {FORMS}; got {radii!r}.{meant}")
    return text


def radii(text: str) -> list[float | str]:
    """Radii with commas between them, each as `radius` reads it.

    >>> radii("0.1,8px")
    [0.1, '8px']
    """
    return [radius(part) for part in text.split(",")]


def count(text: str) -> int:
    """A whole number, 0 or more."""
    value = parse_value(text)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingError(f"Expected a whole number, 0 or more; got {text!r}.")
    return value


def most(text: str) -> int | None:
    """A whole number, 0 or more; 0 is None: all."""
    return count(text) or None


def unless_none(text: str) -> str:
    """A text; `none` is the empty one."""
    return "" if text == "none" else text


def batch_size(text: str) -> int | None:
    """A whole number, or `auto`, which is None."""
    value = parse_value(text)
    if text != "auto" and (isinstance(value, bool) or not isinstance(value, int)):
        raise SettingError(f"Expected a whole number or auto; got {text!r}.")
    return None if isinstance(value, str) else int(value)


def class_weight(text: str) -> Any:
    """`balanced`, or classes and their weights.

    >>> class_weight("0:1,3:2.5")
    {0: 1.0, 3: 2.5}
    """
    if text == "balanced":
        return text
    try:
        return {int(key): float(weight) for key, _, weight in (part.partition(":") for part in text.split(","))}
    except ValueError:
        raise SettingError(f"Expected balanced, or classes and weights such as 0:1,3:2.5; got {text!r}.") from None


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them: `2,1`."""
    values = [parse_value(part) for part in text.split(",")]
    if not all(map(_is_number, values)):
        raise SettingError(f"Expected numbers with commas between them, such as 2,1; got {text!r}.")
    return tuple(map(float, values))


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them: `benign,malignant`."""
    found = tuple(each.strip() for each in text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise SettingError(
            f"Expected different names with commas between them, such as benign,malignant; got {text!r}."
        )
    return found


def bounds(text: str) -> tuple[float, float] | str:
    """Two numbers with a comma: `0,255`; pairs with `;` between them or by input, and files of features, stay text."""
    if ";" in text or "=" in text or text.lower().endswith(_FILES):
        return text
    values = [parse_value(part) for part in text.split(",")]
    if len(values) != 2 or not all(map(_is_number, values)):
        more = " A decimal point is expected, as in 0.5,1." if len(values) > 2 else ""
        raise SettingError(f"Expected the smallest and the largest value, such as 0,1 or 0,255; got {text!r}.{more}")
    return float(values[0]), float(values[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
