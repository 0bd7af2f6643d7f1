"""Nearest points under two conditions at once: of a ball or a plane, and of the pixel bounds.

Bisection and Newton's method take the place of the sorts that the papers describe: the same points, and no sort.
"""

import math
from typing import Any

from keras import ops

from turtlenet import backend

__all__ = ["onto_l1", "onto_plane"]

_HALVINGS = 26
_MOST_BENDS = 100


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


def onto_plane(x: Any, normal: Any, gap: Any, *, norm: str, low: float, high: float) -> Any:
    """The shortest way from `x` to a plane within the bounds (Croce & Hein, 2020b, section 2.2 and appendix A).

    Args:
        x: Where from, float32 (batch, ...), within the bounds.
        normal: The plane's normal, shaped like `x`.
        gap: What the way times the normal has to be, (batch,).
        norm: What to measure the way in: `linf`, `l2` or `l1`.
        low: Smallest value of a pixel.
        high: Largest value of a pixel.

    Returns:
        Ways shaped like `x`; as far as the bounds let them where these keep the plane out of reach.
    """
    place = ops.reshape(x, (-1, math.prod(x.shape[1:])))
    slope = ops.reshape(normal, ops.shape(place))
    largest = ops.max(ops.abs(slope), axis=1, keepdims=True)
    scale = 1.0 / ops.maximum(largest, 1e-30)
    way = ops.sign(slope) * ops.sign(gap)[:, None]
    weight, wanted = ops.abs(slope) * scale, ops.abs(gap)[:, None] * scale
    room = ops.where(weight > 0, ops.where(way > 0, high - place, place - low), 0.0)
    size = _dearest(weight, room, wanted) if norm == "l1" else _filled(weight, room, wanted, norm)
    return ops.reshape(way * size, ops.shape(x))


def _filled(weight: Any, room: Any, wanted: Any, norm: str) -> Any:
    """How far each pixel goes, where all go as far, or as far as their weight, until they stand at their bound."""
    pace = ops.ones_like(weight) if norm == "linf" else weight

    def climb(_: Any, state: Any) -> Any:
        # The gain is concave and piecewise linear: Newton's method comes from the left, never goes too far, and ends.
        time, _ = state
        free = ops.cast(room > time * pace, "float32")
        rate = ops.sum(weight * pace * free, axis=1, keepdims=True)
        stopped = ops.sum(weight * room * (1 - free), axis=1, keepdims=True)
        # What is out of reach takes for ever: every pixel to its bound.
        later = ops.where(rate > 0, (wanted - stopped) / ops.maximum(rate, 1e-30), time)
        return ops.maximum(later, time), time

    none = ops.zeros_like(wanted)
    state = climb(0, (none, none))
    still = lambda state: ops.all(state[0] <= state[1] * (1 + 1e-6))  # noqa: E731
    (time, _) = backend.loop(_MOST_BENDS, climb, state, still)[1]
    return ops.minimum(time * pace, room)


def _dearest(weight: Any, room: Any, wanted: Any) -> Any:
    """How far each pixel goes, where those of the largest weight go to their bound before others move at all."""
    order = ops.argsort(-weight, axis=1)
    sorted_weight, sorted_room = (ops.take_along_axis(each, order, axis=1) for each in (weight, room))
    gain = sorted_weight * sorted_room
    left = wanted - (ops.cumsum(gain, axis=1) - gain)
    size = ops.clip(left / ops.maximum(sorted_weight, 1e-30), 0.0, sorted_room)
    return ops.take_along_axis(size, ops.argsort(order, axis=1), axis=1)
