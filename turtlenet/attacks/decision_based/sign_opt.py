"""Sign-OPT."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import GROUP, DecisionBased, bisect_some, boundary_start, estimated_normal
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import directions
from turtlenet.balls.base import column, euclidean, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_TRIALS = 15
_GROWTH, _DECAY = 2.0, 0.25
_LEAST, _MOST = 1e-4, 4.0


@attacks.register("sign-opt")
@dataclass(frozen=True, kw_only=True)
class SignOPT(DecisionBased, Iterative, Attack):
    """Sign-OPT (Cheng et al., 2020, Algorithm 1), in `l2`.

    Looks for the direction from the input in which the boundary is nearest. One answer, at the distance of the
    boundary in a direction nearby, tells whether it is nearer there: the sign of a directional derivative. The mean of
    the directions by these signs is where to turn. The turn is doubled as long as the boundary comes nearer, or
    quartered until it does; each nearer distance is found by bisection.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        evaluations: Answers for an estimate.
        nearby: How far from the direction to ask, as a share of the distance to the boundary.
        turn: The first turn, as the tangent of its angle.
        halvings: Queries for each bisection.
    """

    starts: int = count(100, low=1, high=MOST)
    evaluations: int = count(200, low=GROUP, high=MOST)
    nearby: float = number(0.01, above=0)
    turn: float = number(0.2, above=0)
    halvings: int = count(10, low=1, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    @property
    def length(self) -> int:
        return -(-self.queries // (self._evaluations + 1))

    @property
    def _evaluations(self) -> int:
        return GROUP * (self.evaluations // GROUP)

    def begin(self, context: Context) -> State:
        point, started, spent = boundary_start(self, context)
        turn = self.turn + 0.0 * ops.cast(spent, "float32")
        return (point, turn, self._over(ops.logical_not(started), point, spent, context), spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, size = context.x, math.prod(context.x.shape[1:])
        point, turn, ended, spent = state
        far = ops.maximum(euclidean(point - x), 1e-12)
        straight = flat(point - x) / far[:, None]
        left = self.queries - spent - 1 - self.halvings
        count = ops.minimum(self._evaluations, GROUP * (left // GROUP))
        key = random.fold_in(context.key, step)

        def across(number: Tensor) -> tuple[Tensor, Tensor]:
            # To the first order, so far around the direction is so far around it on the sphere.
            drawn, length = directions(key, step, number * GROUP, GROUP, size)
            along = ops.sum(drawn * straight[:, None, :], axis=2, keepdims=True)
            return drawn - along * straight[:, None, :], length

        way = flat(estimated_normal(across, count, point, self.nearby * far, context))
        way = way / ops.maximum(ops.sqrt(ops.sum(ops.square(way), axis=1, keepdims=True)), 1e-12)
        point, turn, spent = self._turned(straight, way, point, turn, spent + count, context)
        return (point, turn, self._over(ended, point, spent, context), spent)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _turned(
        self, straight: Tensor, way: Tensor, point: Tensor, turn: Tensor, spent: Tensor, context: Context
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest point over growing, or shrinking, turns; the last good turn, and the queries so far."""
        x = context.x

        def attempt(_: Tensor, state: State) -> Tensor:
            point, turn, good, over, spent = state
            ahead = straight + turn[:, None] * way
            ahead = ahead / ops.sqrt(ops.sum(ops.square(ahead), axis=1, keepdims=True))
            reach = ops.reshape(euclidean(point - x)[:, None] * ahead, ops.shape(x))
            blend = lambda share: context.ball.inside(x + column(share, x) * reach)  # noqa: E731
            lands = context.goal.reached(context.model(blend(ops.ones_like(turn))))
            lands = ops.logical_and(lands, ops.logical_not(over))
            found = blend(bisect_some(lands, context, blend, self.halvings))
            nearer = ops.logical_and(lands, euclidean(found - x) < euclidean(point - x))
            spent = spent + ops.where(over, 0, 1 + ops.where(lands, self.halvings, 0))
            stops = ops.logical_and(ops.logical_not(nearer), good)
            next_turn = ops.where(nearer, turn * _GROWTH, ops.where(good, turn / _GROWTH, turn * _DECAY))
            turn = ops.where(over, turn, ops.clip(next_turn, _LEAST, _MOST))
            over = over | stops | (spent + 1 + self.halvings > self.queries)
            return choose(nearer, found, point), turn, ops.logical_or(good, nearer), over, spent

        nothing = spent < 0
        state = (point, turn, nothing, spent + 1 + self.halvings > self.queries, spent)
        point, turn, _, _, spent = backend.loop(_TRIALS, attempt, state, lambda state: ops.all(state[3]))[1]
        # A turn that found nothing begins anew.
        return point, ops.where(turn <= _LEAST, self.turn, turn), spent

    def _over(self, ended: Tensor, point: Tensor, spent: Tensor, context: Context) -> Tensor:
        near = ops.logical_and(context.ball.distance(point, context.x) <= context.ball.eps, self.early_stop)
        return ended | near | (spent + GROUP + 1 + self.halvings > self.queries)
