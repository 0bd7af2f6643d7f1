"""The elastic net attack: sparse perturbations by a threshold."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.minimum_norm.base import hinge
from turtlenet.attacks.minimum_norm.penalty import Bracket, Explored, PenaltyMethod, to_unit
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.ranges import number, one_of
from turtlenet.typing import State, Tensor


@attacks.register("ead")
@dataclass(frozen=True, kw_only=True)
class EAD(PenaltyMethod):
    """Elastic-net attack on deep networks (Chen et al., 2018, Algorithm 1), with the authors' FISTA.

    Minimizes c * loss + beta * L1 + L2 squared, in pixels of [0, 1].

    Args:
        beta: Weight of the L1 length, and the threshold below which a pixel does not move.
        rule: Which of the successes to keep: the one of the smallest `l1`, or `en`, of the smallest elastic net.
        confidence: By how much another logit must lead; the paper's kappa.
        step_size: Length of a gradient step; falls to 0 with the square root of the steps left.
        abort_early: As in the others, but not unless asked for: accelerated steps do not come down steadily.
    """

    beta: float = number(1e-3, low=0)
    rule: str = one_of("l1", ("en", "l1"))
    confidence: float = number(0.0, low=0)
    step_size: float = number(0.01, above=0)
    abort_early: bool = False

    norms: ClassVar[tuple[str, ...]] = ("l1", "l2")

    def measure(self, point: Tensor, x: Tensor, ball: Ball) -> Tensor:
        delta = to_unit(point, ball) - to_unit(x, ball)
        return _sum(ops.abs(delta)) if self.rule == "l1" else self._net(delta)

    def open(self, unit: Tensor) -> State:
        return unit, unit

    def explore(self, inner: State, bracket: Bracket, context: Context) -> Explored:
        model, x, goal, ball = context.model, context.x, context.goal, context.ball
        old, ahead = inner
        unit = to_unit(x, ball)
        _, _, slope = hinge(model, goal, self.confidence, ball.inside(ball.low + ball.full * ahead))
        share = ops.cast(bracket.count, "float32") / self.steps
        rate = self.step_size * ops.sqrt(ops.maximum(1 - share, 0.0))
        delta = ahead - column(rate, x) * (2 * (ahead - unit) + column(bracket.c, x) * ball.full * slope) - unit
        # The proximal step (eq. 5): changes below beta become 0, the others lose beta.
        shrunk = ops.sign(delta) * ops.relu(ops.abs(delta) - self.beta)
        new = ops.clip(unit + shrunk, 0.0, 1.0)
        times = ops.cast(bracket.count, "float32") + 1
        ahead = new + column(times / (times + 3), x) * (new - old)
        # A pixel that did not change is exactly the input's.
        point = ops.where(ops.equal(new, unit), x, ball.inside(ball.low + ball.full * new))
        logits = model(point)
        loss = ops.relu(self.confidence - goal.loss("margin", logits))
        reached = ops.logical_and(goal.reached(logits), loss <= 0)
        objective = self._net(new - unit) + bracket.c * loss
        return Explored((new, ahead), point, reached, objective, loss < 0, 1)

    def _net(self, delta: Tensor) -> Tensor:
        return _sum(ops.square(delta)) + self.beta * _sum(ops.abs(delta))


def _sum(values: Tensor) -> Tensor:
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))
