"""What attacks by decisions have in common: where to start, and how to come back to the boundary."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.attacks.query_attack import cosines, fold, fold_keys, grid
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.classifier import Classifier
from turtlenet.ranges import count
from turtlenet.typing import Keys, Shape, State, Tensor

GROUP = 10
"""Answers about a boundary that are asked for at once."""
_KINDS = 3
START_HALVINGS = 15
START = 0x60000000
"""Numbers of the draws of starts, far from those of iterations."""


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
        noise = draw_noise(random.fold_in(key, START + number), number, x, ball)
        reached = goal.reached(model(noise))
        spent = spent + ops.where(started, 0, 1)
        return choose(ops.logical_and(reached, ops.logical_not(started)), noise, point), started | reached, spent

    state = (x, goal.y < 0, ops.zeros_like(goal.y))
    return backend.loop(tries, draw, state, lambda state: ops.all(state[1]))[1]


def boundary_start(attack: Any, context: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Where a walk begins at the boundary: between the input and the first noise that reaches the goal.

    Args:
        attack: Tells `starts` and `queries`, of which these are part.
        context: The attempt.

    Returns:
        As `noise_start`.
    """
    x = context.x
    point, started, spent = noise_start(min(attack.starts, attack.queries), context)
    affordable = ops.logical_and(started, spent + START_HALVINGS <= attack.queries)

    def blend(share: Tensor) -> Tensor:
        return x + column(share, x) * (point - x)

    nearer = blend(bisect(context.model, context.goal, blend, START_HALVINGS))
    return choose(affordable, nearer, point), started, spent + ops.where(affordable, START_HALVINGS, 0)


def draw_noise(key: Keys, number: Tensor, x: Tensor, ball: Ball) -> Tensor:
    """Noise within the bounds, shaped like the inputs, of a kind by its number; see `noise_start`."""
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
    low, high = ball.limits(x)
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


def bisect_some(where: Tensor, context: Context, blend: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """`bisect` for a context, unless no example of the batch needs it: nothing is asked then.

    Args:
        where: Examples that need it, bool (batch,); the shares of others mean nothing.
        context: The attempt.
        blend: See `bisect`.
        count: Likewise.
    """
    one = ops.ones_like(ops.cast(where, "float32"))
    return ops.cond(ops.any(where), lambda: bisect(context.model, context.goal, blend, count), lambda: one)


def estimated_normal(
    draw: Callable[[Tensor], tuple[Tensor, Tensor]], count: Tensor, point: Tensor, width: Tensor, context: Context
) -> Tensor:
    """The normal of the boundary, by answers around a point of it (Chen et al., 2020, equation 16).

    The answers less their mean, times where they were asked for.

    Args:
        draw: Gives the directions of a group by its number, (batch, GROUP, values), and their lengths (GROUP,) or
            (batch, GROUP).
        count: Answers to ask for, multiples of `GROUP`, int32 (batch,).
        point: A point at the boundary, float32 (batch, ...).
        width: How far around it to ask, (batch,).
        context: The attempt.

    Returns:
        A direction towards where the goal is reached, shaped like `point`, of no certain length.
    """
    around = ops.reshape(point, (-1, 1, math.prod(point.shape[1:])))
    whole = fold(context.goal, GROUP)

    def ask(number: Tensor, state: State) -> Tensor:
        directions, length = draw(number)
        candidates = context.ball.inside(around + directions * (width[:, None] / length)[:, :, None])
        reached = whole.reached(context.model(ops.reshape(candidates, (-1, *point.shape[1:]))))
        asked = ops.ones_like(directions[:, :, 0]) * ops.cast(number * GROUP < count, "float32")[:, None]
        answers = asked * (2.0 * ops.cast(ops.reshape(reached, (-1, GROUP)), "float32") - 1.0)
        both = ops.matmul(ops.stack([answers, asked], axis=1), candidates - around)
        return state[0] + both, state[1] + ops.sum(answers, axis=1)

    nothing = ops.concatenate([ops.zeros_like(around)] * 2, axis=1)
    both, total = backend.loop(ops.max(count) // GROUP, ask, (nothing, nothing[:, 0, 0]))[1]
    mean = (total / ops.maximum(ops.cast(count, "float32"), 1.0))[:, None]
    # Where all answers agree, the mean direction is all that there is.
    way = ops.where(ops.abs(mean) == 1.0, both[:, 0], both[:, 0] - mean * both[:, 1])
    return ops.reshape(way, ops.shape(point))


def waves(key: Keys, number: Tensor, count: int, shape: Shape, most: int) -> tuple[Tensor, Tensor]:
    """Draws smooth Gaussian directions: mixtures of the cosine waves of lowest frequency, channel by channel.

    Args:
        key: The examples' keys of this step.
        number: Number of the first direction, an int32 scalar.
        count: How many.
        shape: Of an input.
        most: Waves along each side; all there are, if fewer.

    Returns:
        Directions (batch, count, values), and their lengths (batch, count).
    """
    rows, columns, channels = grid(shape)
    high, wide = min(most, rows), min(most, columns)
    keys, numbers = fold_keys(key, number, count)
    sizes = random.normal(random.fold_in(keys, numbers), (channels, high, wide))
    across = ops.matmul(sizes, ops.convert_to_tensor(cosines(columns)[:wide]))
    images = ops.matmul(ops.convert_to_tensor(cosines(rows)[:high].T), across)
    flat = ops.reshape(ops.moveaxis(images, 1, -1), (-1, count, math.prod(shape)))
    # The waves are orthonormal.
    length = ops.sqrt(ops.sum(ops.square(ops.reshape(sizes, (-1, count, channels * high * wide))), axis=2))
    return flat, ops.maximum(length, 1e-12)
