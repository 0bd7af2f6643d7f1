"""Steps to the nearest of the planes that the model's decision boundaries look like."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Planes, Tried, likeliest_others
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

    def attempt_gradients(self, num_classes: int) -> int:
        return self.steps * (1 if self.target not in ("", "none") else min(self.candidates, num_classes) - 1)

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        return ops.zeros_like(context.x), likeliest_others(context, logits, self.candidates)

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x = context.x
        total, others = rest
        point = context.ball.inside(x + (1 + self.overshoot) * total)
        gap, reached, _, direction, rate = Planes.at(point, others, context)
        way = ops.maximum(ops.abs(gap), _LEAST_GAP) / ops.maximum(rate, 1e-30)
        nearest = ops.one_hot(ops.argmin(way, axis=1), gap.shape[1], dtype="float32")
        # A gradient of 0 leads nowhere: no step.
        length = ops.sum(nearest * ops.where(rate > 0, way, ops.zeros_like(way)), axis=1)
        move = ops.reshape(ops.sum(nearest[:, :, None] * direction, axis=1), ops.shape(x))
        rest = (choose(reached, total, total + column(length, x) * move), others)
        return Tried(point, reached, ops.logical_or(reached, length <= 0), rest, gradients=gap.shape[1])
