"""Filters: layers that compute each pixel from its neighborhood, whatever the shape of the image."""

import math
from typing import Any, ClassVar, NamedTuple

import numpy as np
from keras import ops

from turtlenet.defences.base import Defence
from turtlenet.errors import SettingError
from turtlenet.input_kind import flat_image, kind_of


class Grid(NamedTuple):
    """How the values of an input lie: the lengths of its axes of space or time, and how many channels there are."""

    sides: tuple[int, ...]
    channels: int


def grid_of(shape: tuple[int, ...]) -> Grid:
    """The grid of an input of this shape, without the batch: channels come last, flat images are square.

    Raises:
        SettingError: An image whose channels seem to come first.

    >>> grid_of((28, 28)), grid_of((3072,)), grid_of((128, 9))
    (Grid(sides=(28, 28), channels=1), Grid(sides=(32, 32), channels=3), Grid(sides=(128,), channels=9))
    """
    kind, flat = kind_of(shape).name, flat_image(math.prod(shape))
    if kind == "image" and (len(shape) == 1 or (len(shape) == 2 and 1 in shape)) and flat:
        return Grid((flat[0], flat[0]), flat[1])
    if kind == "image" and len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 3:
        raise SettingError(f"Expected images with channels last, such as (32, 32, 3); got shape {shape}.")
    if kind == "series" or (kind == "image" and len(shape) == 3) or len(shape) == 4:
        return Grid(shape[:-1], shape[-1])
    return Grid(shape, 1)


class Filter(Defence):
    """A layer that is given inputs as (batch, *sides, channels), and gives the same shape.

    A subclass says what it does in `filtered`, and in `smooth` what an attacker differentiates, where that differs.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image", "series", "volume")

    def build(self, input_shape: Any) -> None:
        """Looks at how the inputs lie.

        Raises:
            SettingError: Inputs of a kind that has no neighborhoods, or smaller than the filter.
        """
        super().build(input_shape)
        self.element = tuple(input_shape[1:])
        self.grid = grid_of(self.element)
        self.check_grid()

    def check_grid(self) -> None:
        """Refuses inputs that are too small, once their grid is known."""

    def filtered(self, x: Any) -> Any:
        """What the layer does to (batch, *sides, channels)."""
        raise NotImplementedError

    def smooth(self, x: Any) -> Any:
        """What an attacker differentiates in its place."""
        return self.filtered(x)

    def defend(self, x: Any) -> Any:
        return self._on_grid(self.filtered, x)

    def surrogate(self, x: Any) -> Any:
        return self._on_grid(self.smooth, x)

    @property
    def masks(self) -> bool:
        """Whether an attacker takes another gradient than the layer's own."""
        return type(self).smooth is not Filter.smooth

    def _on_grid(self, change: Any, x: Any) -> Any:
        return ops.reshape(change(ops.reshape(x, (-1, *self.grid.sides, self.grid.channels))), (-1, *self.element))


class Windowed(Filter):
    """A filter that looks at a window of `size` values along each axis of space or time.

    Args:
        size: Side of the window, at least 2.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A size below 2, or above a side of the inputs.
    """

    def __init__(self, *, size: int = 3, **settings: Any):
        super().__init__(**settings)
        if size < 2:
            raise SettingError(f"Expected size >= 2, the side of a window; got {size}.")
        self.size = int(size)

    def check_grid(self) -> None:
        """Refuses a window that is wider than the inputs."""
        check_window(self.size, self.grid)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


def check_window(size: int, grid: Grid, name: str = "size") -> None:
    """Refuses a window that is wider than the inputs; `name` is the setting's, for the message.

    Raises:
        SettingError: It is.
    """
    if size > min(grid.sides):
        sides = " x ".join(map(str, grid.sides))
        raise SettingError(f"Expected {name} <= {min(grid.sides)} for inputs of {sides}; got {size}.")


def neighborhoods(x: Any, size: int) -> Any:
    """The values in a window around each place of (batch, *sides, channels): (batch, *sides, size ** axes, channels).

    At an edge the inputs are mirrored, the outermost value included; a window of even size reaches one further to the
    left, as scipy's filters do.
    """
    sides, channels = tuple(x.shape[1:-1]), x.shape[-1]
    for axis, side in enumerate(sides, 1):
        x = ops.take(x, _places(side, size).ravel(), axis=axis)
    axes = range(len(sides))
    x = ops.reshape(x, (-1, *(length for side in sides for length in (side, size)), channels))
    x = ops.transpose(x, (0, *(1 + 2 * each for each in axes), *(2 + 2 * each for each in axes), 1 + 2 * len(sides)))
    return ops.reshape(x, (-1, *sides, size ** len(sides), channels))


def box_mean(x: Any, size: int) -> Any:
    """The mean of a window around each place of (batch, *sides, channels), one axis after the other."""
    for axis, side in enumerate(tuple(x.shape[1:-1]), 1):
        pieces = [ops.take(x, each, axis=axis) for each in _places(side, size).T]
        x = sum(pieces[1:], pieces[0]) / size
    return x


def _places(side: int, size: int) -> np.ndarray:
    """For each place on an axis those in its window, int32 (side, size)."""
    mirrored = np.pad(np.arange(side), (size // 2, size - 1 - size // 2), mode="symmetric")
    return mirrored[np.arange(side)[:, None] + np.arange(size)].astype("int32")
