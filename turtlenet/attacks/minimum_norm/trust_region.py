"""Short steps towards the nearest class, each as long as the model is near to linear."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.gradient_based.nearest import nearest_first
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_OVERSHOOT, _AHEAD = 1.02, 1e-4


@attacks.register("trust-region")
@dataclass(frozen=True, kw_only=True)
class TrustRegion(MinimumNorm, Iterative, Attack):
    """The trust region attack (Yao et al., 2019, Algorithm 1), in `l2` or `linf`.

    It goes for the class whose plane is nearest at the input, in steps that end at that plane or at the edge of a
    trusted radius, whichever comes first. With `growth` above 1 the radius is that times as large after a step in
    which the margin moved as the linear model says (at least 0.9 of it), and as much smaller where it moved by less
    than half.

    Args:
        steps: Most steps.
        radius: The first radius, in pixels of [0, 1].
        growth: By which factor the radius changes; 1 leaves it.
        candidates: How many of the model's likeliest wrong classes count.
    """

    steps: int = count(200, low=1, high=MOST)
    radius: float = number(0.02, above=0)
    growth: float = number(1.2, low=1)
    candidates: int = count(9, low=1)

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        classes = nearest_first(context, self.candidates)[:, 0]
        far = ops.zeros_like(logits[:, 0])
        return context.x, classes, far + self.radius * context.ball.full, far, far

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball, goal = context.x, context.ball, context.goal
        point, classes, radius, before, promised = rest
        aim = Goal(goal.y, classes) if goal.target is None else goal

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            own = ops.take_along_axis(logits, goal.y[:, None], axis=1)[:, 0]
            return ops.take_along_axis(logits, aim.target[:, None], axis=1)[:, 0] - own, goal.reached(logits)

        gap, reached, slope = backend.input_gradient(look, point)
        if self.growth > 1:
            kept = (gap - before) / ops.maximum(promised, 1e-30)
            factor = ops.where(kept > 0.9, self.growth, ops.where(kept < 0.5, 1 / self.growth, ops.ones_like(kept)))
            radius = ops.where(promised > 0, radius * factor, radius)
        direction = ball.steepest(slope, point)
        rate = ops.sum(ops.reshape(slope * direction, (-1, math.prod(x.shape[1:]))), axis=1)
        # Towards a target another class than the label may be in the way: the gap is closed, and there is still more.
        wanted = ops.abs(gap) / ops.maximum(rate, 1e-30)
        length = _OVERSHOOT * (ops.minimum(wanted, radius) + _AHEAD * ball.full)
        following = ball.inside(point + column(length, x) * direction)
        over = ops.logical_or(reached, rate <= 0)
        return Tried(point, reached, over, (following, classes, radius, gap, length * rate))
