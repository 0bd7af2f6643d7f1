"""Steps to the nearest of the planes that the model's decision boundaries look like."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

# A point that rounding leaves on the plane must still go beyond it.
_LEAST_GAP = 1e-6


@attacks.register("deepfool")
@dataclass(frozen=True, kw_only=True)
class DeepFool(MinimumNorm, Iterative, Attack):
    """DeepFool (Moosavi-Dezfooli et al., 2016, Algorithm 2; section 3.3 for Linf).

    One forward pass serves the gradients of all candidates. Towards a target there is one plane: between it and the
    best of the other classes.

    Args:
        steps: Most steps.
        overshoot: How far to go beyond the plane, as a fraction of the way.
        candidates: How many of the model's likeliest classes count, the label among them.
    """

    steps: int = count(50, low=1, high=MOST)
    overshoot: float = number(0.02, low=0)
    candidates: int = count(10, low=2, note="the label among them")

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        model = context.model
        own = ops.one_hot(context.goal.y, model.num_classes, dtype="float32")
        others = ops.top_k(logits - 1e30 * own, min(self.candidates, model.num_classes) - 1)[1]
        return ops.zeros_like(context.x), ops.cast(others, "int32")

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, goal, ball = context.x, context.goal, context.ball
        total, others = rest
        size = math.prod(x.shape[1:])
        point = ball.inside(x + (1 + self.overshoot) * total)

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            if goal.target is not None:
                return goal.loss("margin", logits)[:, None], goal.reached(logits)
            own = ops.take_along_axis(logits, goal.y[:, None], axis=1)
            return ops.take_along_axis(logits, others, axis=1) - own, goal.reached(logits)

        gap, reached, slope = backend.input_gradients(look, point)
        planes = gap.shape[1]
        slope = ops.reshape(slope, (-1, *x.shape[1:]))
        direction = ball.steepest(slope, ops.repeat(point, planes, axis=0))
        rate = ops.sum(ops.reshape(slope * direction, (-1, planes, size)), axis=2)
        way = ops.maximum(ops.abs(gap), _LEAST_GAP) / ops.maximum(rate, 1e-30)
        nearest = ops.one_hot(ops.argmin(way, axis=1), planes, dtype="float32")
        directions = ops.reshape(direction, (-1, planes, size))
        # A gradient of 0 leads nowhere: no step.
        length = ops.sum(nearest * ops.where(rate > 0, way, ops.zeros_like(way)), axis=1)
        move = ops.reshape(ops.sum(nearest[:, :, None] * directions, axis=1), ops.shape(x))
        rest = (choose(reached, total, total + column(length, x) * move), others)
        return Tried(point, reached, ops.logical_or(reached, length <= 0), rest, gradients=planes)
