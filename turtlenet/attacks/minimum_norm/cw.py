"""The attack of Carlini & Wagner for L2."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.minimum_norm.base import hinge
from turtlenet.attacks.minimum_norm.penalty import Bracket, Explored, PenaltyMethod, adam, to_unit
from turtlenet.balls.base import column
from turtlenet.ranges import number, one_of
from turtlenet.typing import State, Tensor

FORMS = ("projected", "tanh")
# Keeps the inverse tanh of pixels at the bounds finite (nn_robust_attacks).
_INWARD = 0.999999
# Beyond it the pixel is at its bound already; every further step out would cost one to come back.
_OUTERMOST = math.atanh(_INWARD)


@attacks.register("cw")
@dataclass(frozen=True, kw_only=True)
class CW(PenaltyMethod):
    """The L2 attack of Carlini & Wagner (2017, section V-A), with Adam and a binary search for c.

    Args:
        form: `tanh` moves the pixels' inverse tanh, which keeps them in their bounds; `projected` moves the pixels
            themselves and clips.
        confidence: By how much another logit must lead; the paper's kappa.
        step_size: Adam's learning rate.
    """

    form: str = one_of("tanh", FORMS)
    confidence: float = number(0.0, low=0)
    step_size: float = number(0.01, above=0)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def open(self, unit: Tensor) -> State:
        zero = ops.zeros_like(unit)
        return to_tanh(unit) if self.form == "tanh" else unit, zero, zero

    def explore(self, inner: State, bracket: Bracket, context: Context) -> Explored:
        x, ball = context.x, context.ball
        place, mean, square = inner
        bent = self.form == "tanh"
        unit = from_tanh(place) if bent else place
        delta = unit - to_unit(x, ball)
        point = ball.inside(ball.low + ball.full * unit)
        loss, reached, slope = hinge(context.model, context.goal, self.confidence, point)
        objective = ops.sum(ops.square(delta), axis=tuple(range(1, len(x.shape)))) + bracket.c * loss
        total = 2 * delta + column(bracket.c, x) * ball.full * slope
        # The slope of the tanh, which is not 4 unit (1 - unit): that is 0 where float32 rounds a pixel to its bound.
        total = total / (2 * ops.square(ops.cosh(place))) if bent else total
        step, mean, square = adam(total, mean, square, bracket.count)
        place = place + self.step_size * step
        place = ops.clip(place, -_OUTERMOST, _OUTERMOST) if bent else ops.clip(place, 0.0, 1.0)
        return Explored((place, mean, square), point, reached, objective, loss < 0)


def to_tanh(unit: Tensor) -> Tensor:
    """Pixels in [0, 1] as what `from_tanh` takes back."""
    return ops.arctanh((2 * unit - 1) * _INWARD)


def from_tanh(place: Tensor) -> Tensor:
    """Pixels in [0, 1]."""
    return (ops.tanh(place) + 1) / 2
