"""Greedy local search over pixels."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, grid, most_of, try_all
from turtlenet.attacks.score_based.base import ScoreBased
from turtlenet.attacks.score_based.pixels import room
from turtlenet.balls import Ball
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_GROUP = 16


@attacks.register("local-search")
@dataclass(frozen=True, kw_only=True)
class LocalSearch(ScoreBased, Iterative, Attack):
    """Greedy local search (Narodytska & Kasiviswanathan, 2017, Algorithm 2, LocSearchAdv).

    A round asks for the score with each of some candidate pixels set to an extreme, changes those that hurt most for
    good, and goes on around them. A query that succeeds by itself counts too. A round costs a query for each
    candidate, and one.

    Args:
        candidates: Pixels to ask about in a round; at first anywhere, later near those of the last round.
        chosen: How many of them a round changes (the paper's t).
        reach: How far around them the next round looks, in pixels (d).
        factor: What a change multiplies the pixel's distance from mid-gray by; what leaves the bounds comes in again
            at the other end (r, and the function CYCLIC).
    """

    candidates: int = count(128, low=1, high=MOST)
    chosen: int = count(5, low=1, high=MOST)
    reach: int = count(5, low=1, high=MOST)
    factor: float = number(1.5, above=0, high=2)

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chosen > self.candidates:
            raise SettingError(f"Expected chosen <= candidates; got {self.chosen} and {self.candidates}.")
        check_budget(self.queries, self.candidates + 1, f"a round of {self.candidates} candidates")

    @property
    def length(self) -> int:
        return self.queries // (self.candidates + 1)

    def begin(self, context: Context) -> State:
        x = context.x
        rows, columns, channels = grid(x.shape[1:])
        image = ops.reshape(x, (-1, rows * columns, channels))
        anywhere = ops.ones_like(image[:, :, 0])
        return (
            *Best.none(x, context.model.num_classes),
            image,
            anywhere,
            0.0 * anywhere,
            ops.zeros_like(context.goal.y),
        )

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        *known, image, near, changed, spent = state
        rows, columns, channels = grid(x.shape[1:])
        count, chosen = (min(number, rows * columns) for number in (self.candidates, self.chosen))
        # Where fewer pixels are near than asked for, random others fill up.
        drawn = ops.top_k(near + random.uniform(random.fold_in(context.key, step), (rows * columns,)), count)[1]
        left = room(ball, channels) - ops.sum(changed, axis=1)
        best, harm = self._ask(Best(*known), image, drawn, left, context)
        worst = ops.take_along_axis(drawn, ops.top_k(harm, chosen)[1], axis=1)
        ordered = ops.one_hot(worst, rows * columns, dtype="float32")
        # Changing a pixel again takes nothing of the radius; of the others as many are changed as it allows.
        fresh = 1.0 - ops.sum(ordered * changed[:, None, :], axis=2)
        fits = ops.cast(ops.cumsum(fresh, axis=1) <= left[:, None], "float32")
        picked = ops.sum(ordered * fits[:, :, None], axis=1)
        image = ops.where(picked[:, :, None] > 0, self._cyclic(image, ball), image)
        point = ops.reshape(image, ops.shape(x))
        logits = context.model(point)
        best = best.or_better(point, logits, context.goal.judge(self.loss, logits))
        spread = ops.reshape(ops.max(ordered, axis=1), (-1, rows, columns, 1))
        window = tuple(min(2 * self.reach + 1, 2 * size - 1) for size in (rows, columns))
        near = ops.reshape(ops.max_pool(spread, window, strides=1, padding="same"), ops.shape(near))
        return (*best, image, near, ops.maximum(changed, picked), spent + count + 1)

    def _ask(self, best: Best, image: Tensor, drawn: Tensor, left: Tensor, context: Context) -> tuple[Best, Tensor]:
        """The losses (batch, candidates) with each candidate at the extreme on its own side of mid-gray (PERT)."""
        ball = context.ball
        pixels, count = image.shape[1], drawn.shape[1]
        size = most_of(count, _GROUP)
        middle = 0.5 * (ball.low + ball.high)
        extreme = ops.where(image > middle, ball.high, ball.low)[:, None]

        def ask(number: Tensor, state: State) -> Tensor:
            best, harm = Best(*state[:-1]), state[-1]
            group = ops.take(ops.reshape(drawn, (-1, count // size, size)), number, axis=1)
            mask = ops.one_hot(group, pixels, dtype="float32")[..., None]
            candidates = ops.reshape(ops.where(mask > 0, extreme, image[:, None]), (-1, *context.x.shape[1:]))
            best, heights = try_all(context.model, context.goal, self.loss, best, candidates, size, left >= 1)
            here = ops.one_hot(number, count // size, dtype="float32")[None, :, None]
            return (*best, harm + here * heights[:, None, :])

        harm = ops.zeros_like(ops.cast(ops.reshape(drawn, (-1, count // size, size)), "float32"))
        *known, harm = backend.loop(count // size, ask, (*best, harm))[1]
        return Best(*known), ops.reshape(harm, (-1, count))

    def _cyclic(self, image: Tensor, ball: Ball) -> Tensor:
        half = 0.5 * (ball.high - ball.low)
        far = self.factor * (image - 0.5 * (ball.low + ball.high))
        wrapped = ops.where(far > half, far - 2.0 * half, ops.where(far < -half, far + 2.0 * half, far))
        return ball.inside(wrapped + 0.5 * (ball.low + ball.high))
