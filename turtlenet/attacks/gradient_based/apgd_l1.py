"""The steps of Auto-PGD in L1: few pixels at a time, fewer as the perturbation grows sparse."""

import math
from typing import NamedTuple, Protocol

import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Best, Goal, Verdict, choose
from turtlenet.attacks.projections import onto_l1
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.typing import State, Tensor

# With fewer steps than this, all are in the ball itself.
_DIVISIBLE = 10
_LEAST_STEP = 0.1
# Fewer pixels than this part of all are selected by `top_k`, which costs less than a sort.
_FEW = 16


class GradientAt(Protocol):
    """Gives the loss (batch,), the logits and the gradient at points."""

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...


class _State(NamedTuple):
    """Where each example stands; the first four are those of `Best`, the step is a fraction of the radius."""

    x: Tensor
    logits: Tensor
    reached: Tensor
    loss: Tensor
    point: Tensor
    slope: Tensor
    best_slope: Tensor
    step: Tensor
    share: Tensor
    changed: Tensor
    gradients: Tensor


class SparseAscent:
    """L1-APGD (Croce & Hein, 2021, algorithm 1) on a batch, within a graph.

    A step moves the pixels of the steepest slopes, all by as much, and goes to the nearest point of the ball within
    the bounds. How many are moved follows how many the best point so far has changed.

    Args:
        steps: Number of gradient steps.
        shrinking: Whether three tenths of them each are in balls of three and two times the radius (section 3.2). Then
            two steps are spent on coming into the smaller balls.
        early_stop: Whether an example that reached its goal stays as it is.
    """

    def __init__(self, steps: int, shrinking: bool, early_stop: bool):
        part = math.ceil(0.3 * steps)
        divided = shrinking and steps >= _DIVISIBLE
        self._starts = np.array([0, part, 2 * part] if divided else [0], "int32")
        self._times = np.array([3.0, 2.0, 1.0] if divided else [1.0], "float32")
        lengths = np.diff([*self._starts, steps])
        self._spans = np.maximum((0.04 * lengths).astype("int32"), 1)
        self._early_stop = early_stop

    def begin(self, gradient_at: GradientAt, context: Context) -> State:
        """The state before the first step: a Gaussian draw, brought into the first ball."""
        model, x, goal, ball, key = context
        point = _within(x + random.normal(key, x.shape[1:]), x, float(self._times[0]) * ball.eps, ball)
        loss, logits, slope = gradient_at(point)
        best = self._better(Best.none(x, model.num_classes), point, logits, loss, goal, len(self._starts) == 1)
        one, size, changed = ops.ones_like(loss), math.prod(x.shape[1:]), _changed(point, x)
        # In a ball of one size nothing is known yet about how sparse the best point is.
        whole = len(self._starts) == 1
        return _State(
            *best,
            point=point,
            slope=slope,
            best_slope=slope,
            step=one,
            share=0.2 * one if whole else changed / (1.5 * size),
            changed=size * one if whole else changed,
            gradients=ops.ones_like(goal.y),
        )

    def advance(self, step: Tensor, state: State, gradient_at: GradientAt, context: Context) -> State:
        """One step; at the first of a smaller ball, the way into it from the best point of the ball before."""
        x, goal, ball = context.x, context.goal, context.ball
        now = _State(*state)
        starts, times, spans = map(ops.convert_to_tensor, (self._starts, self._times, self._spans))
        stage = ops.sum(ops.cast(step >= starts, "int32")) - 1
        since = step - ops.take(starts, stage)
        enters = ops.logical_and(since == 0, stage > 0)
        radius = ops.take(times, stage) * ball.eps
        ahead = now.point + column(now.step * radius, x) * _steepest(now.slope, now.point, now.share, ball)
        point = _within(ops.where(enters, now.x, ahead), x, radius, ball)
        loss, logits, slope = gradient_at(point)
        none = Best.none(x, context.model.num_classes)
        old = Best(*(choose(enters, new, kept) for new, kept in zip(none, now[:4], strict=True)))
        best = self._better(old, point, logits, loss, goal, stage == len(self._starts) - 1)
        if self._early_stop:
            best = Best(*(choose(now.reached, kept, new) for kept, new in zip(now[:4], best, strict=True)))
        after = now._replace(
            **best._asdict(),
            point=point,
            slope=slope,
            best_slope=choose(best.loss != old.loss, slope, now.best_slope),
            gradients=now.gradients + ops.cast(ops.logical_not(self._done(now)), "int32"),
        )
        ascents = ops.where(stage > 0, since, since + 1)
        at = ops.logical_and(ops.mod(ascents, ops.take(spans, stage)) == 0, ops.logical_not(enters))
        return self._checked(at, enters, after, x)

    def _done(self, now: _State) -> Tensor:
        return now.reached if self._early_stop else ops.zeros_like(now.reached)

    @staticmethod
    def _better(old: Best, point: Tensor, logits: Tensor, loss: Tensor, goal: Goal, counts: Tensor) -> Best:
        # A success in a wider ball does not count: there the loss alone decides.
        return old.or_better(point, logits, Verdict(ops.logical_and(goal.reached(logits), counts), loss))

    @staticmethod
    def _checked(at: Tensor, enters: Tensor, now: _State, x: Tensor) -> _State:
        """At a checkpoint: whether the best point has grown sparse, or else a shorter step (equation 11)."""
        changed = _changed(now.x, x)
        sparser = ops.logical_and(at, changed < 0.95 * now.changed)
        shorter = ops.maximum(now.step / 1.5, _LEAST_STEP)
        anew = ops.logical_or(sparser, enters)
        look = ops.logical_or(at, enters)
        return now._replace(
            point=choose(sparser, now.x, now.point),
            slope=choose(sparser, now.best_slope, now.slope),
            step=ops.where(anew, ops.ones_like(now.step), ops.where(at, shorter, now.step)),
            share=ops.where(look, changed / (1.5 * math.prod(x.shape[1:])), now.share),
            changed=ops.where(look, changed, now.changed),
        )


