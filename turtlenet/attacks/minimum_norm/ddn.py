"""Direction and norm apart."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls import L2
from turtlenet.balls.base import column
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor


@attacks.register("ddn")
@dataclass(frozen=True, kw_only=True)
class DDN(MinimumNorm, Iterative, Attack):
    """Decoupled direction and norm (Rony et al., 2019, Algorithm 1).

    Args:
        steps: Number of gradient steps.
        gamma: By which factor the norm changes in a step.
        radius: The first norm, in pixels of [0, 1].
        step_size: Length of the first step, in pixels of [0, 1]; falls to a hundredth along a cosine.
        levels: Rounds pixels to so many levels, 256 in the paper; 0 does not round.
    """

    steps: int = count(100, low=1, high=MOST)
    gamma: float = number(0.05, above=0, below=1)
    radius: float = number(1.0, above=0)
    step_size: float = number(1.0, above=0)
    levels: int = count(0)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels and not 2 <= self.levels <= 1 << 16:
            raise SettingError(f"Expected levels from 2 to {1 << 16:,}, or 0; got {self.levels}.")

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        return context.x, ops.zeros_like(logits[:, 0]) + self.radius * context.ball.full

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        point, radius = rest
        _, reached, slope = context.gradient("cross_entropy", point)
        wave = 0.5 + 0.5 * ops.cos(math.pi * ops.cast(number, "float32") / self.steps)
        length = self.step_size * ball.full * (0.01 + 0.99 * wave)
        delta = point + length * ball.steepest(slope, point) - x
        radius = radius * ops.where(reached, 1 - self.gamma, 1 + self.gamma)
        size = L2(0.0).distance(delta, ops.zeros_like(delta))
        following = ball.inside(x + column(radius / ops.maximum(size, 1e-12), x) * delta)
        if self.levels:
            grain = ball.full / (self.levels - 1)
            following = ball.inside(ball.low + ops.round((following - ball.low) / grain) * grain)
        return Tried(point, reached, False, (following, radius))
