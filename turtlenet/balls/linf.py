"""The ball of the largest change of any pixel."""

import math

from keras import ops

from turtlenet import random
from turtlenet.balls.base import Ball, flat, register
from turtlenet.typing import Keys, Tensor


@register("inf")
class Linf(Ball):
    """No pixel moves by more than `eps`."""

    norm = "linf"
    order = math.inf
    usual = (0.3, 8 / 255)

    def span(self, size: int) -> float:
        return 1.0

    def project(self, point: Tensor, x: Tensor) -> Tensor:
        return self.inside(ops.clip(point, x - self.eps, x + self.eps))

    def _shrink(self, delta: Tensor) -> Tensor:
        return ops.clip(delta, -self.eps, self.eps)

    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        return ops.sign(gradient)

    def sample(self, x: Tensor, key: Keys) -> Tensor:
        return self.inside(x + self.eps * random.uniform(key, x.shape[1:], -1.0, 1.0))

    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        return ops.max(ops.abs(flat(point - x)), axis=1)