def _steepest(slope: Tensor, point: Tensor, share: Tensor, ball: Ball) -> Tensor:
    """The signs of the largest slopes, so that their magnitudes sum to 1; that share of each example's pixels.

    A pixel at its bound that would leave it is none of them: where few are moved, all could be such.
    """
    flat = ops.reshape(ops.where(ball.stuck(slope, point), ops.zeros_like(slope), slope), (ops.shape(slope)[0], -1))
    size, magnitude = math.prod(slope.shape[1:]), ops.abs(flat)
    # Rounded down, not up as in the authors' code: from two pixels it must be possible to come to one.
    count = ops.cast(ops.clip(share * size + 1e-3, 1, size), "int32")[:, None]
    few = max(size // _FEW, 1)

    def ranked(most: int) -> Tensor:
        ordered = ops.top_k(magnitude, most)[0]
        return ops.take_along_axis(ordered, ops.minimum(count, most) - 1, axis=1)

    # A whole sort would cost as much as a small model's gradient.
    weakest = ops.cond(ops.all(count <= few), lambda: ranked(few), lambda: ranked(size))
    chosen = ops.sign(flat) * ops.cast(magnitude >= weakest, "float32")
    total = ops.maximum(ops.sum(ops.abs(chosen), axis=1, keepdims=True), 1.0)
    return ops.reshape(chosen / total, ops.shape(slope))


def _within(point: Tensor, x: Tensor, radius: Tensor, ball: Ball) -> Tensor:
    # Clipped once more, because sums round.
    return ball.inside(onto_l1(point, x, radius, *ball.limits(x)))


def _changed(point: Tensor, x: Tensor) -> Tensor:
    """How many pixels differ, (batch,)."""
    return ops.sum(ops.cast(point != x, "float32"), axis=tuple(range(1, len(x.shape))))
