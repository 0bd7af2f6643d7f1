"""Auto-PGD: projected gradient ascent that chooses its own steps."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, choose
from turtlenet.attacks.gradient_based.apgd_l1 import GradientAt, SparseAscent
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import State, Tensor


class _State(NamedTuple):
    """Where each example stands; the first four are those of `Best`."""

    x: Tensor
    logits: Tensor
    reached: Tensor
    loss: Tensor
    point: Tensor
    before: Tensor
    slope: Tensor
    best_slope: Tensor
    step: Tensor
    last: Tensor
    ups: Tensor
    checked: Tensor
    halved: Tensor
    gradients: Tensor


@attacks.register("apgd")
@dataclass(frozen=True, kw_only=True)
class APGD(Iterative, Attack):
    """Auto-PGD (Croce & Hein, 2020, algorithm 1): a step of two radii, halved where the loss no longer rises.

    In L1 its steps are sparse, as Croce & Hein (2021, algorithm 1) have them; see `apgd_l1.py`.

    Args:
        steps: Number of gradient steps.
        restarts: How often to begin anew, from another random point of the ball's surface.
        loss: Name of the loss to climb: `cross_entropy`, `margin`, `probability_margin`, `dlr` or `kl`.
        momentum: Share of the new step in each move; the rest repeats the move before. In L1 there is none.
        rho: Share of the steps between two looks that must raise the loss, lest the step be halved. Not in L1.
        shrinking: In L1, whether the search begins in balls of three and two times the radius.
        draws: Draws of random defences that each gradient is the mean of (EOT); 0 for the classifier's own number.
    """

    steps: int = count(100, low=1, high=MOST)
    restarts: int = count(1, low=1, high=MOST)
    loss: str = one_of("cross_entropy", losses.LOSSES)
    momentum: float = number(0.75, above=0, high=1, note="a share")
    rho: float = number(0.75, above=0, high=1, note="a share")
    shrinking: bool = True
    draws: int = count(0, high=MOST)
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    holds_done: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def length(self) -> int:
        return self.steps

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def begin(self, context: Context) -> State:
        model, x, goal, ball, key = context
        if ball.norm == "l1":
            return self._sparse.begin(self._gradient_at(context), context)
        draw = random.normal(key, x.shape[1:]) if ball.norm == "l2" else random.uniform(key, x.shape[1:], -1.0, 1.0)
        around = draw / (1e-12 + column(ball.distance(draw, ops.zeros_like(draw)), x))
        point = _within(x + ball.eps * around, x, ball)
        loss, logits, slope = self._gradient_at(context)(point)
        best = Best.none(x, model.num_classes).or_better(point, logits, goal.judge(self.loss, logits))
        zero = ops.zeros_like(loss)
        return _State(
            *best,
            point=point,
            before=point,
            slope=slope,
            best_slope=slope,
            step=zero + 2.0 * ball.eps,
            last=zero,
            ups=zero,
            checked=loss,
            halved=ops.ones_like(best.reached),
            gradients=ops.ones_like(goal.y),
        )

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        goal, gradient_at = context.goal, self._gradient_at(context)
        if context.ball.norm == "l1":
            return self._sparse.advance(step, state, gradient_at, context)
        now = _State(*state)
        point = self._next_point(step, now, context.x, context.ball)
        loss, logits, slope = gradient_at(point)
        best, old = Best(*now[:4]).or_better(point, logits, goal.judge(self.loss, logits)), Best(*now[:4])
        if self.early_stop:
            best = Best(*(choose(old.reached, kept, new) for kept, new in zip(old, best, strict=True)))
        climbed = loss > now.loss if self.early_stop else best.loss != now.loss
        after = now._replace(
            **best._asdict(),
            point=point,
            before=now.point,
            slope=slope,
            best_slope=choose(climbed, slope, now.best_slope),
            last=loss,
            ups=now.ups + ops.cast(loss > now.last, "float32"),
            gradients=now.gradients + ops.cast(ops.logical_not(self.done(state)), "int32"),
        )
        return self._checked(step, after)

    def finish(self, state: State, context: Context) -> SearchResult:
        best, gradients = Best(*state[:4]), state[-1]
        # With draws of its own, the logits are not those that the classifier answers with.
        return SearchResult(
            best.x, None if self.draws and context.model.stochastic else best.logits, gradients * max(self.draws, 1)
        )

    def done(self, state: State) -> Tensor:
        reached = state[2]
        return reached if self.early_stop else ops.zeros_like(reached)

    @property
    def _sparse(self) -> SparseAscent:
        return SparseAscent(self.steps, self.shrinking, self.early_stop)

    def _gradient_at(self, context: Context) -> GradientAt:
        model = context.model.taking(draws=self.draws) if self.draws else context.model

        def loss(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = model(point)
            return context.goal.loss(self.loss, logits), logits

        return lambda point: backend.input_gradient(loss, point)

    def _next_point(self, step: Tensor, now: _State, x: Tensor, ball: Ball) -> Tensor:
        """A step, and a part of the one before (equation 3)."""
        ahead = _within(now.point + column(now.step, x) * ball.steepest(now.slope, now.point), x, ball)
        share = ops.where(step > 0, self.momentum, 1.0)
        return _within(now.point + share * (ahead - now.point) + (1 - share) * (now.point - now.before), x, ball)

    def _checked(self, step: Tensor, now: _State) -> _State:
        """At a checkpoint: halves the step, and goes back to the best point, where conditions 1 or 2 say so."""
        ends, spans = self._checkpoints()
        here = ops.equal(ops.convert_to_tensor(ends), step + 1)
        at, span = ops.any(here), ops.sum(ops.where(here, ops.convert_to_tensor(spans), 0.0))
        swings = now.ups <= span * self.rho
        stuck = ops.logical_and(ops.logical_not(now.halved), now.checked >= now.loss)
        halve = ops.logical_and(at, ops.logical_or(swings, stuck))
        return now._replace(
            point=choose(halve, now.x, now.point),
            slope=choose(halve, now.best_slope, now.slope),
            step=ops.where(halve, now.step / 2, now.step),
            ups=ops.where(at, ops.zeros_like(now.ups), now.ups),
            checked=ops.where(at, now.loss, now.checked),
            halved=ops.where(at, halve, now.halved),
        )

    def _checkpoints(self) -> tuple[np.ndarray, np.ndarray]:
        """After which steps to look, and how many steps each look is over (section 3.2)."""
        span, shorter, least = (max(int(share * self.steps), 1) for share in (0.22, 0.03, 0.06))
        spans: list[int] = []
        while sum(spans) + span <= self.steps:
            spans.append(span)
            span = max(span - shorter, least)
        return np.cumsum(spans).astype("int32"), np.array(spans, "float32")


@attacks.register("apgd-ce")
@dataclass(frozen=True, kw_only=True)
class APGDCE(APGD):
    """Auto-PGD on the cross-entropy, the first part of AutoAttack (Croce & Hein, 2020)."""


@attacks.register("apgd-dlr")
@dataclass(frozen=True, kw_only=True)
class APGDDLR(APGD):
    """Auto-PGD on the difference of logits ratio (Croce & Hein, 2020, equation 6)."""

    loss: str = "dlr"


@attacks.register("pma")
@dataclass(frozen=True, kw_only=True)
class PMA(APGD):
    """The probability margin attack (Xie et al., 2024): here with Auto-PGD's steps.

    It climbs the largest wrong probability less the label's, and not their logits.
    """

    loss: str = "probability_margin"


@attacks.register("apgd-t")
@dataclass(frozen=True, kw_only=True)
class APGDT(APGD):
    """Auto-PGD towards nine classes in turn, on the targeted ratio (Croce & Hein, 2020, equation 7).

    With fewer than four classes that ratio does not exist: the margin takes its place, as in `autoattack`.
    """

    loss: str = "dlr"
    target: str = "top9"

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        few = num_classes < 4 and self.loss == "dlr"
        own = dataclasses.replace(self, loss="margin") if few else self
        yield own, own.attempts(num_classes)


def _within(point: Tensor, x: Tensor, ball: Ball) -> Tensor:
    """In L2 the radius first and the bounds second, as the algorithm was published: the other way is another path."""
    if ball.norm != "l2":
        return ball.project(point, x)
    length = column(ball.distance(point, x), x)
    return ball.inside(x + (point - x) * ops.minimum(1.0, ball.eps / ops.maximum(length, 1e-12)))
