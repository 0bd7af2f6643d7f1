"""The ball of Euclidean length."""

import math

from keras import ops

from turtlenet import random
from turtlenet.balls.base import Ball, column, euclidean, flat, register
from turtlenet.typing import Keys, Tensor


@register("2")
class L2(Ball):
    """The Euclidean length of the perturbation is at most `eps`."""

    norm = "l2"
    order = 2
    usual = (2.0, 0.5)

    def span(self, size: int) -> float:
        return math.sqrt(size)

    def _shrink(self, delta: Tensor) -> Tensor:
        length = column(euclidean(delta), delta)
        return delta * ops.minimum(1.0, self.eps / ops.maximum(length, 1e-12))

    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        # Divided by its largest value first: squares of a saturated model's gradients would underflow to 0.
        largest = ops.max(ops.abs(flat(gradient)), axis=1)
        scaled = gradient / column(ops.where(largest > 0, largest, ops.ones_like(largest)), gradient)
        return scaled / column(ops.maximum(euclidean(scaled), 1e-12), gradient)

    def sample(self, x: Tensor, key: Keys) -> Tensor:
        size = math.prod(x.shape[1:])
        direction = random.normal(random.fold_in(key, 0), x.shape[1:])
        radius = random.uniform(random.fold_in(key, 1), ()) ** (1.0 / size)
        unit = direction / column(euclidean(direction), direction)
        return self.inside(x + self.eps * column(radius, x) * unit)

    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        return euclidean(point - x)
