"""The simple black-box attack."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, cosines, grid
from turtlenet.attacks.score_based.base import ScoreBased
from turtlenet.balls.base import column
from turtlenet.ranges import number, one_of
from turtlenet.typing import Shape, State, Tensor


@attacks.register("simba")
@dataclass(frozen=True, kw_only=True)
class SimBA(ScoreBased, Iterative, Attack):
    """Walks along orthonormal directions in random order, this way or that, where the score falls (Guo et al., 2019,
    Algorithm 1).

    The paper knows no radius: `simba:norm=l2,eps=inf` is its own attack. Every query is one step of every example,
    whether it is about to try the one way or the other.

    Args:
        basis: `pixel`, or `dct` for waves of a whole channel (section 3.3).
        step: Length of a step, in input units.
        frequencies: Share of the lowest frequencies in each axis that `dct` uses; the paper uses 1/8 on ImageNet.
    """

    basis: str = one_of("pixel", ("pixel", "dct"))
    step: float = number(0.2, above=0)
    frequencies: float = number(0.25, above=0, high=1, note="a share of them")

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_budget(self.queries, 2, "a first look and a step")

    @property
    def length(self) -> int:
        return self.queries - 1

    def begin(self, context: Context) -> State:
        model, x, goal = context.model, context.x, context.goal
        logits = model(x)
        best = Best.none(x, model.num_classes).or_better(x, logits, goal.judge(self.loss, logits))
        order = ops.argsort(random.uniform(random.fold_in(context.key, 0), (self._count(x.shape[1:]),)), axis=1)
        nothing = ops.zeros_like(goal.y)
        return (*best, ops.cast(order, "int32"), nothing, ops.ones_like(best.loss), nothing + 1)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x = context.x
        *known, order, place, side, spent = state
        best = Best(*known)
        which = ops.take_along_axis(order, ops.mod(place, order.shape[1])[:, None], axis=1)[:, 0]
        way = ops.reshape(self._direction(which, x.shape[1:]), ops.shape(x))
        candidate = context.ball.project(best.x + self.step * column(side, x) * way, x)
        logits = context.model(candidate)
        after = best.or_better(candidate, logits, context.goal.judge(self.loss, logits))
        won = ops.logical_or(after.loss != best.loss, after.reached != best.reached)
        over = ops.logical_or(won, side < 0)
        place = place + ops.cast(over, "int32")
        return (*after, order, place, ops.where(over, 1.0, -1.0), spent + 1)

    def _lowest(self, size: int) -> int:
        return max(1, int(self.frequencies * size))

    def _count(self, shape: Shape) -> int:
        """The number of directions."""
        if self.basis == "pixel":
            return math.prod(shape)
        rows, columns, channels = grid(shape)
        return self._lowest(rows) * self._lowest(columns) * channels

    def _direction(self, which: Tensor, shape: Shape) -> Tensor:
        """The directions with these numbers, (batch, values)."""
        if self.basis == "pixel":
            return ops.one_hot(which, math.prod(shape), dtype="float32")
        rows, columns, channels = grid(shape)
        low = self._lowest(columns)
        across = ops.take(cosines(columns), ops.mod(which // channels, low), axis=0)
        down = ops.take(cosines(rows), which // (channels * low), axis=0)
        channel = ops.one_hot(ops.mod(which, channels), channels, dtype="float32")
        return down[:, :, None, None] * across[:, None, :, None] * channel[:, None, None, :]
