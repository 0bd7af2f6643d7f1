"""Filters of images with the gradient that a strong attacker takes, for feature squeezing (Xu et al., 2018)."""

from typing import Any

import numpy as np
from keras import ops


def bit_depth(x: Any, bits: int, bounds: tuple[float, float]) -> Any:
    """The nearest of 2^bits levels from one bound to the other; the gradient passes straight through (BPDA).

    Args:
        x: Images, float32 (batch, height, width, channels).
        bits: How many are kept.
        bounds: Smallest and largest value of a pixel.
    """
    (low, high), levels = bounds, 2**bits - 1
    rounded = low + ops.round((x - low) / (high - low) * levels) / levels * (high - low)
    return x + ops.stop_gradient(rounded - x)


def median(x: Any, window: int) -> Any:
    """The median of the window around each pixel, edges mirrored; the upper one of an even number, as SciPy's.

    The gradient is that of the pixel that is the median.

    Args:
        x: Images, float32 (batch, height, width, channels).
        window: The side, in pixels; an even one reaches farther up and left.
    """
    before, after = window // 2, (window - 1) // 2
    wide = _mirrored(x, before, after)
    shifts = [_shifted(wide, x, down, right) for down in range(window) for right in range(window)]
    return ops.sort(ops.stack(shifts, axis=-1), axis=-1)[..., window**2 // 2]


def non_local_means(x: Any, search: int, patch: int, strength: float) -> Any:
    """The mean of the pixels whose surroundings are alike (Buades et al., 2005).

    Args:
        x: Images, float32 (batch, height, width, channels).
        search: The side of the window in which pixels are sought, odd.
        patch: The side of the surroundings that are compared, odd.
        strength: A mean squared difference of this, squared, has the weight 1/e; in input units.
    """
    reach = search // 2
    wide = _mirrored(x, reach, reach)
    total, weights = ops.zeros_like(x), ops.zeros_like(x[..., :1])
    for down in range(search):
        for right in range(search):
            other = _shifted(wide, x, down, right)
            apart = ops.mean(ops.square(other - x), axis=-1, keepdims=True)
            alike = ops.average_pool(apart, patch, strides=1, padding="same", data_format="channels_last")
            weight = ops.exp(-alike / strength**2)
            total, weights = total + weight * other, weights + weight
    return total / weights


def _mirrored(x: Any, before: int, after: int) -> Any:
    """Images with their edges mirrored, the outermost pixel twice."""
    for axis in (1, 2):
        x = ops.take(x, np.pad(np.arange(x.shape[axis]), (before, after), mode="symmetric"), axis=axis)
    return x


def _shifted(wide: Any, x: Any, down: int, right: int) -> Any:
    """A window of the size of `x` out of a wider image."""
    return wide[:, down : down + x.shape[1], right : right + x.shape[2]]
