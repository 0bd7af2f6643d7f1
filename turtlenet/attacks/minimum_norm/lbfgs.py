"""The first attack of all: a box-constrained quasi-Newton search."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Goal, choose
from turtlenet.attacks.minimum_norm.penalty import Bracket, Explored, PenaltyMethod, to_unit
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_HALVINGS = 20
_ENOUGH = 1e-4
_SMALL = 1e-6


@attacks.register("lbfgs")
@dataclass(frozen=True, kw_only=True)
class LBFGS(PenaltyMethod):
    """Box-constrained L-BFGS (Szegedy et al., 2014, section 4.1): the smallest L2 squared + c * cross-entropy.

    A projected L-BFGS: values at a bound that would leave it stay, the two-loop recursion (Nocedal, 1980) turns the
    slope of the others, and a step is halved until the objective falls enough (Armijo). An iteration is one trial.

    Towards a target the loss is its cross-entropy, as in the paper; away from the label it is that of the label being
    wrong, -log(1 - p): the cross-entropy of the label is flat where the model is sure, and no search leaves it.

    Args:
        memory: Steps that the estimate of the curvature remembers.
    """

    steps: int = count(200, low=1, high=MOST)
    searches: int = count(5, low=1, high=MOST)
    c: float = number(0.01, above=0)
    abort_early: bool = False
    memory: int = count(7, low=1, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def open(self, unit: Tensor) -> State:
        flat = ops.reshape(unit, (-1, math.prod(unit.shape[1:])))
        zero, none = ops.zeros_like(flat), ops.zeros_like(flat[:, 0])
        history = ops.repeat(zero[:, None, :], self.memory, axis=1)
        # The first trial is the input itself: any objective is below infinity.
        return flat, none + float("inf"), zero, zero, none + 1, history, history, ops.zeros_like(history[:, :, 0])

    def explore(self, inner: State, bracket: Bracket, context: Context) -> Explored:
        ball = context.ball
        place, value, slope, direction, length, moves, turns, scales = inner
        trial = ops.clip(place + length[:, None] * direction, 0.0, 1.0)
        point = ball.inside(ball.low + ball.full * ops.reshape(trial, ops.shape(context.x)))
        new_value, reached, new_slope = self._objective(point, bracket.c, context)

        falls = ops.sum(slope * (trial - place), axis=1)
        enough = new_value <= value + _ENOUGH * ops.minimum(falls, 0.0)
        arrived = ops.logical_and(enough, value - new_value <= _SMALL * ops.abs(new_value))
        arrived = ops.logical_or(arrived, length < 0.5**_HALVINGS)

        move, turn = trial - place, new_slope - slope
        bend = ops.sum(move * turn, axis=1)
        kept = ops.logical_and(enough, ops.logical_and(bend > 1e-10, ops.isfinite(value)))
        newest = ((moves, move), (turns, turn), (scales, 1 / ops.where(kept, bend, 1.0)))
        moves, turns, scales = (
            choose(kept, ops.concatenate([past[:, 1:], now[:, None]], axis=1), past) for past, now in newest
        )
        place, slope = choose(enough, trial, place), choose(enough, new_slope, slope)
        onward, first_length = _direction(place, slope, moves, turns, scales)
        after = (
            place,
            ops.where(enough, new_value, value),
            slope,
            choose(enough, onward, direction),
            ops.where(enough, first_length, length / 2),
            moves,
            turns,
            scales,
        )
        return Explored(after, point, reached, new_value, arrived)

    def _objective(self, point: Tensor, c: Tensor, context: Context) -> tuple[Tensor, Tensor, Tensor]:
        """The objective, whether the goal is reached, and the slope, for flat pixels of [0, 1]."""
        x, goal, ball = context.x, context.goal, context.ball

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            return _missing(goal, logits), goal.reached(logits)

        loss, reached, climb = backend.input_gradient(look, point)
        delta = to_unit(point, ball) - to_unit(x, ball)
        slope = 2 * delta + column(c, x) * ball.full * climb
        flat = (-1, math.prod(x.shape[1:]))
        return ops.sum(ops.square(ops.reshape(delta, flat)), axis=1) + c * loss, reached, ops.reshape(slope, flat)


def _missing(goal: Goal, logits: Tensor) -> Tensor:
    """What to bring down, float32 (batch,)."""
    if goal.target is not None:
        return -goal.loss("cross_entropy", logits)
    label = ops.one_hot(goal.y, logits.shape[-1], dtype="float32")
    return ops.softplus(ops.sum(label * logits, axis=-1) - ops.logsumexp(logits - 1e30 * label, axis=-1))


def _direction(place: Tensor, slope: Tensor, moves: Tensor, turns: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Where to go from a place in the unit box, by the two-loop recursion, and how far at first.

    Args:
        place: float32 (batch, n).
        slope: The gradient there.
        moves: The last steps, float32 (batch, memory, n), the newest last; zeros where there was none.
        turns: By how much the gradient changed on them.
        scales: One over their inner products, float32 (batch, memory); 0 where there was none.
    """
    stuck = ops.logical_or(
        ops.logical_and(place <= 0, slope > 0),
        ops.logical_and(place >= 1, slope < 0),
    )
    rest = downhill = ops.where(stuck, 0.0, slope)
    known = scales[:, -1] > 0
    memory, shares = moves.shape[1], []
    for at in reversed(range(memory)):
        share = scales[:, at] * ops.sum(moves[:, at] * rest, axis=1)
        rest = rest - share[:, None] * turns[:, at]
        shares.append(share)
    newest = ops.sum(ops.square(turns[:, -1]), axis=1) * scales[:, -1]
    rest = rest / ops.where(known, newest, 1.0)[:, None]
    for at, share in zip(range(memory), reversed(shares), strict=True):
        back = scales[:, at] * ops.sum(turns[:, at] * rest, axis=1)
        rest = rest + (share - back)[:, None] * moves[:, at]
    turned = ops.where(stuck, 0.0, -rest)
    uphill = ops.sum(turned * slope, axis=1) >= 0
    direction = choose(uphill, -downhill, turned)
    plain = ops.logical_or(uphill, ops.logical_not(known))
    size = ops.maximum(ops.sum(ops.abs(direction), axis=1), 1e-12)
    return direction, ops.where(plain, ops.minimum(1.0, 1 / size), ops.ones_like(size))
