"""What attacks by decisions have in common: where to start, and how to come back to the boundary."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.attacks.query_attack import grid
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.classifier import Classifier
from turtlenet.ranges import count
from turtlenet.typing import Keys, State, Tensor

_KINDS = 3
# Draws of starts, far from the numbers of iterations.
_START = 0x60000000


@dataclass(frozen=True, kw_only=True)
class DecisionBased:
    """Looks for the smallest perturbation by nothing but answers: a base beside `Iterative`.

    The state begins with the nearest point so far, and ends with the passes so far, int32 (batch,).

    Args:
        queries: The most forward passes that the search may take for an example, in each attempt. Making sure of what
            it found takes up to two more.
    """

    queries: int = count(10_000, low=1, high=MOST)

    minimal: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "decision"

    def finish(self, state: State, context: Context) -> SearchResult:
        return SearchResult(state[0], queries=state[-1])


def noise_start(tries: int, context: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Where a walk may begin: far away, at noise that reaches the goal.

    Noise of three kinds in turn, because a model may answer all noise of one kind alike, and alike to an image: one
    draw a pixel; one draw a block of an eighth of the image; black and white in random shares. A targeted attack needs
    noise that the model takes for the target, and on many models finds none.

    Args:
        tries: How many noise images to try at most, a query each.
        context: The attempt.

    Returns:
        The first noise that reaches the goal (batch, ...), the input where none does; whether there is one, bool
        (batch,); and the queries for it, int32 (batch,).
    """
    model, x, goal, ball, key = context

    def draw(number: Tensor, state: State) -> Tensor:
        point, started, spent = state
        noise = _noise(random.fold_in(key, _START + number), number, x, ball)
        reached = goal.reached(model(noise))
        spent = spent + ops.where(started, 0, 1)
        return choose(ops.logical_and(reached, ops.logical_not(started)), noise, point), started | reached, spent

    state = (x, goal.y < 0, ops.zeros_like(goal.y))
    return backend.loop(tries, draw, state, lambda state: ops.all(state[1]))[1]


def _noise(key: Keys, number: Tensor, x: Tensor, ball: Ball) -> Tensor:
    rows, columns, channels = grid(x.shape[1:])
    draw = random.uniform(random.fold_in(key, 0), (rows, columns, channels))
    places = [
        ops.convert_to_tensor([place * min(count, 8) // count for place in range(count)], "int32")
        for count in (rows, columns)
    ]
    blocks = ops.take(ops.take(draw, places[0], axis=1), places[1], axis=2)
    share = random.uniform(random.fold_in(key, 1), ())
    two = ops.cast(draw < column(share, draw), "float32")
    kind = ops.mod(number, _KINDS)
    noise = ops.where(kind == 0, draw, ops.where(kind == 1, blocks, two))
    low, high = ball.box
    return ops.reshape(low + (high - low) * ops.reshape(noise, (-1, math.prod(x.shape[1:]))), ops.shape(x))


def bisect(model: Classifier, goal: Goal, blend: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """Halves an interval `count` times, a query each.

    Args:
        model: Gives logits (batch, classes).
        goal: Labels and targets.
        blend: Maps shares (batch,) to points; at 1 the goal is reached, at 0 it is not.

    Returns:
        The smallest share that was seen to reach the goal, (batch,).
    """

    def halve(_: Tensor, state: State) -> Tensor:
        low, high = state
        middle = 0.5 * (low + high)
        reached = goal.reached(model(blend(middle)))
        return ops.where(reached, low, middle), ops.where(reached, middle, high)

    one = ops.ones_like(ops.cast(goal.y, "float32"))
    return backend.loop(count, halve, (0.0 * one, one))[1][1]
