"""Square Attack: random squares, and no gradient."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, Verdict, choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.projections import onto_l1
from turtlenet.attacks.query_attack import fold
from turtlenet.attacks.score_based import patches
from turtlenet.balls import Ball
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, Shape, State, Tensor

# Draws are made for so many queries at once: drawing one by one would cost as much as a small model's answer.
_BLOCK = 50
_START = 0x53717561
# After so many queries out of 10,000 the squares' area is halved (Andriushchenko et al., 2020, section 3.1).
_SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@attacks.register("square")
@dataclass(frozen=True, kw_only=True)
class Square(Iterative, Attack):
    """Square Attack (Andriushchenko et al., 2020, algorithms 1 to 3; in L1 as Croce & Hein, 2021, have it).

    Changes a random square of the perturbation and keeps what raises the loss: a black-box attack that needs scores.
    Each example has squares of its own. It stops at an example's success, as it was defined.

    A model that draws random numbers is asked for the mean over several draws, as Qin et al. (2021) have adaptive
    attackers do, and about the best point so far again beside each proposal, in the same fresh draws: what was kept
    for a lucky draw does not stay. It stops where the best point is wrong in each of those draws.

    Args:
        queries: How often to ask the model, in one attempt; of a model that draws random numbers two for a proposal.
        p_init: Share of the pixels in the first squares.
        rescale: Whether the squares shrink over the queries there are; else as they would over 10,000.
        restarts: How often to begin anew.
        loss: Name of the loss to raise: `margin`, `cross_entropy` or `dlr`.
    """

    queries: int = count(5000, low=1, high=MOST)
    p_init: float = number(0.8, above=0, high=1, note="a share of the pixels")
    rescale: bool = True
    restarts: int = count(1, low=1, high=MOST)
    loss: str = one_of("margin", losses.LOSSES)
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    holds_done: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "query"

    @property
    def length(self) -> int:
        # The start is a query too. A random model is asked twice in an iteration, and done after half of them.
        return self.queries - 1

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def begin(self, context: Context) -> State:
        model, x, goal, ball = context.model, context.x, context.goal, context.ball
        image = patches.as_image(x)
        start = random.fold_in(context.key, _START)
        if ball.norm == "linf":
            # Stripes from top to bottom: of all starts, the one that convolutions dislike most.
            start_image = image + ball.eps * random.rademacher(start, (1, *image.shape[2:]))
        else:
            start_image = image + _scaled(patches.tiles(start, image.shape[1:], ball.norm), ball)
        point = _within(ops.reshape(start_image, ops.shape(x)), x, ball)
        logits = model(point)
        best = Best.none(x, model.num_classes).or_better(point, logits, goal.judge(self.loss, logits))
        # No success of a random model is one before it was seen again in other draws.
        reached = ops.zeros_like(best.reached) if model.stochastic else best.reached
        return *best._replace(reached=reached), ops.ones_like(goal.y)

    def between(self, first: Tensor, last: Tensor, state: State, context: Context) -> Tensor:
        begun = first // _BLOCK

        def block(number: Tensor, state: State) -> Tensor:
            place = (begun + number) * _BLOCK
            start, end = ops.maximum(first, place), ops.minimum(last, place + _BLOCK)
            draws = self._draws(begun + number, context.x, context.key)

            def query(step: Tensor, state: State) -> Tensor:
                return self._query(start + step, state, ops.take(draws, start + step - place, axis=1), context)

            return backend.loop(end - start, query, state, self._all_done)[1]

        return backend.loop((last - 1) // _BLOCK + 1 - begun, block, tuple(state), self._all_done)[1]

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        draws = ops.take(self._draws(step // _BLOCK, context.x, context.key), step % _BLOCK, axis=1)
        return self._query(step, state, draws, context)

    def finish(self, state: State, context: Context) -> SearchResult:
        best = Best(*state[:4])
        return SearchResult(best.x, best.logits, queries=state[4])

    def done(self, state: State) -> Tensor:
        return ops.logical_or(state[2], state[4] >= self.queries)

    def _all_done(self, state: State) -> Tensor:
        return ops.all(self.done(state))

    def _draws(self, block: Tensor, x: Tensor, key: Keys) -> Tensor:
        """Uniform numbers for a block of queries: two corners, whether to turn, and a sign for each channel."""
        return random.uniform(random.fold_in(key, block), (_BLOCK, 5 + patches.image_shape(x.shape[1:])[2]))

    def _query(self, step: Tensor, state: State, draws: Tensor, context: Context) -> State:
        x, ball = context.x, context.ball
        best, asked = Best(*state[:4]), state[4]
        sizes = self._sizes(x.shape[1:], least=1 if ball.norm == "linf" else 3)
        stage = ops.sum(ops.cast(step >= ops.convert_to_tensor(self._turns()), "int32"))
        move = _squares if ball.norm == "linf" else _bumps
        point = move(patches.as_image(best.x), patches.as_image(x), draws, sizes, stage, ball)
        point = _within(ops.reshape(point, ops.shape(x)), x, ball)
        over = self.done(state)
        if context.model.stochastic:
            better, asks = self._in_fresh_draws(step, best, point, context), 2
        else:
            logits = context.model(point)
            better, asks = best.or_better(point, logits, context.goal.judge(self.loss, logits)), 1
        # An example whose goal is reached stays as it is and asks no more.
        kept = [choose(over, old, new) for old, new in zip(best, better, strict=True)]
        return *kept, asked + asks * ops.cast(ops.logical_not(over), "int32")

    def _in_fresh_draws(self, step: Tensor, best: Best, point: Tensor, context: Context) -> Best:
        """The better of two points of a random model, by draws that neither was asked in before.

        `reached` tells whether the best point so far was wrong in each of them, which ends the search.
        """
        goal, count = context.goal, context.model.draws
        key = random.keys(context.model.seed, ops.reshape(ops.cast(step, "int32"), (1,)))[0]
        model = context.model.through(lambda seen: seen.drawing(key))

        def ask(point: Tensor) -> tuple[Tensor, Verdict, Tensor]:
            each = model.each(point)
            logits = model.mean(each)
            single = fold(goal, count).reached(ops.reshape(each, (-1, each.shape[-1])))
            return logits, goal.judge(self.loss, logits), ops.all(ops.reshape(single, (-1, count)), axis=1)

        before, verdict, sure = ask(best.x)
        after, other, _ = ask(point)
        won = ops.logical_and(other.better_than(verdict), ops.logical_not(sure))
        loss = ops.where(won, other.loss, verdict.loss)
        return Best(choose(won, point, best.x), choose(won, after, before), sure, loss)

    def _turns(self) -> np.ndarray:
        """The first steps of the squares' second size, third size, ..."""
        total = self.queries if self.rescale else 10_000
        return np.array([min(-(-(bound + 1) * total // 10_000), 2**31 - 1) for bound in _SCHEDULE], "int32")

    def _sizes(self, shape: Shape, least: int) -> np.ndarray:
        """Sides of the squares, stage by stage."""
        height, width, _ = patches.image_shape(shape)
        sides = []
        for stage in range(len(_SCHEDULE) + 1):
            side = max(round(math.sqrt(self.p_init / 2**stage * height * width)), least)
            # In L2 and L1 a square has a middle, so its side is odd.
            sides.append(side if least == 1 else min(side + (side + 1) % 2, height, width))
        return np.array(sides, "int32")


def _squares(best: Tensor, x: Tensor, draws: Tensor, sizes: np.ndarray, stage: Tensor, ball: Ball) -> Tensor:
    """Moves one square to the ball's edge, each channel up or down."""
    side = ops.take(ops.convert_to_tensor(sizes), stage)
    within, _ = patches.window(draws[:, :2], side, x.shape[1:])
    return best + 2.0 * ball.eps * within * patches.signs(draws[:, 5:])


def _bumps(best: Tensor, x: Tensor, draws: Tensor, sizes: np.ndarray, stage: Tensor, ball: Ball) -> Tensor:
    """Takes the perturbation out of one square and puts it, and what is left of the radius, as a bump into another."""
    side = ops.take(ops.convert_to_tensor(sizes), stage)
    near, corner = patches.window(draws[:, :2], side, x.shape[1:])
    far, _ = patches.window(draws[:, 2:4], side, x.shape[1:])
    delta = best - x
    every, channels = (1, 2, 3), x.shape[-1]
    bump = patches.placed(patches.bumps(sizes, ball.norm), stage, corner, draws[:, 4] > 0.5, x.shape[1:])
    old = delta * near / (1e-12 + _length(delta * near, ball.norm, (1, 2)))
    new = (bump * patches.signs(draws[:, 5:]) + old) * near
    both = delta * ops.maximum(near, far)
    if ball.norm == "l2":
        spare = ops.maximum(ball.eps**2 - _length(delta, "l2", every) ** 2, 0.0) / channels
        gain = ops.sqrt(spare + _length(both, "l2", every) ** 2)
    else:
        spare = ops.maximum(ball.eps - _length(delta, "l1", every), 0.0) / channels
        gain = (spare + _length(both, "l1", (1, 2))) * channels
    new = new / (1e-12 + _length(new, ball.norm, (1, 2))) * gain
    return x + _scaled(delta * (1 - far) * (1 - near) + new, ball)


def _scaled(delta: Tensor, ball: Ball) -> Tensor:
    """In L2 all of the radius is used before the bounds cut some of it off."""
    return delta / (1e-12 + _length(delta, "l2", (1, 2, 3))) * ball.eps if ball.norm == "l2" else delta


def _within(point: Tensor, x: Tensor, ball: Ball) -> Tensor:
    # In L1 clipped once more, because sums round.
    if ball.norm == "l1":
        return ball.inside(onto_l1(point, x, ball.eps, *ball.limits(x)))
    return ball.project(point, x)


def _length(delta: Tensor, norm: str, axes: tuple[int, ...]) -> Tensor:
    if norm == "l1":
        return ops.sum(ops.abs(delta), axis=axes, keepdims=True)
    return ops.sqrt(ops.sum(ops.square(delta), axis=axes, keepdims=True))
