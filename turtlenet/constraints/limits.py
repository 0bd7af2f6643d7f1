"""Constraints that only narrow where a feature may lie: it stays, or moves in one direction."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from keras import ops

from turtlenet.constraints.base import Constraint, constraints
from turtlenet.typing import Tensor


@constraints.register("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed(Constraint):
    """Features that stay as they are."""

    fixes: ClassVar[bool] = True
    scale_free: ClassVar[bool] = True

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        return original, original

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        return np.all(x == original, axis=1)


@constraints.register("grow")
@dataclass(frozen=True, kw_only=True)
class Grow(Constraint):
    """Features that may only grow, such as bytes that are added to a file."""

    scale_free: ClassVar[bool] = True

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        return ops.maximum(low, original), high

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        return np.all(x >= original, axis=1)


@constraints.register("fall")
@dataclass(frozen=True, kw_only=True)
class Fall(Constraint):
    """Features that may only fall."""

    scale_free: ClassVar[bool] = True

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        return low, ops.minimum(high, original)

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        return np.all(x <= original, axis=1)
