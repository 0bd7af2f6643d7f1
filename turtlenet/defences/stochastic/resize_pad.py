"""Random resizing and padding (Xie, Wang, Zhang, Ren, Yuille, 2018)."""

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.defences.base import registered
from turtlenet.defences.filters.base import Filter
from turtlenet.errors import SettingError

# That of the paper, 331 pixels for 299.
_GROWTH = 331 / 299


@registered("resize-pad")
class ResizePad(Filter):
    """Enlarges each image by a random factor and pads it at random to one size, then brings that to the model's size.

    A side of n pixels becomes one of r, uniform in n, ..., size - 1, by the nearest pixel, and stands at a random
    place among `size` pixels, the rest of which are gray: the middle of the bounds. The paper hands on the larger
    image, which only a model without a fixed size takes; here it is reduced to n pixels again, linearly. An attacker
    averages over draws, each of which is linear.

    Args:
        size: Longest side after the padding, above that of the image; the other side is in proportion. 0 is the
            paper's: 331 for 299 pixels.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A size that is not above the longest side of the image, or what is no image.
    """

    adaptive = "the mean over draws (EOT)"
    stochastic = True
    kinds: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(self, *, size: int = 0, **settings: Any):
        super().__init__(**settings)
        if size < 0:
            raise SettingError(f"Expected size above the longest side of the image, or 0; got {size}.")
        self.size = int(size)
        self.seed_generator = keras.random.SeedGenerator()

    def check_grid(self) -> None:
        """Refuses a size that leaves no room to grow."""
        longest = max(self.grid.sides)
        if self.size and self.size <= longest:
            sides = " x ".join(map(str, self.grid.sides))
            raise SettingError(f"Expected size > {longest} to resize images of {sides} and pad them; got {self.size}.")
        growth = self.size / longest if self.size else _GROWTH
        self.canvas = tuple(max(side + 1, round(side * growth)) for side in self.grid.sides)
        self.back = [_reduced(*each) for each in zip(self.canvas, self.grid.sides, strict=True)]

    def filtered(self, x: Any) -> Any:
        key = self.key()
        if key is None:
            draw = keras.random.uniform((ops.shape(x)[0], 3), dtype="float32", seed=self.seed_generator)
        else:
            draw = random.uniform(key, (3,))
        middle = (self.low + self.high) / 2.0
        rows, columns = (self._resampled(axis, draw[:, :1], draw[:, 1 + axis, None]) for axis in (0, 1))
        moved = ops.einsum("nih,nhwc->niwc", rows, ops.cast(x, "float32") - middle)
        return ops.cast(ops.einsum("njw,niwc->nijc", columns, moved) + middle, x.dtype)

    def _resampled(self, axis: int, growth: Any, place: Any) -> Any:
        """What takes pixels along an axis to their new places: float32 (batch, side, side).

        Args:
            axis: 0 for rows, 1 for columns.
            growth: How large the image becomes, from 0 to below 1, (batch, 1).
            place: Where it stands, the same.
        """
        side, canvas = self.grid.sides[axis], self.canvas[axis]
        length = side + ops.floor(growth * (canvas - side))
        start = ops.floor(place * (canvas - length + 1.0))
        at = ops.arange(canvas, dtype="float32")[None] - start
        source = ops.floor((at + 0.5) * side / length)
        inside = ops.logical_and(at >= 0, at < length)
        taken = ops.logical_and(source[:, :, None] == ops.arange(side, dtype="float32"), inside[:, :, None])
        return ops.matmul(ops.convert_to_tensor(self.back[axis]), ops.cast(taken, "float32"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


def _reduced(length: int, side: int) -> np.ndarray:
    """Linear interpolation from `length` pixels to fewer, each over as many as one stands for: (side, length)."""
    scale = length / side
    centers = (np.arange(side) + 0.5) * scale - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(length)[None] - centers[:, None]) / scale)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")
