"""The ball of the sum of all changes."""

import math
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.balls.base import Ball, flat, register
from turtlenet.typing import Keys, Tensor


@register("1")
class L1(Ball):
    """The absolute changes of all pixels sum to at most `eps`.

    Args:
        share: Share of the pixels that one step moves (Tramèr & Boneh, 2019, sparse L1 descent): the single steepest
            pixel would be exact for a linear model and far too slow for any other.
    """

    norm = "l1"
    order = 1
    usual = (10.0, 12.0)
    share: ClassVar[float] = 0.01

    def span(self, size: int) -> float:
        return float(size)

    def _shrink(self, delta: Tensor) -> Tensor:
        """Soft-thresholds onto the ball (Duchi et al., 2008, Figure 1)."""
        size = flat(delta)
        magnitude = ops.abs(size)
        ordered = ops.flip(ops.sort(magnitude, axis=1), axis=1)
        rank = ops.cast(ops.arange(1, ordered.shape[1] + 1), "float32")
        excess = (ops.cumsum(ordered, axis=1) - self.eps) / rank
        threshold = ops.max(excess, axis=1, keepdims=True)
        # The largest of these quotients is the threshold of the paper: each is a lower bound that rho attains.
        shrunk = ops.sign(size) * ops.maximum(magnitude - ops.maximum(threshold, 0.0), 0.0)
        # Float32 sums of many pixels are not exact: what is left over is scaled away.
        total = ops.sum(ops.abs(shrunk), axis=1, keepdims=True)
        return ops.reshape(shrunk * ops.minimum(1.0, self.eps / ops.maximum(total, 1e-12)), ops.shape(delta))

    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        slope = flat(gradient)
        # A pixel at its bound that would leave it cannot move: the step goes to those that can.
        slope = ops.where(self.stuck(slope, flat(at)), ops.zeros_like(slope), slope)
        magnitude = ops.abs(slope)
        count = max(1, int(self.share * magnitude.shape[1]))
        weakest = ops.top_k(magnitude, count)[0][:, -1:]
        chosen = ops.cast(ops.logical_and(magnitude >= weakest, magnitude > 0), "float32") * ops.sign(slope)
        step = chosen / ops.maximum(ops.sum(ops.abs(chosen), axis=1, keepdims=True), 1.0)
        return ops.reshape(step, ops.shape(gradient))

    def sample(self, x: Tensor, key: Keys) -> Tensor:
        """Uniform in the ball: exponential magnitudes over their sum and one more (Barthe et al., 2005)."""
        size = math.prod(x.shape[1:])
        exponential = -ops.log(1.0 - random.uniform(random.fold_in(key, 0), (size + 1,)))
        share = exponential[:, :-1] / ops.sum(exponential, axis=1, keepdims=True)
        signed = share * random.rademacher(random.fold_in(key, 1), (size,))
        return self.inside(x + self.eps * ops.reshape(signed, ops.shape(x)))

    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        return ops.sum(ops.abs(flat(point - x)), axis=1)
