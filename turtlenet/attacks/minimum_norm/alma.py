"""The smallest perturbation by an augmented Lagrangian."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls.base import column, euclidean
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_TOLERANCE = 1e-4
_LEAST, _MOST = 1e-6, 1e12


@attacks.register("alma")
@dataclass(frozen=True, kw_only=True)
class ALMA(MinimumNorm, Iterative, Attack):
    """The augmented Lagrangian method for adversarial attacks (Rony et al., 2021, Algorithm 1), in `l2` or `l1`.

    It brings down the distance and a penalty on the difference of logits ratio (the paper's P2): the multiplier of the
    penalty follows its slope, and its strength grows until the constraint improves. RMSProp with momentum takes the
    steps, whose length falls once a success was found. Perturbations are in pixels of [0, 1].

    With fewer than three classes, or towards a target, the margin takes the place of the ratio.

    Args:
        steps: Number of gradient steps.
        step_size: The first learning rate; falls to a hundredth, exponentially, from the first success on.
        check_steps: Steps between two looks at whether the constraint improves.
        progress: Share of the constraint that must not be left, lest the penalty grow.
        growth: By which factor it grows.
        memory: Share of the old in the running means: of the multiplier, and of RMSProp.
    """

    steps: int = count(1000, low=1, high=MOST)
    step_size: float = number(0.1, above=0)
    check_steps: int = count(10, low=1, high=MOST)
    progress: float = number(0.95, above=0, high=1)
    growth: float = number(1.2, above=1)
    memory: float = number(0.9, low=0, below=1)

    norms: ClassVar[tuple[str, ...]] = ("l2", "l1")

    @property
    def length(self) -> int:
        return self.steps

    def prepare(self, context: Context, logits: Tensor) -> State:
        nothing = ops.zeros_like(context.x)
        one = ops.ones_like(logits[:, 0])
        # The perturbation, RMSProp's two means, the multiplier, its strength, the constraint when last looked at, and
        # the step of the first success.
        return nothing, nothing + 1.0, nothing, one, one, self._constraint(logits, context), one * (self.steps + 1)

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        delta, square, momentum, multiplier, strength, before, first = rest
        place = ops.cast(number, "float32")
        point = ops.where(ops.equal(delta, 0), x, ball.inside(x + ball.full * delta))

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            return self._constraint(logits, context), context.goal.reached(logits)

        open_, reached, slope = backend.input_gradient(look, point)
        found = first <= self.steps
        looks = ops.logical_and(number > 0, ops.equal(ops.mod(number + 1, self.check_steps), 0))
        stuck = ops.logical_not(ops.logical_or(found, open_ < self.progress * before))
        strength = ops.where(ops.logical_and(looks, stuck), self.growth * strength, strength)
        before = ops.where(looks, open_, before)
        new = self.memory * multiplier + (1 - self.memory) * _penalty_slope(open_, strength, multiplier)
        multiplier = ops.where(number > 0, ops.clip(new, _LEAST, _MOST), multiplier)
        first = ops.where(ops.logical_and(ops.logical_not(found), open_ < 0), place, first)

        total = ball.full * column(_penalty_slope(open_, strength, multiplier), x) * slope
        total = total + ops.where(number > 0, 1.0, 0.0) * self._away(delta, ball.norm)
        square = self.memory * square + (1 - self.memory) * ops.square(total)
        momentum = self.memory * momentum + total / (ops.sqrt(square) + 1e-8)
        decay = ops.power(0.01, ops.maximum(place - first, 0.0) / ops.maximum(self.steps - first, 1.0))
        following = delta - column(self.step_size * decay, x) * momentum
        following = (ball.inside(x + ball.full * following) - x) / ball.full
        return Tried(point, reached, False, (following, square, momentum, multiplier, strength, before, first))

    @staticmethod
    def _away(delta: Tensor, norm: str) -> Tensor:
        """The slope of the distance."""
        if norm == "l1":
            return ops.sign(delta)
        return delta / column(ops.maximum(euclidean(delta), 1e-12), delta)

    @staticmethod
    def _constraint(logits: Tensor, context: Context) -> Tensor:
        """What has to become negative: the label's lead over the others, by the spread of the logits (batch,)."""
        goal, few = context.goal, logits.shape[-1] < 3
        if few or goal.target is not None:
            return _TOLERANCE - goal.loss("margin", logits)
        best = ops.top_k(logits, 3)[0]
        return (_TOLERANCE - goal.loss("margin", logits)) / (best[:, 0] - best[:, 2] + 1e-12)


def _penalty_slope(open_: Tensor, strength: Tensor, multiplier: Tensor) -> Tensor:
    """The derivative of the penalty P2 (Birgin et al., 2005; Rony et al., 2021, appendix A) by the constraint.

    With y the constraint, rho the strength and mu the multiplier, the penalty is
    mu y + mu rho y^2 + rho^2 y^3 / 6 for y >= 0, and mu y / (1 - rho y) below.
    """
    above = multiplier + 2 * multiplier * strength * open_ + 0.5 * ops.square(strength * open_)
    below = multiplier / ops.square(1 - strength * ops.minimum(open_, 0.0))
    return ops.where(open_ >= 0, above, below)
