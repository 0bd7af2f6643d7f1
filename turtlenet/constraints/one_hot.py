"""A constraint: features that are the categories of one column, of which one is 1."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from turtlenet.constraints.base import Constraint, constraints
from turtlenet.errors import SpecError
from turtlenet.typing import Tensor


@constraints.register("one-hot")
@dataclass(frozen=True, kw_only=True)
class OneHot(Constraint):
    """Features of which exactly one is 1 and all others are 0: the largest of those that may be 1 becomes it.

    A category can be left and entered only where both of its features may move by 1: the radius of each must be 1 or
    more.
    """

    def check_count(self, count: int) -> None:
        if count < 2:
            raise SpecError(f"Expected two features or more in constraint {self}; got {count}.")

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        # Where the category cannot be left, no other can be entered.
        left = ops.all(ops.logical_or(low <= 0, original < 0.5), axis=1, keepdims=True)
        free = ops.logical_and(left, ops.logical_or(high >= 1, original > 0.5))
        changes = ops.any(ops.logical_and(free, original < 0.5), axis=1, keepdims=True)
        may = ops.logical_and(free, changes)
        return ops.where(may, 0.0, original), ops.where(may, 1.0, original)

    def project(self, x: Tensor, original: Tensor, low: Tensor, high: Tensor) -> Tensor:
        # Of equal ones the category that there is stays.
        merit = ops.where(high > 0.5, x + 1e-6 * original, -1e30)
        return ops.one_hot(ops.argmax(merit, axis=1), x.shape[1], dtype="float32")

    def slope(self, gradient: Tensor) -> Tensor:
        # Only the best category rises: where several did, all would end at 1, and none would be the largest.
        return gradient - ops.mean(ops.top_k(gradient, 2)[0], axis=1, keepdims=True)

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        binary = ((x == 0) | (x == 1)).all(axis=1)
        one: np.ndarray = binary & (x.sum(axis=1) == 1)
        return one

    def broken(self, values: np.ndarray) -> list[int]:
        return np.flatnonzero((values != 0) & (values != 1))[:1].tolist()
