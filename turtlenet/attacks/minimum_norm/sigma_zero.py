"""The fewest values that have to change, by a smooth stand-in for their number."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.attacks.minimum_norm.penalty import adam
from turtlenet.balls.base import column, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor


@attacks.register("sigma-zero")
@dataclass(frozen=True, kw_only=True)
class SigmaZero(MinimumNorm, Iterative, Attack):
    """Sigma-zero (Cinà et al., 2025, Algorithm 1): the smallest perturbation in `l0`.

    The number of changed values is replaced by the sum of d^2 / (d^2 + sigma) (equation 5), which has a gradient. Adam
    brings down that and the margin; after each step, changes below a threshold are taken back, and the threshold rises
    after a success and falls after a failure. Changes are in pixels of [0, 1].

    Args:
        steps: Number of gradient steps.
        step_size: Adam's first learning rate; falls to a tenth along a cosine.
        sigma: How sharp the stand-in is: smaller is nearer to the number itself.
        threshold: Changes below it are taken back, at first.
        rate: By how much the threshold moves in a step, as a share of the learning rate.
    """

    steps: int = count(1000, low=1, high=MOST)
    step_size: float = number(1.0, above=0)
    sigma: float = number(1e-3, above=0)
    threshold: float = number(0.3, low=0, high=1)
    rate: float = number(0.01, low=0)

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        nothing = ops.zeros_like(context.x)
        return nothing, nothing, nothing, ops.zeros_like(logits[:, 0]) + self.threshold

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, full = context.x, context.ball.full
        delta, mean, square, threshold = rest
        # A value that did not change is exactly the input's.
        point = ops.where(ops.equal(delta, 0), x, context.ball.inside(x + full * delta))
        margin, reached, slope = context.gradient("margin", point)
        # The margin is the loss's opposite: what is missing to success, clipped at 0.
        pull = ops.cast(margin < 0, "float32")
        size = math.prod(x.shape[1:])
        thinner = 2 * self.sigma * delta / ops.square(ops.square(delta) + self.sigma) / size
        total = thinner - full * column(pull, x) * slope
        total = total / column(ops.maximum(ops.max(ops.abs(flat(total)), axis=1), 1e-12), x)
        move, mean, square = adam(total, mean, square, ops.zeros_like(context.goal.y) + ops.cast(number, "int32"))
        following = delta + self._rate(ops.maximum(ops.cast(number, "float32") - 1, 0.0)) * move
        following = (context.ball.inside(x + full * following) - x) / full
        change = self.rate * self._rate(ops.cast(number, "float32"))
        threshold = ops.clip(threshold + ops.where(reached, change, -change), 0.0, 1.0)
        kept = ops.abs(following) >= column(threshold, x)
        following = ops.where(kept, following, ops.zeros_like(following))
        return Tried(point, reached, False, (following, mean, square, threshold))

    def _rate(self, number: Tensor) -> Tensor:
        return self.step_size * (0.1 + 0.45 * (1 + ops.cos(math.pi * number / self.steps)))
