"""A constraint: features that are whole numbers."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from turtlenet.constraints.base import Constraint, constraints
from turtlenet.typing import Tensor


@constraints.register("integer")
@dataclass(frozen=True, kw_only=True)
class Integer(Constraint):
    """Features that are whole numbers, such as counts: each goes to the nearest one within its limits."""

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        # The original lies between them, whatever rounding did.
        return ops.minimum(ops.ceil(low), original), ops.maximum(ops.floor(high), original)

    def project(self, x: Tensor, original: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return ops.clip(ops.round(x), low, high)

    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        whole: np.ndarray = (x == np.rint(x)).all(axis=1)
        return whole

    def broken(self, values: np.ndarray) -> list[int]:
        return np.flatnonzero(values != np.rint(values))[:1].tolist()
