"""Direction and norm apart."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import attacks
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Record, check_counts, check_positive, tall
from turtlenet.balls import L2, Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

__all__ = ["DDN"]


@attacks.register("ddn")
@dataclass(frozen=True, kw_only=True)
class DDN(MinimumNorm):
    """Decoupled direction and norm (Rony et al., 2019, Algorithm 1).

    Args:
        steps: Number of gradient steps.
        gamma: By which factor the norm changes in a step.
        radius: The first norm, in pixels of [0, 1].
        step_size: Length of the first step, in pixels of [0, 1]; falls to a hundredth along a cosine.
        levels: Rounds pixels to so many levels, 256 in the paper; 0 does not round.
    """

    steps: int = 100
    gamma: float = 0.05
    radius: float = 1.0
    step_size: float = 1.0
    levels: int = 0

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "steps")
        check_positive(self, "radius", "step_size")
        check_positive(self, "gamma", below=1.0)
        if self.levels and not 2 <= self.levels <= 1 << 16:
            raise SettingError(f"Expected levels from 2 to {1 << 16:,}, or 0; got {self.levels}.")

    @property
    def length(self) -> int:
        # The last step is looked at too.
        return self.steps + 1

    def prepare(self, model: Classifier, x: Any, logits: Any, goal: Goal, *, ball: Ball, key: Any) -> tuple[Any, ...]:
        return x, ops.zeros_like(logits[:, 0]) + self.radius * ball.full

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
            return goal.loss("cross_entropy", logits), goal.reached(logits)

        _, reached, slope = backend.input_gradient(look, point)
        record = record.noted(point, reached, self.measure(point, x, ball)).spent(1)
        wave = 0.5 + 0.5 * ops.cos(math.pi * ops.cast(number, "float32") / self.steps)
        length = self.step_size * ball.full * (0.01 + 0.99 * wave)
        moved = point + length * ball.steepest(slope, point) - x
        radius = radius * ops.where(reached, 1 - self.gamma, 1 + self.gamma)
        size = L2(0.0).distance(moved, ops.zeros_like(moved))
        point = ball.inside(x + tall(radius / ops.maximum(size, 1e-12), x) * moved)
        if self.levels:
            grain = ball.full / (self.levels - 1)
            point = ball.inside(ball.low + ops.round((point - ball.low) / grain) * grain)
        return record, (point, radius)
