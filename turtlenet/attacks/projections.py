"""Nearest points under two conditions at once: of a ball or a plane, and of the pixel bounds.

Newton's method takes the place of most sorts that the papers describe: the same points, for less.
"""

import math

from keras import ops

from turtlenet import backend
from turtlenet.typing import State, Tensor

_MOST_NARROWINGS = 50
_NEAR = 1e-6
_MOST_BENDS = 100
# Fewer pixels than this part of all are selected by `top_k`, which costs less than a sort.
_FEW = 16


def onto_l1(point: Tensor, x: Tensor, eps: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The nearest point within `eps` of `x` in L1 and within the bounds (Croce & Hein, 2021, proposition 2.1).

    Args:
        point: Where from, float32 (batch, ...).
        x: Centers, shaped like it, within the bounds.
        eps: Radius.
        low: Smallest value of a pixel, or of each, (values,).
        high: Largest value of a pixel, likewise.

    Returns:
        Points shaped like `x`: no pixel goes further than it wanted to, or than the bounds let it, and all that
        can give up the same amount of their way.
    """
    wish = ops.reshape(point - x, (-1, math.prod(x.shape[1:])))
    place = ops.reshape(x, ops.shape(wish))
    size = ops.abs(wish)
    room = ops.where(wish > 0, high - place, place - low)

    def narrow(_: Tensor, state: State) -> Tensor:
        # Between two bends the sum is linear in the share: Newton's method ends there, halving keeps it on its way.
        share, few, many, _ = state
        rest = size - share
        over = ops.sum(ops.clip(rest, 0.0, room), axis=1, keepdims=True) - eps
        free = ops.logical_and(rest > 0, rest < room)
        count = ops.sum(ops.cast(free, "float32"), axis=1, keepdims=True)
        few, many = ops.where(over > 0, share, few), ops.where(over > 0, many, share)
        near = ops.logical_or(ops.abs(over) <= _NEAR * eps, ops.logical_and(share <= 0, over <= 0))
        ahead = share + over / ops.maximum(count, 1.0)
        safe = ops.logical_and(count > 0, ops.logical_and(ahead > few, ahead < many))
        return ops.where(near, share, ops.where(safe, ahead, (few + many) / 2)), few, many, near

    none = ops.zeros_like(size[:, :1])
    state = none, none, ops.max(size, axis=1, keepdims=True), none > 0
    share = backend.loop(_MOST_NARROWINGS, narrow, state, lambda state: ops.all(state[3]))[1][0]
    return x + ops.reshape(ops.sign(wish) * ops.clip(size - share, 0.0, room), ops.shape(x))


def onto_plane(x: Tensor, normal: Tensor, gap: Tensor, *, norm: str, low: Tensor, high: Tensor) -> Tensor:
    """The shortest way from `x` to a plane within the bounds (Croce & Hein, 2020b, section 2.2 and appendix A).

    Args:
        x: Where from, float32 (batch, ...), within the bounds.
        normal: The plane's normal, shaped like `x`.
        gap: What the way times the normal has to be, (batch,).
        norm: What to measure the way in: `linf`, `l2` or `l1`.
        low: Smallest value of a pixel, or of each, (values,).
        high: Largest value of a pixel, likewise.

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


def _filled(weight: Tensor, room: Tensor, wanted: Tensor, norm: str) -> Tensor:
    """How far each pixel goes, where all go as far, or as far as their weight, until they stand at their bound."""
    pace = 1.0 if norm == "linf" else weight
    rates = weight * pace

    def climb(_: Tensor, state: State) -> Tensor:
        # The gain is concave and piecewise linear: Newton's method comes from the left, never goes too far, and ends.
        time, _ = state
        went = time * pace
        rate = ops.sum(ops.where(room > went, rates, 0.0), axis=1, keepdims=True)
        gained = ops.sum(weight * ops.minimum(went, room), axis=1, keepdims=True)
        # If no time is enough, every pixel goes to its bound.
        later = ops.where(rate > 0, time + (wanted - gained) / ops.maximum(rate, 1e-30), time)
        return ops.maximum(later, time), time

    none = ops.zeros_like(wanted)
    state = climb(0, (none, none))
    still = lambda state: ops.all(state[0] <= state[1] * (1 + 1e-6))  # noqa: E731
    (time, _) = backend.loop(_MOST_BENDS, climb, state, still)[1]
    return ops.minimum(time * pace, room)


def _dearest(weight: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """How far each pixel goes, where those of the largest weight go to their bound before others move at all."""
    size = weight.shape[1]
    few = max(size // _FEW, 1)
    dearest, places = ops.top_k(weight, few)
    enough = ops.all(ops.sum(dearest * ops.take_along_axis(room, places, axis=1), axis=1, keepdims=True) >= wanted)
    # A whole sort would cost as much as a small model's gradient.
    last = ops.cond(enough, lambda: _last(weight, room, wanted, few), lambda: _last(weight, room, wanted, size))
    gain = weight * room
    rest = wanted - ops.sum(ops.where(weight > last, gain, 0.0), axis=1, keepdims=True)
    there = ops.sum(ops.where(weight == last, gain, 0.0), axis=1, keepdims=True)
    share = ops.clip(rest / ops.maximum(there, 1e-30), 0.0, 1.0)
    return room * ops.where(weight > last, 1.0, ops.where(weight == last, share, 0.0))


def _last(weight: Tensor, room: Tensor, wanted: Tensor, most: int) -> Tensor:
    """The smallest weight that is needed, (batch, 1), if the `most` largest are enough."""
    dearest, places = ops.top_k(weight, most)
    gain = dearest * ops.take_along_axis(room, places, axis=1)
    needed = ops.sum(ops.cast(ops.cumsum(gain, axis=1) - gain < wanted, "int32"), axis=1, keepdims=True)
    return ops.take_along_axis(dearest, ops.maximum(needed - 1, 0), axis=1)
