"""Values that a user gives for features, spread over the features of an input."""

from typing import Any

import numpy as np

from turtlenet.errors import SettingError
from turtlenet.features import Features
from turtlenet.typing import Shape


def spread_out(values: Any, shape: Shape, what: str, *, holes: bool = False) -> np.ndarray | None:
    """Numbers for each feature, float64 (features,), of some that broadcast to an input; None where there are none."""
    if values is None:
        return None
    try:
        found = np.asarray([np.nan if each is None else each for each in values] if holes else values, "float64")
    except (TypeError, ValueError):
        raise SettingError(f"Expected {what} as numbers, one for each feature; got {values!r:.60}.") from None
    if not holes and not np.isfinite(found).all():
        raise SettingError(f"Expected finite bounds; got {found[~np.isfinite(found)].flat[0]} in {what}.")
    try:
        return np.array(np.broadcast_to(found, shape)).ravel()
    except ValueError:
        raise misfit(what, found.shape, shape) from None


def positions(count: int, own: tuple[int, ...], shape: Shape, hint: str = "") -> np.ndarray:
    """Which of some values each feature of an input has; `hint` ends the message where they do not fit."""
    places = np.arange(count).reshape(own if np.prod(own) == count else (count,))
    try:
        return np.broadcast_to(places, shape)
    except ValueError:
        raise misfit("eps", places.shape, shape, hint) from None


def misfit(what: str, got: tuple[int, ...], shape: Shape, hint: str = "") -> SettingError:
    """The error for values whose shape does not broadcast to that of an input."""
    size = "x".join(map(str, shape))
    return SettingError(
        f"Expected {what} as one number, or as numbers that broadcast to {size}; got shape {got}.{hint}"
    )


def is_array(value: Any) -> bool:
    """Whether a value is given for each feature, not one for all."""
    return value is not None and not isinstance(value, str) and np.ndim(value) > 0


def check_order(low: np.ndarray, high: np.ndarray, features: Features) -> None:
    """Refuses bounds, float64 (features,), of which a low is not below its high.

    Raises:
        SettingError: The first feature of which they are not.
    """
    bad = np.flatnonzero(~(low < high))
    if len(bad):
        place = int(bad[0])
        raise SettingError(
            f"Expected bounds low < high for {features.name_of(place)}; got {low[place]:g} and {high[place]:g}."
        )
