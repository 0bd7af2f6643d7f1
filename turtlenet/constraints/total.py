"""A constraint: features whose sum stays."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from turtlenet.constraints.base import Constraint, constraints
from turtlenet.errors import SpecError
from turtlenet.typing import Tensor

_NEAR = 1e-6


@constraints.register("sum")
@dataclass(frozen=True, kw_only=True)
class Total(Constraint):
    """Features whose sum stays that of the input, such as shares of a budget.

    The sum of reals holds to a millionth of the sum of their magnitudes, as float32 does not add up exactly; that of
    whole numbers exactly.

    Args:
        whole: Whether the features are whole numbers, and stay such.
    """

    whole: bool = False

    def check_count(self, count: int) -> None:
        if count < 2:
            raise SpecError(f"Expected two features or more in constraint {self}; got {count}.")

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        if not self.whole:
            return low, high
        return ops.minimum(ops.ceil(low), original), ops.maximum(ops.floor(high), original)

    def project(self, x: Tensor, original: Tensor, low: Tensor, high: Tensor) -> Tensor:
        # In moves from the original, whose sum is 0: no digit is lost to the size of the values.
        move, least, most = x - original, low - original, high - original
        move = ops.clip(move - ops.mean(move, axis=1, keepdims=True), least, most)
        # What the limits cut off is taken from all others in the share of the way that they have left.
        rest = -ops.sum(move, axis=1, keepdims=True)
        way = ops.where(rest > 0, most - move, move - least)
        share = rest / ops.maximum(ops.sum(way, axis=1, keepdims=True), 1e-30)
        move = ops.clip(move + share * way, least, most)
        return original + (_rounded(move, least, most) if self.whole else move)

    def slope(self, gradient: Tensor) -> Tensor:
        # What all features have in common would change the sum.
        return gradient - ops.mean(gradient, axis=1, keepdims=True)

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        off = np.abs(x.sum(axis=1) - original.sum(axis=1))
        if self.whole:
            whole: np.ndarray = (off == 0) & (x == np.rint(x)).all(axis=1)
            return whole
        near: np.ndarray = off <= _NEAR * np.maximum(np.abs(x).sum(axis=1), np.abs(original).sum(axis=1))
        return near

    def broken(self, values: np.ndarray) -> list[int]:
        return np.flatnonzero(values != np.rint(values))[:1].tolist() if self.whole else []


def _rounded(move: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """Whole moves whose sum is 0: all down, then those with the largest fractions up again (largest remainders)."""
    # A move that rounding left just below a whole number is that number.
    down = ops.clip(ops.floor(move + 1e-3), least, most)
    left = -ops.sum(down, axis=1, keepdims=True)
    up = ops.where(left > 0, most - down >= 1, down - least >= 1)
    merit = ops.where(up, ops.where(left > 0, move - down, down - move), -1e30)
    rank = ops.cast(ops.argsort(ops.argsort(-merit, axis=1), axis=1), "float32")
    unit = ops.logical_and(up, rank < ops.abs(left))
    return down + ops.sign(left) * ops.cast(unit, "float32")
