"""A ball that shrinks and grows around the boundary."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls import L2
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor


@attacks.register("fmn")
@dataclass(frozen=True, kw_only=True)
class FMN(MinimumNorm, Iterative, Attack):
    """The fast minimum-norm attack (Pintor et al., 2021, Algorithm 1).

    Args:
        steps: Number of gradient steps.
        step_size: Euclidean length of the first step, in pixels of [0, 1]; falls to a hundredth along a cosine.
        gamma: By which factor the radius changes in the first step; falls to a hundredth along a cosine.
    """

    steps: int = count(100, low=1, high=MOST)
    step_size: float = number(1.0, above=0)
    gamma: float = number(0.05, above=0, below=1)

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1", "l0")

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        zero = ops.zeros_like(logits[:, 0])
        # The point, the radius, and the distance of the nearest success so far.
        return context.x, zero + (1.0 if context.ball.norm == "l0" else float("inf")), zero + float("inf")

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        point, radius, nearest = rest
        gap, reached, slope = context.gradient("margin", point)
        distance = ball.distance(point, x)
        nearest = ops.where(reached, ops.minimum(distance, nearest), nearest)
        wave = 0.01 + 0.99 * (0.5 + 0.5 * ops.cos(math.pi * ops.cast(number, "float32") / self.steps))
        less, more = radius * (1 - self.gamma * wave), radius * (1 + self.gamma * wave)
        if ball.norm == "l0":
            less, more = ops.minimum(radius - 1, ops.floor(less)), ops.maximum(radius + 1, ops.floor(more))
        else:
            # Before the first success: the distance to the boundary of the linearized model.
            more = ops.where(ops.isfinite(nearest), more, distance + ops.abs(gap) / _steepness(slope, ball.norm))
        radius = ops.where(reached, ops.minimum(less, nearest), more)
        ahead = point + self.step_size * ball.full * wave * L2(0.0).steepest(slope, point)
        # A radius for each example: pixels in a row, so that a column of radii fits every norm.
        flat = (-1, math.prod(x.shape[1:]))
        own = ball.with_eps(ops.minimum(radius, ball.widest(tuple(x.shape[1:])))[:, None])
        following = own.project(ops.reshape(ahead, flat), ops.reshape(x, flat))
        return Tried(point, reached, False, (ops.reshape(following, ops.shape(x)), radius, nearest))


def _steepness(slope: Tensor, norm: str) -> Tensor:
    """The length of a gradient in the dual norm: by how much a step of length 1 can change the loss, (batch,)."""
    dual = {"linf": 1, "l2": 2, "l1": float("inf")}[norm]
    flat = ops.reshape(slope, (-1, math.prod(slope.shape[1:])))
    return ops.maximum(ops.norm(flat, ord=dual, axis=1), 1e-12)
