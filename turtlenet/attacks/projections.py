"""Nearest points under two conditions at once: of a ball or a plane, and of the pixel bounds.

Bisection and Newton's method take the place of the sorts that the papers describe: the same points, and no sort.
"""

import math
from typing import Any

from keras import ops

__all__ = ["onto_l1"]

_HALVINGS = 26


def onto_l1(moved: Any, x: Any, eps: Any, low: float, high: float) -> Any:
    """The nearest point within `eps` of `x` in L1 and within the bounds (Croce & Hein, 2021, proposition 2.1).

    Args:
        moved: Where from, float32 (batch, ...).
        x: Centers, shaped like it, within the bounds.
        eps: Radius.
        low: Smallest value of a pixel.
        high: Largest value of a pixel.

    Returns:
        Points shaped like `x`: no pixel goes further than it wanted to, or than the bounds let it, and all give up
        the same share of their way.
    """
    wish = ops.reshape(moved - x, (-1, math.prod(x.shape[1:])))
    place = ops.reshape(x, ops.shape(wish))
    size = ops.abs(wish)
    room = ops.where(wish > 0, high - place, place - low)

    def kept(share: Any) -> Any:
        return ops.minimum(ops.maximum(size - share, 0.0), room)

    few, many = ops.zeros_like(size[:, :1]), ops.max(size, axis=1, keepdims=True)
    for _ in range(_HALVINGS):
        half = (few + many) / 2
        over = ops.sum(kept(half), axis=1, keepdims=True) > eps
        few, many = ops.where(over, half, few), ops.where(over, many, half)
    # Between two bends the sum is linear in the share: one step of Newton's method ends what halving began.
    free = ops.cast(ops.logical_and(size > few, size - few < room), "float32")
    excess = (ops.sum(kept(few), axis=1, keepdims=True) - eps) / ops.maximum(ops.sum(free, axis=1, keepdims=True), 1.0)
    fits = ops.sum(kept(ops.zeros_like(few)), axis=1, keepdims=True) <= eps
    share = ops.where(fits, ops.zeros_like(few), ops.clip(few + excess, few, many))
    return x + ops.reshape(ops.sign(wish) * kept(share), ops.shape(x))
