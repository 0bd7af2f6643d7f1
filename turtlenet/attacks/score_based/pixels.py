"""A few pixels, changed by as much as it takes; and the first idea: a single random one."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, grid, try_all
from turtlenet.attacks.score_based.base import ScoreBased
from turtlenet.balls import Ball
from turtlenet.typing import State, Tensor


def room(ball: Ball, channels: int) -> Tensor:
    """How many pixels the ball lets one change, all channels of each; the radius of `l0` counts single values."""
    return ops.floor(ops.cast(ball.eps, "float32") / channels)


@attacks.register("single-pixel")
@dataclass(frozen=True, kw_only=True)
class SinglePixel(ScoreBased, Iterative, Attack):
    """Sets one random pixel to the darkest and to the brightest there is, then another (Narodytska & Kasiviswanathan,
    2017, section 4: the baseline of random single pixels)."""

    queries: int = 2_000

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_budget(self.queries, 2, "a pixel in both its extremes")

    @property
    def length(self) -> int:
        return self.queries // 2

    def begin(self, context: Context) -> State:
        x = context.x
        rows, columns, _ = grid(x.shape[1:])
        order = ops.argsort(random.uniform(random.fold_in(context.key, 0), (rows * columns,)), axis=1)
        return (*Best.none(x, context.model.num_classes), ops.cast(order, "int32"), ops.zeros_like(context.goal.y))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        *known, order, spent = state
        rows, columns, channels = grid(x.shape[1:])
        # Steps beyond the last pixel do nothing: see `done`.
        place = ops.take(order, ops.minimum(step, rows * columns - 1), axis=1)
        mask = ops.one_hot(place, rows * columns, dtype="float32")[:, None, :, None]
        flat = ops.reshape(x, (-1, 1, rows * columns, channels))
        extremes = ops.reshape(ops.convert_to_tensor([ball.low, ball.high], "float32"), (1, 2, 1, 1))
        both = ops.where(mask > 0, extremes, flat)
        allowed = ops.broadcast_to(room(ball, channels) >= 1, ops.shape(spent))
        candidates = ops.reshape(both, (-1, *x.shape[1:]))
        best, _ = try_all(context.model, context.goal, self.loss, Best(*known), candidates, 2, allowed)
        return (*best, order, spent + 2)

    def done(self, state: State) -> Tensor:
        return ops.logical_or(super().done(state), state[-1] >= 2 * state[-2].shape[1])
