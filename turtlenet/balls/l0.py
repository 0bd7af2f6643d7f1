"""The ball of the number of values that change."""

import math

from keras import ops

from turtlenet import random
from turtlenet.balls.base import Ball, flat, register
from turtlenet.typing import Keys, Shape, Tensor


@register("0")
class L0(Ball):
    """At most `eps` values of an image change, each by any amount within the bounds."""

    norm = "l0"
    order = 0
    climbs = False

    def per_pixel(self, shape: Shape) -> float:
        return float(self.eps) / math.prod(shape)

    def span(self, size: int) -> float:
        return float(size)

    def _shrink(self, delta: Tensor) -> Tensor:
        return delta * ops.cast(_largest(delta, self.eps), "float32")

    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        return ops.sign(gradient) * ops.cast(_largest(gradient, self.eps), "float32") * self.full

    def sample(self, x: Tensor, key: Keys) -> Tensor:
        places = _largest(random.uniform(random.fold_in(key, 0), x.shape[1:]), self.eps)
        values = random.uniform(random.fold_in(key, 1), x.shape[1:], self.low, self.high)
        return ops.where(places, values, x)

    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        return ops.sum(ops.cast(flat(point) != flat(x), "float32"), axis=1)


def _largest(values: Tensor, count: Tensor) -> Tensor:
    """Marks the `count` largest magnitudes of each example; ties go to the earlier place."""
    magnitude = ops.abs(flat(values))
    order = ops.argsort(-magnitude, axis=1)
    rank = ops.cast(ops.argsort(order, axis=1), "float32")
    return ops.reshape(rank < ops.floor(ops.cast(count, "float32")), ops.shape(values))
