"""The attack of Carlini & Wagner for L0."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.minimum_norm.shrinking_bound import Iterate, ShrinkingBound
from turtlenet.ranges import number
from turtlenet.typing import Tensor

# Of nn_robust_attacks: which change counts as one, which as useful, and how many values are fixed at once.
_MOVED = 1e-4
_USEFUL = 0.01
_SHARE = 0.3


@attacks.register("cw-l0")
@dataclass(frozen=True, kw_only=True)
class CWL0(ShrinkingBound):
    """The L0 attack of Carlini & Wagner (2017, section V-B): the L2 attack, at whose successes the values that are of
    least use are fixed to the input's, until there is no success any more.

    A value's use is its move times the loss's slope there. Values are single channels.
    """

    largest_c: float = number(2e6)

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def widest(self, x: Tensor) -> Tensor:
        return ops.ones_like(x)

    def change(self, unit: Tensor, original: Tensor, limit: Tensor) -> Tensor:
        return ops.where(limit > 0, unit - original, ops.zeros_like(unit))

    def penalty(self, delta: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        return ops.sum(ops.square(delta), axis=tuple(range(1, len(delta.shape)))), 2 * delta

    def tighten(self, iterate: Iterate, limit: Tensor) -> tuple[Tensor, Tensor]:
        flat = (-1, math.prod(limit.shape[1:]))
        delta, slope, free = (ops.reshape(part, flat) for part in (iterate.delta, iterate.slope, limit))
        moving = ops.logical_and(free > 0, ops.abs(delta) >= _MOVED)
        use = ops.where(moving, ops.abs(delta * slope), float("inf"))
        rank = ops.cast(ops.argsort(ops.argsort(use, axis=1), axis=1), "float32")
        count = ops.sum(ops.cast(moving, "float32"), axis=1, keepdims=True)
        useless = ops.logical_and(use <= _USEFUL, rank < _SHARE * ops.sqrt(count))
        fixed = ops.logical_or(ops.logical_not(moving), ops.logical_or(useless, ops.equal(rank, 0)))
        left = ops.where(fixed, ops.zeros_like(free), free)
        return ops.reshape(left, ops.shape(limit)), ops.sum(left, axis=1) <= 0
