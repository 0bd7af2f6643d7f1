"""The ball of the largest change of any pixel."""

import math
from typing import Any

from keras import ops

from turtlenet import random
from turtlenet.balls.base import Ball, flat, register

__all__ = ["Linf"]


@register("inf")
class Linf(Ball):
    """No pixel moves by more than `eps`."""

    norm = "linf"
    order = math.inf
    usual = (0.3, 8 / 255)

    def span(self, size: int) -> float:
        return 1.0

    def project(self, moved: Any, x: Any) -> Any:
        return self.inside(ops.clip(moved, x - self.eps, x + self.eps))

    def _shrink(self, delta: Any) -> Any:
        return ops.clip(delta, -self.eps, self.eps)

    def steepest(self, gradient: Any, at: Any) -> Any:
        return ops.sign(gradient)

    def sample(self, x: Any, key: Any) -> Any:
        return self.inside(x + self.eps * random.uniform(key, x.shape[1:], -1.0, 1.0))

    def distance(self, moved: Any, x: Any) -> Any:
        return ops.max(ops.abs(flat(moved - x)), axis=1)
