"""The pointwise attack."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import DecisionBased, noise_start
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.ranges import count
from turtlenet.typing import State, Tensor


@attacks.register("pointwise")
@dataclass(frozen=True, kw_only=True)
class Pointwise(DecisionBased, Iterative, Attack):
    """Sets values of a noise image back to the input's, one after the other in random order, as long as the goal stays
    reached, until none can be set back (Schott et al., 2019, section 5).

    Twice as many at once after each success, half as many after each failure: the end is as minimal, since no single
    value can be set back then, and comes with a fraction of the queries.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
    """

    starts: int = count(100, low=1, high=MOST)

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    @property
    def length(self) -> int:
        return self.queries

    def begin(self, context: Context) -> State:
        x = context.x
        point, started, spent = noise_start(min(self.starts, self.queries), context)
        # Twice sorted: each value's place in the order, which is drawn once and serves every pass.
        drawn = ops.argsort(random.uniform(context.key, (math.prod(x.shape[1:]),)), axis=1)
        order = ops.cast(ops.argsort(drawn, axis=1), "int32")
        place = ops.zeros_like(context.goal.y)
        over = self._over(ops.logical_not(started), point, x, context.ball, spent)
        # The place in the order, how many at once, and whether this pass has set anything back.
        return (choose(started, point, x), order, place, place + 1, place < 0, over, spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x = context.x
        point, order, place, size, any_back, _, spent = state
        # On to the next value that differs.
        place = ops.min(ops.where(self._ahead(point, x, order, place), order, order.shape[1]), axis=1)
        here = ops.logical_and(order >= place[:, None], order < (place + size)[:, None])
        candidate = ops.where(ops.reshape(here, ops.shape(x)), x, point)
        reached = context.goal.reached(context.model(candidate))
        point = choose(reached, candidate, point)
        place = place + ops.where(ops.logical_or(reached, size == 1), size, 0)
        size = ops.where(reached, 2 * size, ops.maximum(size // 2, 1))
        any_back = ops.logical_or(any_back, reached)
        ended = ops.logical_not(ops.any(self._ahead(point, x, order, place), axis=1))
        over = self._over(ops.logical_and(ended, ops.logical_not(any_back)), point, x, context.ball, spent + 1)
        again = ops.logical_not(ended)
        place, any_back = ops.where(again, place, 0), ops.logical_and(any_back, again)
        return (point, order, place, size, any_back, over, spent + 1)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _over(self, ended: Tensor, point: Tensor, x: Tensor, ball: Ball, spent: Tensor) -> Tensor:
        near = ops.logical_and(ball.distance(point, x) <= ball.eps, self.early_stop)
        return ended | near | (spent >= self.queries)

    @staticmethod
    def _ahead(point: Tensor, x: Tensor, order: Tensor, place: Tensor) -> Tensor:
        """Which values differ from the input and are still to come in this pass, (batch, values)."""
        return ops.logical_and(ops.reshape(point != x, ops.shape(order)), order >= place[:, None])
