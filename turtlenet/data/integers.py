"""What stored integers mean: gray levels to be scaled to the bounds, or numbers to be taken as they are."""

import math
from dataclasses import dataclass

import numpy as np

from turtlenet.errors import DataError
from turtlenet.radius import is_image


@dataclass(frozen=True)
class Whole:
    """The smallest and the largest value of an array."""

    low: float
    high: float

    def with_(self, low: float, high: float) -> "Whole":
        """This span, stretched over another."""
        return Whole(min(self.low, low), max(self.high, high))

    def within(self, bounds: tuple[float, float]) -> bool:
        """Whether all of it lies within bounds."""
        return bounds[0] <= self.low and self.high <= bounds[1]


def decided(dtype: np.dtype, span: Whole, bounds: tuple[float, float], shape: tuple[int, ...]) -> bool:
    """Whether `peak_of` says the same of these values and any more of their type."""
    dtype = dtype.newbyteorder("=")
    least = {np.dtype(np.uint8): 127, np.dtype(np.uint16): 255}.get(dtype, math.inf)
    return is_image(shape) and span.high > max(least, bounds[1])


def peak_of(
    dtype: np.dtype, span: Whole, bounds: tuple[float, float], shape: tuple[int, ...], name: str
) -> int | None:
    """The integer that stands for the upper bound; `None` where integers are taken as they are.

    - Integers that all lie within the bounds are what the model takes: features of 0 and 1, bytes in [0, 255]. But an
      image's integers from 0 to beyond 1 are gray levels where the bounds begin below 0.
    - Otherwise, integers from 0 on that are laid out as an image (see `turtlenet.radius.is_image`) are gray levels,
      of 65,535 for uint16 that go beyond 255, else of 255. So are those of a flat image, if they reach beyond 127.
    - Nothing else is guessed.

    Args:
        dtype: Of the integers; not bool.
        span: Of all of them.
        bounds: Lowest and highest pixel value of the model.
        shape: How one example is laid out, without the batch.
        name: What messages call the data.

    Raises:
        DataError: Integers beyond the bounds that do not look like pixels.
    """
    # Bounds below 0 are those of floats that were shifted: gray levels among them were not yet.
    shifted = bounds[0] < 0 <= span.low and span.high > 1 and is_image(shape)
    if span.within(bounds) and not shifted:
        return None
    peak = 65535 if dtype.newbyteorder("=") == np.uint16 and span.high > 255 else 255
    within = f"[{bounds[0]:g}, {bounds[1]:g}]"
    found = f"values from {span.low:g} to {span.high:g} in {name}"
    if span.low < 0 or span.high > peak:
        raise DataError(
            f"Expected integer pixels from 0 to {peak}; got {found}: give uint8, uint16, or floats within {within}."
        )
    low, high = min(0, math.floor(span.low)), math.ceil(span.high)
    mend = f"give floats within {within}, or pass --bounds {low},{high} if the model takes them as they are"
    if span.high <= 1:
        raise DataError(f"Expected pixels within {within}; got integers that are all 0 or 1 in {name}: {mend}.")
    flat = sum(side != 1 for side in shape) < 2
    if not is_image(shape) or (flat and span.high <= 127):
        raise DataError(
            f"Expected features within {within}; got integer {found}, which are no image's pixels: {mend}."
        )
    if dtype == np.int8:
        raise DataError(f"Expected uint8 pixels from 0 to 255; got int8 {found}: {mend}.")
    return peak
