"""DeepFool that comes back along the boundary's normal."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.decision_based.base import bisect
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Planes, Tried, likeliest_others
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

    def attempt_gradients(self, num_classes: int) -> int:
        return self.steps * (1 if self.targeted else min(self.candidates, num_classes) - 1)

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        # The way from the input, the planes, and whether a projection led to where it ends.
        return ops.zeros_like(context.x), likeliest_others(context, logits, self.candidates), context.goal.y < 0

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x = context.x
        total, others, projected = rest
        # What the bounds cut off stays in the sum, as in DeepFool: else steps towards a bound lead nowhere.
        point = context.ball.inside(x + (1 + self.overshoot) * total)
        gap, reached, slope, direction, rate = Planes.at(point, others, context)
        way = ops.abs(gap) / ops.maximum(rate, 1e-30)
        # Before the boundary the nearest plane; beyond it that of the class which leads now.
        chosen = ops.where(reached, ops.argmax(gap, axis=1), ops.argmin(way, axis=1))
        which = ops.one_hot(chosen, gap.shape[1], dtype="float32")
        ahead, normal = (ops.sum(which[:, :, None] * each, axis=1) for each in (direction, slope))
        flatly = ops.sum(which * rate, axis=1) <= 0
        length = ops.where(flatly, 0.0, ops.maximum(ops.sum(which * way, axis=1), _LEAST))
        normal = normal / ops.maximum(ops.sqrt(ops.sum(ops.square(normal), axis=1, keepdims=True)), 1e-12)
        along = ops.sum(flat(point - x) * normal, axis=1, keepdims=True)
        back = along / (1 + self.overshoot) * normal
        step = ops.where(reached[:, None], back, flat(total) + length[:, None] * ahead)
        following = ops.reshape(step, ops.shape(x))
        over = ops.logical_or(ops.logical_and(reached, projected), flatly)
        return Tried(point, reached, over, (following, others, reached), gradients=gap.shape[1])

    def finish(self, state: State, context: Context) -> SearchResult:
        found, x = super().finish(state, context), context.x

        def blend(share: Tensor) -> Tensor:
            return x + column(share, x) * (found.x - x)

        share = bisect(context.model, context.goal, blend, self.halvings)
        moved = ops.any(flat(found.x) != flat(x), axis=1)
        queries = found.queries + ops.where(moved, self.halvings, 0)
        return found._replace(x=choose(ops.logical_and(moved, share < 1), blend(share), found.x), queries=queries)
