"""A ball that shrinks and grows around the boundary."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import attacks
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Record, check_counts, check_positive
from turtlenet.balls import L2, Ball
from turtlenet.classifier import Classifier

__all__ = ["FMN"]


@attacks.register("fmn")
@dataclass(frozen=True, kw_only=True)
class FMN(MinimumNorm):
    """The fast minimum-norm attack (Pintor et al., 2021, Algorithm 1).

    Args:
        steps: Number of gradient steps.
        step_size: Euclidean length of the first step, in pixels of [0, 1]; falls to a hundredth along a cosine.
        gamma: By which factor the radius changes in the first step; falls to a hundredth along a cosine.
    """

    steps: int = 100
    step_size: float = 1.0
    gamma: float = 0.05

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1", "l0")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "steps")
        check_positive(self, "step_size")
        check_positive(self, "gamma", below=1.0)

    @property
    def length(self) -> int:
        # The last step is looked at too.
        return self.steps + 1

    def prepare(self, model: Classifier, x: Any, logits: Any, goal: Goal, *, ball: Ball, key: Any) -> tuple[Any, ...]:
        zero = ops.zeros_like(logits[:, 0])
        return x, zero + (1.0 if ball.norm == "l0" else float("inf"))

    def step(
        self,
        number: Any,
        record: Record,
        rest: tuple[Any, ...],
        model: Classifier,
        x: Any,
        goal: Goal,
        *,
        ball: Ball,
        key: Any,
    ) -> tuple[Record, tuple[Any, ...]]:
        point, radius = rest

        def look(point: Any) -> tuple[Any, Any]:
            logits = model(point)
            return goal.loss("margin", logits), goal.reached(logits)

        gap, reached, slope = backend.input_gradient(look, point)
        record = record.noted(point, reached, self.measure(point, x, ball)).spent(1)
        wave = 0.01 + 0.99 * (0.5 + 0.5 * ops.cos(math.pi * ops.cast(number, "float32") / self.steps))
        radius = self._radius(radius, self.gamma * wave, record, reached, ops.abs(gap), slope, point, x, ball)
        moved = point + self.step_size * ball.full * wave * L2(0.0).steepest(slope, point)
        # A radius for each example: pixels in a row, so that a column of radii fits every norm.
        flat = (-1, math.prod(x.shape[1:]))
        own = ball.with_eps(ops.minimum(radius, ball.widest(tuple(x.shape[1:])))[:, None])
        return record, (ops.reshape(own.project(ops.reshape(moved, flat), ops.reshape(x, flat)), ops.shape(x)), radius)

    def _radius(
        self,
        radius: Any,
        gamma: Any,
        record: Record,
        reached: Any,
        gap: Any,
        slope: Any,
        point: Any,
        x: Any,
        ball: Ball,
    ) -> Any:
        """The next radius: below the smallest success, or as far as the boundary seems to be until there is one."""
        less, more = radius * (1 - gamma), radius * (1 + gamma)
        if ball.norm == "l0":
            less, more = ops.minimum(radius - 1, ops.floor(less)), ops.maximum(radius + 1, ops.floor(more))
            return ops.where(reached, ops.minimum(less, record.distance), more)
        dual = {"linf": 1, "l2": 2, "l1": float("inf")}[ball.norm]
        steepness = ops.norm(ops.reshape(slope, (-1, math.prod(x.shape[1:]))), ord=dual, axis=1)
        guess = ball.distance(point, x) + gap / ops.maximum(steepness, 1e-12)
        missed = ops.where(ops.isfinite(record.distance), more, guess)
        return ops.where(reached, ops.minimum(less, record.distance), missed)
