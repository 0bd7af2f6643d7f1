"""GeoDA."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import GROUP, DecisionBased, bisect, boundary_start, estimated_normal, waves
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor


@attacks.register("geoda")
@dataclass(frozen=True, kw_only=True)
class GeoDA(DecisionBased, Iterative, Attack):
    """Takes the boundary for a plane: estimates its normal, and goes from the input along that (Rahmati et al., 2020,
    Algorithm 1), in `l2` or `linf`.

    Directions are drawn from cosine waves of low frequency. Iteration t asks for `shrink`^(-2t/3) times as many
    answers as the first, which the paper shows to be the best use of a budget; all of it is spent. The step goes from
    the input along the normal (in `linf` its sign) until the goal is reached, by bisection; a farther point than
    before is not taken.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        iterations: How often to estimate the normal.
        shrink: By what the distance to the best point shrinks in an iteration, as far as it is known before: lambda.
        sigma: How far around the boundary to ask, as a share of the distance to it.
        waves: Cosine waves along each side that directions are made of.
        halvings: Queries for each bisection.
    """

    starts: int = count(100, low=1, high=MOST)
    iterations: int = count(20, low=1, high=1000)
    shrink: float = number(0.6, above=0, high=1)
    sigma: float = number(0.02, above=0)
    waves: int = count(10, low=1)
    halvings: int = count(10, low=1, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    @property
    def length(self) -> int:
        return self.iterations

    def begin(self, context: Context) -> State:
        point, started, spent = boundary_start(self, context)
        return (point, started, self._over(ops.logical_not(started), point, spent, context), spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        point, started, _, spent = state
        count = self._answers(step, spent)
        key = random.fold_in(context.key, step)
        draw = lambda number: waves(key, number * GROUP, GROUP, x.shape[1:], self.waves)  # noqa: E731
        euclidean = ops.sqrt(ops.sum(ops.square(point - x), axis=tuple(range(1, len(x.shape)))))
        normal = estimated_normal(draw, count, point, self.sigma * euclidean, context)
        way, far = ball.steepest(normal, x), ball.distance(point, x)
        # The bounds may cut the step: it is given as much more as the last point was long.
        blend = lambda share: ball.inside(x + column(share * 2.0 * far, x) * way)  # noqa: E731
        lands = context.goal.reached(context.model(blend(ops.ones_like(far))))
        ahead = blend(bisect(context.model, context.goal, blend, self.halvings))
        better = ops.logical_and(lands, ball.distance(ahead, x) < far)
        following = choose(better, ahead, point)
        spent = spent + count + 1 + self.halvings
        return (following, started, self._over(ops.logical_not(started), following, spent, context), spent)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _answers(self, step: Tensor, spent: Tensor) -> Tensor:
        """Answers for the estimate of an iteration, int32 (batch,): its share of what is left, in groups."""
        # From the last back, which has 1: many iterations would grow beyond all numbers.
        shares = [self.shrink ** (2.0 / 3.0 * back) for back in range(self.iterations)]
        # Of what is left now, the share of this iteration among all that are still to come.
        parts = [share / total for share, total in zip(shares, itertools.accumulate(shares), strict=True)][::-1]
        part = ops.take(ops.convert_to_tensor(parts, "float32"), step)
        left = self.queries - spent - (self.iterations - step) * (1 + self.halvings)
        wanted = ops.cast(part * ops.cast(left, "float32") / GROUP, "int32")
        return GROUP * ops.maximum(wanted, 1)

    def _over(self, ended: Tensor, point: Tensor, spent: Tensor, context: Context) -> Tensor:
        near = ops.logical_and(context.ball.distance(point, context.x) <= context.ball.eps, self.early_stop)
        return ended | near | (spent + GROUP + 1 + self.halvings > self.queries)
