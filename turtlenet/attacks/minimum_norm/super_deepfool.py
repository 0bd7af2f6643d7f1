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

_LEAST = 1e-12


@attacks.register("super-deepfool")
@dataclass(frozen=True, kw_only=True)
class SuperDeepFool(MinimumNorm, Iterative, Attack):
    """SuperDeepFool (Abdolahpourrostam et al., 2024, Algorithm 2, SDF(inf, 1)), in `l2`.

    DeepFool's steps until the boundary is crossed; there the way from the input is projected onto the boundary's
    normal, which makes it perpendicular to the boundary as the shortest way is. This repeats until a projection
    itself ends beyond the boundary.

    Args:
        steps: Most steps, DeepFool's and projections together.
        overshoot: How far beyond a plane to go, as a fraction of the way.
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
        point = ball.inside(x + total)

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            if goal.target is not None:
                return goal.loss("margin", logits)[:, None], goal.reached(logits)
            own = ops.take_along_axis(logits, goal.y[:, None], axis=1)
            return ops.take_along_axis(logits, others, axis=1) - own, goal.reached(logits)

        gap, reached, slope = backend.input_gradients(look, point)
        planes = gap.shape[1]
        slopes = ops.reshape(slope, (-1, planes, size))
        steepness = ops.maximum(ops.sqrt(ops.sum(ops.square(slopes), axis=2)), _LEAST)
        way = ops.abs(gap) / steepness
        # Before the boundary the nearest plane; beyond it that of the class which leads now.
        chosen = ops.where(reached, ops.argmax(gap, axis=1), ops.argmin(way, axis=1))
        which = ops.one_hot(chosen, planes, dtype="float32")
        normal = ops.sum((which / steepness)[:, :, None] * slopes, axis=1)
        length = (1 + self.overshoot) * ops.sum(which * way, axis=1) + _LEAST
        along = ops.sum(flat(point - x) * normal, axis=1)
        normal = ops.reshape(normal, ops.shape(x))
        following = choose(reached, column(along, x) * normal, total + column(length, x) * normal)
        flatly = ops.sum(which * steepness, axis=1) <= _LEAST
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
