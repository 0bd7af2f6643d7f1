"""The radius of a ball as a user writes it, what it means on the range of a value, and the usual one for an input.

A radius is a number of input units (`0.3`, `"8/255"`), of gray levels of 255 (`"8px"`), or a share of the range of
values in percent (`"3%"`).
"""

import math
import numbers
from collections.abc import Mapping
from typing import Any

from turtlenet.errors import SettingError, SpecError, decimal_point
from turtlenet.input_kind import IMAGE, InputKind, flat_image, kind_of
from turtlenet.registry import parse_value

__all__ = ["FORMS", "channels", "check_radius", "is_image", "parsed", "resolved", "size_words", "usual"]

FORMS = "input units (0.3, 8/255), gray levels of 255 (8px) or a share of the range (3%)"

_UNITS = {"px": 1 / 255, "%": 1 / 100}
_NORMS = {"inf": "linf", "2": "l2", "1": "l1", "0": "l0"}


def parsed(eps: Any) -> tuple[float, str]:
    """Reads a radius.

    Args:
        eps: A number, or a text: `0.3`, `8/255`, `8px`, `3%`.

    Returns:
        The number, and its unit: empty for input units, `px` for gray levels of 255, `%` for a share of the range.

    Raises:
        SettingError: Anything else, or a number that is negative, NaN or infinite.
    """
    text = eps.strip() if isinstance(eps, str) else ""
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    value: Any = parse_value(text.removesuffix(unit)) if isinstance(eps, str) else eps
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise SettingError(f"Expected eps in {FORMS}; got {eps!r}.{decimal_point(eps)}")
    if not 0 <= float(value) < math.inf:
        raise SettingError(f"Expected eps >= 0, a finite radius in input units; got {eps}.")
    return float(value), unit


def check_radius(settings: Mapping[str, Any], where: str) -> None:
    """Refuses a text as the `eps` of a settings file that is no radius.

    Raises:
        SpecError: It is none; the message names the file.
    """
    try:
        if isinstance(settings.get("eps"), str):
            parsed(settings["eps"])
    except SettingError as error:
        raise SpecError(f"{str(error).rstrip('.')} in {where}.") from None


def resolved(eps: Any, norm: str, bounds: tuple[float, float]) -> float:
    """A radius in input units; for `l0`, the number of values that may change.

    Args:
        eps: See `parsed`.
        norm: Name of the norm.
        bounds: Smallest and largest value of a pixel, in input units.

    Raises:
        SettingError: See `parsed`; gray levels or a share for `l0`.
    """
    value, unit = parsed(eps)
    if unit and _name(norm) == "l0":
        raise SettingError(f"Expected eps of l0 as a number of values, such as 20; got {eps}.")
    return value * _UNITS[unit] * (bounds[1] - bounds[0]) if unit else value


def usual(shape: tuple[int, ...], shares: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, str]:
    """The radius where none is given, in input units, and why it is that one.

    Args:
        shape: Of an input, without the batch.
        shares: That of gray and that of color images, as a share of the pixel range; see `Ball.usual`.
        bounds: Smallest and largest value of a pixel, in input units.
    """
    kind, how = channels(shape)
    gray, color = shares
    return (gray if kind == "gray" else color) * (bounds[1] - bounds[0]), f"the usual one for {how}"


def channels(shape: tuple[int, ...]) -> tuple[str, str]:
    """Tells gray from color images by their shape.

    Args:
        shape: Of an input, without the batch.

    Returns:
        `gray`, `color` or `other`, and what was seen, in words. Vectors and series count as gray, unless a vector is
        as long as a color image of 24x24, 32x32, ...
    """
    text, inputs = "x".join(map(str, shape)), kind_of(shape).examples
    if len(shape) == 1:
        square = flat_image(shape[0])
        if square is None:
            return "gray", f"vectors ({text})"
        side, depth = square
        kind, size = ("gray", f"{side}x{side}") if depth == 1 else ("color", f"{side}x{side}x{depth}")
        return kind, f"flat {kind} images ({size})"
    if len(shape) == 2:
        return "gray", f"{'gray ' if kind_of(shape).pictured else ''}{inputs} ({text})"
    for place, where in ((-1, "channels last"), (0, "channels first")):
        if shape[place] in (1, 3, 4) and (place or len(shape) == 3):
            kind = "gray" if shape[place] == 1 else "color"
            return kind, f"{kind} {inputs} ({text}, {where})"
    return "other", f"inputs of {text}"


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether inputs of a shape may be laid out as images: two sides or more, or as long as a square image is."""
    sides = tuple(side for side in shape if side != 1)
    return len(sides) > 1 or (len(sides) == 1 and flat_image(sides[0]) is not None)


def size_words(norm: str, share: float | None, levels: float | None, kind: InputKind = IMAGE) -> str:
    """What a radius means for a value, as `76.5 gray levels of 255, 30 % of the range`; empty where nothing is known.

    Args:
        norm: Name of the norm.
        share: See `Ball.per_pixel`.
        levels: The same in gray levels of 255; None for inputs that are no images.
        kind: What the inputs are.
    """
    if share is None:
        return ""
    percent = f"{100 * share:.3g} %"
    if _name(norm) == "l0":
        return f"{percent} of the values"
    gray = f"{levels:.3g} gray level{'' if levels == 1 else 's'} of 255, " if levels is not None else ""
    how = {"l2": f" a {kind.value} in the root mean square", "l1": f" a {kind.value} on average"}.get(_name(norm), "")
    return f"{gray}{percent} of the range{how}"


def _name(norm: str) -> str:
    name = str(norm).lower()
    return _NORMS.get(name, name)
