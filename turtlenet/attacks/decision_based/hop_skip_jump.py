"""HopSkipJump."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import GROUP, DecisionBased, bisect, estimated_normal, noise_start
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import directions
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_HALVINGS = 15


@attacks.register("hopskipjump")
@dataclass(frozen=True, kw_only=True)
class HopSkipJump(DecisionBased, Iterative, Attack):
    """Estimates the boundary's normal from answers around it, jumps along it, and comes back to the boundary by
    bisection (Chen et al., 2020, Algorithm 2), in `l2` or `linf`.

    Iteration t asks for `evaluations` * sqrt(t) answers, in tens; the last one for as many as the budget leaves, where
    that is a quarter at least.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        evaluations: Answers for the first estimate.
        most: Answers for any estimate.
        gamma: How far around the boundary to ask, and how near to it to come: see the paper's theta.
    """

    queries: int = 25_000
    starts: int = count(100, low=1, high=MOST)
    evaluations: int = count(100, low=GROUP, high=MOST)
    most: int = count(10_000, low=GROUP, high=MOST)
    gamma: float = number(1.0, above=0)

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most < self.evaluations:
            raise SettingError(f"Expected most >= evaluations; got {self.most} and {self.evaluations}.")

    @property
    def length(self) -> int:
        # No iteration but the last costs less than its estimate.
        left, steps = self.queries, 0
        while left > 0:
            left -= GROUP * (int(min(self.evaluations * math.sqrt(steps + 1), self.most)) // GROUP)
            steps += 1
        return steps + 1

    def begin(self, context: Context) -> State:
        x, ball = context.x, context.ball
        point, started, spent = noise_start(min(self.starts, self.queries), context)
        affordable = ops.logical_and(started, spent + self._halvings(x, ball) <= self.queries)
        nearer = self._return(point, context)
        spent = spent + ops.where(affordable, self._halvings(x, ball), 0)
        point = choose(affordable, nearer, point)
        over = self._over(0, started, point, x, ball, spent)
        return (point, started, over, spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        point, started, _, spent = state
        far = ball.distance(point, x)
        width = ops.where(step == 0, 0.1 * ball.full, far * self._theta(x, ball) * self._scale(x, ball))
        count = self._affordable(step, x, ball, spent)
        key, size = random.fold_in(context.key, step), math.prod(x.shape[1:])
        draw = lambda number: directions(key, step, number * GROUP, GROUP, size)  # noqa: E731
        way = ball.steepest(estimated_normal(draw, count, point, width, context), point)
        jumped, halvings = self._jump(point, way, far / ops.sqrt(ops.cast(step, "float32") + 1.0), context)
        back = self._return(jumped, context)
        # Where the bounds cut the jump, the boundary behind it may be farther than the last point.
        following = choose(ball.distance(back, x) < far, back, point)
        spent = spent + count + halvings + self._halvings(x, ball)
        return (following, started, self._over(step + 1, started, following, x, ball, spent), spent)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _over(self, step: Tensor, started: Tensor, point: Tensor, x: Tensor, ball: Ball, spent: Tensor) -> Tensor:
        near = ops.logical_and(ball.distance(point, x) <= ball.eps, self.early_stop)
        few = self._affordable(step, x, ball, spent) < ops.maximum(self._evaluations(step) // 4, GROUP)
        return ops.logical_not(started) | near | few

    def _affordable(self, step: Tensor, x: Tensor, ball: Ball, spent: Tensor) -> Tensor:
        """Answers for an estimate (batch,) that leave enough to jump and to come back."""
        left = self.queries - spent - _HALVINGS - self._halvings(x, ball)
        return ops.minimum(self._evaluations(step), GROUP * (left // GROUP))

    def _evaluations(self, step: Tensor) -> Tensor:
        count = self.evaluations * ops.sqrt(ops.cast(step, "float32") + 1.0)
        return GROUP * (ops.cast(ops.minimum(count, float(self.most)), "int32") // GROUP)

    @staticmethod
    def _scale(x: Tensor, ball: Ball) -> float:
        """What theta is multiplied by in the width of an estimate: sqrt(d) in `l2`, d in `linf`."""
        size = math.prod(x.shape[1:])
        return math.sqrt(size) if ball.norm == "l2" else float(size)

    def _theta(self, x: Tensor, ball: Ball) -> float:
        return self.gamma / (math.prod(x.shape[1:]) * self._scale(x, ball))

    def _halvings(self, x: Tensor, ball: Ball) -> int:
        """Bisections on the way back: to theta, and to a thousandth of the distance at least."""
        return max(10, math.ceil(-math.log2(self._theta(x, ball))))

    @staticmethod
    def _jump(point: Tensor, way: Tensor, length: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """As far along the normal as the goal is still reached, halving; and the queries for that (batch,)."""
        goal, ball = context.goal, context.ball

        def halve(_: Tensor, state: State) -> Tensor:
            length, landed, spent = state
            reached = goal.reached(context.model(ball.inside(point + column(length, point) * way)))
            spent = spent + ops.where(landed, 0, 1)
            landed = ops.logical_or(landed, reached)
            return ops.where(landed, length, 0.5 * length), landed, spent

        state = (length, length < 0, ops.zeros_like(goal.y))
        length, landed, spent = backend.loop(_HALVINGS, halve, state, lambda state: ops.all(state[1]))[1]
        return choose(landed, ball.inside(point + column(length, point) * way), point), spent

    def _return(self, point: Tensor, context: Context) -> Tensor:
        """The point nearest to the input, on the way to it, that reaches the goal: a blend, or in `linf` a clip."""
        x, ball = context.x, context.ball
        far = ball.distance(point, x)

        def blend(share: Tensor) -> Tensor:
            if ball.norm == "l2":
                return x + column(share, x) * (point - x)
            limit = column(share * far, x)
            return ops.clip(point, x - limit, x + limit)

        share = bisect(context.model, context.goal, blend, self._halvings(x, ball))
        return choose(share < 1.0, blend(share), point)
