"""Fast Adaptive Boundary attack: the smallest perturbation, by projections onto planes."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, Goal, Verdict, choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.projections import onto_plane
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.classifier import Classifier
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, Labels, State, Tensor

# Restarts begin within half of these radii, for pixels from 0 to 1: those of the authors' code.
_AROUND = {"linf": 0.3, "l2": 1.0, "l1": 5.0}


@attacks.register("fab")
@dataclass(frozen=True, kw_only=True)
class FAB(Iterative, Attack):
    """Fast Adaptive Boundary attack (Croce & Hein, 2020b, algorithm 1).

    Each step goes to the nearest plane on which the model, made linear, changes its answer: from where it is, and a
    little from the input too, so that it stays near. Without a target the nearest of all classes is taken, which costs
    a gradient for each of them.

    Args:
        steps: Number of projections.
        restarts: How often to begin: at the input first, then near it at random.
        start: Where the first attempt begins: `none` at the input, or `random`.
        alpha_max: Largest share of the way from the input in a step.
        eta: How far beyond the plane to go.
        beta: Share of the perturbation that is kept to go on from a success.
        final_steps: Queries between the input and what was found, to come nearer in the end.
    """

    steps: int = count(100, low=1, high=MOST)
    restarts: int = count(1, low=1, high=MOST)
    start: str = one_of("none", ("none", "random"))
    alpha_max: float = number(0.1, above=0, high=1, note="a share")
    eta: float = number(1.05, low=1)
    beta: float = number(0.9, above=0, high=1, note="a share")
    final_steps: int = count(3, high=MOST)

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    holds_done: ClassVar[bool] = True
    minimal: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def judged_by(self) -> str:
        return "margin"

    @property
    def length(self) -> int:
        return self.steps

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def attempt_gradients(self, num_classes: int) -> int:
        return self.steps * (1 if self.target not in ("", "none") else num_classes - 1)

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        if self.start == "random":
            # All attempts are alike; and a round of this attack is one round itself.
            yield self, self.attempts(num_classes)
            return
        once = dataclasses.replace(self, restarts=1)
        yield once, once.attempts(num_classes)
        if self.restarts > 1:
            again = dataclasses.replace(self, restarts=self.restarts - 1, start="random")
            yield again, again.attempts(num_classes)

    def begin(self, context: Context) -> State:
        x = context.x
        best, none = Best.none(x, context.model.num_classes), ops.zeros_like(context.goal.y)
        return *best, self._start(x, context.ball, context.key), best.reached, none, none

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        old, (point, done, gradients, queries) = Best(*state[:4]), state[4:]
        gap, normal, cost = self._plane(context.model, point, context.goal, ball.norm)
        from_point, from_x = _ways(point, x, gap, normal, ball)
        near, far = (ops.maximum(ball.distance(way, ops.zeros_like(way)), 1e-8) for way in (from_point, from_x))
        share = column(ops.minimum(near / (near + far), self.alpha_max), x)
        following = ball.inside((point + self.eta * from_point) * (1 - share) + (x + self.eta * from_x) * share)
        best, success, _ = _noted(old, following, context)
        following = choose(success, x + self.beta * (following - x), following)
        best = Best(*(choose(done, kept, new) for kept, new in zip(old, best, strict=True)))
        asked = ops.cast(ops.logical_not(done), "int32")
        enough = ops.logical_and(best.reached, -best.loss <= ball.eps) if self.early_stop else done
        return *best, choose(done, point, following), enough, gradients + cost * asked, queries + asked

    def finish(self, state: State, context: Context) -> SearchResult:
        x, goal = context.x, context.goal
        best, (gradients, queries) = Best(*state[:4]), state[6:]
        if not self.final_steps:
            return SearchResult(best.x, None, gradients, queries)

        def nearer(_: Tensor, state: State) -> Tensor:
            # Between a point on either side of it the boundary is where a linear loss would have it (equation 10).
            inner, outer, low, high, now = state
            share = ops.clip(low / ops.minimum(low - high, -1e-12), 0.1, 0.9)
            point = inner + column(share, x) * (outer - inner)
            now, success, logits = _noted(now, point, context)
            height = goal.loss("margin", logits)
            sides = choose(success, inner, point), choose(success, point, outer)
            return *sides, ops.where(success, low, height), ops.where(success, height, high), now

        heights = goal.loss("margin", context.model(x)), goal.loss("margin", best.logits)
        near = backend.loop(self.final_steps, nearer, (x, best.x, *heights, best))[1][-1]
        return SearchResult(choose(best.reached, near.x, best.x), None, gradients, queries + self.final_steps + 1)

    def done(self, state: State) -> Tensor:
        return state[5]

    def _start(self, x: Tensor, ball: Ball, key: Keys) -> Tensor:
        if self.start == "none":
            return x
        draw = random.uniform(key, x.shape[1:], -1.0, 1.0) if ball.norm == "linf" else random.normal(key, x.shape[1:])
        length = ops.minimum(ops.convert_to_tensor(ball.eps, "float32"), _AROUND[ball.norm] * ball.full) / 2
        return ball.inside(x + length * draw / column(ball.distance(draw, ops.zeros_like(draw)), x))

    def _plane(self, model: Classifier, point: Tensor, goal: Goal, norm: str) -> tuple[Tensor, Tensor, int]:
        """How far the logits are from changing, the slope of that, and how many gradients it took."""
        if goal.target is not None:
            return *_difference(model, point, goal.y, goal.target), 1
        dual = {"linf": 1, "l2": 2, "l1": float("inf")}[norm]

        def look(number: Tensor, state: State) -> Tensor:
            wrong = ops.mod(goal.y + number + 1, model.num_classes)
            gap, slope = _difference(model, point, goal.y, wrong)
            size = ops.norm(ops.reshape(slope, (ops.shape(slope)[0], -1)), ord=dual, axis=1)
            far = ops.abs(gap) / (1e-12 + size)
            nearer = far < state[0]
            return tuple(choose(nearer, new, old) for new, old in zip((far, gap, slope), state, strict=True))

        zero = ops.zeros_like(ops.cast(goal.y, "float32"))
        state = zero + float("inf"), zero, ops.zeros_like(point)
        _, (_, gap, slope) = backend.loop(model.num_classes - 1, look, state)
        return gap, slope, model.num_classes - 1


@attacks.register("fab-t")
@dataclass(frozen=True, kw_only=True)
class FABT(FAB):
    """Fast Adaptive Boundary attack towards nine classes in turn, as AutoAttack has it (Croce & Hein, 2020)."""

    target: str = "top9"


def _difference(model: Classifier, point: Tensor, y: Labels, wrong: Labels) -> tuple[Tensor, Tensor]:
    """A wrong logit less the right one, (batch,), and its slope."""

    def difference(point: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(point)
        signs = ops.one_hot(wrong, model.num_classes) - ops.one_hot(y, model.num_classes)
        return ops.sum(logits * ops.cast(signs, "float32"), axis=1), logits

    gap, _, slope = backend.input_gradient(difference, point)
    return gap, slope


def _ways(point: Tensor, x: Tensor, gap: Tensor, slope: Tensor, ball: Ball) -> tuple[Tensor, Tensor]:
    """The shortest ways from a point and from the input to the plane on which the difference is 0."""
    axes = tuple(range(1, len(x.shape)))
    starts, slopes = (ops.concatenate(pair, axis=0) for pair in ((point, x), (slope, slope)))
    gaps = ops.concatenate([-gap, -gap - ops.sum(slope * (x - point), axis=axes)], axis=0)
    low, high = (_twice(each) for each in ball.limits(point))
    ways = onto_plane(starts, slopes, gaps, norm=ball.norm, low=low, high=high)
    count = ops.shape(x)[0]
    return ways[:count], ways[count:]


def _twice(limit: Tensor) -> Tensor:
    """A limit for both halves of a batch of as many points, where each row has its own."""
    return ops.concatenate([limit, limit], axis=0) if len(getattr(limit, "shape", ())) > 1 else limit


def _noted(best: Best, point: Tensor, context: Context) -> tuple[Best, Tensor, Tensor]:
    """The nearest success so far, whether this point is one, and its logits."""
    logits = context.model(point)
    reached = context.goal.reached(logits)
    far = context.ball.distance(point, context.x)
    verdict = Verdict(reached, ops.where(reached, -far, ops.full_like(far, -float("inf"))))
    return best.or_better(point, logits, verdict), reached, logits
