"""DeepFool that comes back along the boundary's normal."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.decision_based.base import bisect
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls.base import column, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_LEAST = 1e-6


@attacks.register("super-deepfool")
@dataclass(frozen=True, kw_only=True)
class SuperDeepFool(MinimumNorm, Iterative, Attack):
    """SuperDeepFool (Abdolahpourrostam et al., 2024, Algorithm 2, SDF(inf, 1)), in `l2`.

    DeepFool's steps until the boundary is crossed; there the way from the input is projected onto the boundary's
    normal, which makes it perpendicular to the boundary as the shortest way is. This repeats until a projection
    itself ends beyond the boundary.

    Args:
        steps: Most steps, DeepFool's and projections together.
        overshoot: How far beyond a plane to go, as a fraction of the whole way.
        candidates: How many of the model's likeliest classes count, the label among them.
        halvings: Queries by which the way from the input is halved in the end, to come back to the boundary.
    """

    steps: int = count(60, low=1, high=MOST)
    overshoot: float = number(0.02, low=0)
    candidates: int = count(10, low=2, note="the label among them")

    halvings: int = count(10, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        model = context.model
        own = ops.one_hot(context.goal.y, model.num_classes, dtype="float32")
        others = ops.top_k(logits - 1e30 * own, min(self.candidates, model.num_classes) - 1)[1]
        # The way from the input, the planes, and whether a projection led to where it ends.
        return ops.zeros_like(context.x), ops.cast(others, "int32"), context.goal.y < 0

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, goal, ball = context.x, context.goal, context.ball
        total, others, projected = rest
        size = math.prod(x.shape[1:])
        # What the bounds cut off stays in the sum, as in DeepFool: else steps towards a bound lead nowhere.
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
        # Values at a bound that they would leave take no part in a step.
        direction = ball.steepest(slope, ops.repeat(point, planes, axis=0))
        rate = ops.sum(ops.reshape(slope * direction, (-1, planes, size)), axis=2)
        way = ops.abs(gap) / ops.maximum(rate, 1e-30)
        # Before the boundary the nearest plane; beyond it that of the class which leads now.
        chosen = ops.where(reached, ops.argmax(gap, axis=1), ops.argmin(way, axis=1))
        which = ops.one_hot(chosen, planes, dtype="float32")
        ahead, normal = (
            ops.sum(which[:, :, None] * ops.reshape(each, (-1, planes, size)), axis=1) for each in (direction, slope)
        )
        flatly = ops.sum(which * rate, axis=1) <= 0
        length = ops.where(flatly, 0.0, ops.maximum(ops.sum(which * way, axis=1), _LEAST))
        normal = normal / ops.maximum(ops.sqrt(ops.sum(ops.square(normal), axis=1, keepdims=True)), 1e-12)
        along = ops.sum(flat(point - x) * normal, axis=1, keepdims=True)
        back = along / (1 + self.overshoot) * normal
        step = ops.where(reached[:, None], back, flat(total) + length[:, None] * ahead)
        following = ops.reshape(step, ops.shape(x))
        over = ops.logical_or(ops.logical_and(reached, projected), flatly)
        return Tried(point, reached, over, (following, others, reached), gradients=planes)

    def finish(self, state: State, context: Context) -> SearchResult:
        found, x = super().finish(state, context), context.x

        def blend(share: Tensor) -> Tensor:
            return x + column(share, x) * (found.x - x)

        share = bisect(context.model, context.goal, blend, self.halvings)
        moved = ops.any(flat(found.x) != flat(x), axis=1)
        queries = found.queries + ops.where(moved, self.halvings, 0)
        return found._replace(x=choose(ops.logical_and(moved, share < 1), blend(share), found.x), queries=queries)
