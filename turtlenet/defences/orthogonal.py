"""Orthogonal transforms with secret signs (Taran, Rezaeifar, Voloshynovskiy, 2018, paper 004, eq. 3)."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet.defences import keyed_draws
from turtlenet.defences.base import registered
from turtlenet.defences.filters.jpeg_coding import cosines
from turtlenet.defences.keyed import Keyed, pixels_of
from turtlenet.errors import SettingError, SpecError, did_you_mean

_TRANSFORMS = ("hadamard", "dct")


@registered("orthogonal")
class Orthogonal(Keyed):
    """Flips signs that a secret key chooses within a fixed orthogonal transform: P = W' diag(signs) W.

    P is orthogonal and its own inverse. It acts on pixels relative to the middle of the bounds, in float32 at least;
    its results leave the bounds.

    Args:
        key: See `Permutation`; it must have a bit for each sign.
        channels: Whether each channel has signs of its own; else a pixel's channels share one.
        transform: `hadamard` mixes the pixels of the whole image, channel by channel: in the order of their rows, the
            largest power of two of them, then that of the rest, and so on, because padding would not be orthogonal.
            `dct` is the cosine transform of square blocks (of pieces, where images are flat).
        block: Side of a block of `dct`; it must divide the sides of the image.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SpecError: Another transform.
        SettingError: No key at the place, one that others can read, or a block that does not divide the image.
    """

    def __init__(
        self, *, key: str = "", channels: bool = False, transform: str = "hadamard", block: int = 8, **settings: Any
    ):
        super().__init__(key=key, channels=channels, **settings)
        if transform not in _TRANSFORMS:
            raise SpecError(f"Unknown transform {transform!r}.{did_you_mean(transform, _TRANSFORMS)}")
        if block < 2:
            raise SettingError(f"Expected block >= 2; got {block}.")
        self.transform, self.block = transform, int(block)

    def bits(self) -> int:
        return self.units

    def build(self, input_shape: Any) -> None:
        """Asks for the key, once it is clear that the blocks fit.

        Raises:
            ModelError, SettingError: See `Permutation`.
        """
        shape = tuple(input_shape[1:])
        sides, _ = pixels_of(shape)
        if self.transform == "dct" and None not in sides and any(side % self.block for side in sides):
            common = math.gcd(*sides)
            fitting = [f"{size}" for size in range(2, min(common, 64) + 1) if common % size == 0]
            raise SettingError(
                f"Expected a block that divides images of {' x '.join(map(str, sides))}; got {self.block}: "
                f"{', '.join(fitting) or 'none'} would, as transform=hadamard does for all sizes."
            )
        super().build(input_shape)

    def draw(self, key: bytes, salt: bytes, label: str) -> None:
        self.signs = self.spread(keyed_draws.signs(key, salt, label, self.units))

    def defend(self, x: Any) -> Any:
        wide = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
        middle = (self.low + self.high) / 2
        changed = self._there(ops.cast(x, wide) - middle) * ops.cast(self.signs, wide)
        return ops.cast(self._there(changed, back=True) + middle, x.dtype)

    def inverse(self, y: Any) -> Any:
        return self.defend(y)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "transform": self.transform, "block": self.block}

    def _there(self, x: Any, back: bool = False) -> Any:
        if self.transform == "hadamard":
            pixels = ops.reshape(x, (-1, math.prod(self.grid), self.depth))
            return ops.reshape(_hadamard(pixels), (-1, *self.element))
        matrix = cosines(self.block)
        for axis in range(1, 1 + len(self.grid)):
            x = _blockwise(x, matrix.T if back else matrix, axis)
        return x


def _hadamard(x: Any) -> Any:
    """The orthonormal Walsh-Hadamard transform along axis 1 of (batch, n, channels), in pieces; its own inverse."""
    parts, begin = [], 0
    while (left := x.shape[1] - begin) > 0:
        size = 1 << (left.bit_length() - 1)
        part, step = x[:, begin : begin + size], 1
        while step < size:
            pairs = ops.reshape(part, (-1, size // (2 * step), 2, step, x.shape[2]))
            one, other = pairs[:, :, 0], pairs[:, :, 1]
            part, step = ops.stack([one + other, one - other], axis=2), 2 * step
        parts.append(ops.reshape(part, (-1, size, x.shape[2])) / math.sqrt(size))
        begin += size
    return ops.concatenate(parts, axis=1)


def _blockwise(x: Any, matrix: np.ndarray, axis: int) -> Any:
    """Multiplies each block along an axis by a matrix."""
    shape, size = tuple(x.shape[1:]), len(matrix)
    before, side, after = math.prod(shape[: axis - 1]), shape[axis - 1], math.prod(shape[axis:])
    blocks = ops.reshape(x, (-1, before * side // size, size, after))
    return ops.reshape(ops.matmul(ops.cast(matrix, x.dtype), blocks), (-1, *shape))
