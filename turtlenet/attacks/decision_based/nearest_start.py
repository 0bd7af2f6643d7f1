"""Where a walk begins that stays where it begins."""

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import START, START_HALVINGS, bisect_some, draw_noise
from turtlenet.attacks.goal import choose
from turtlenet.balls.base import column, euclidean
from turtlenet.typing import State, Tensor

_MOST = 100
"""Noise images that are asked about at most."""


def nearest_start(starts: int, queries: int, context: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Where a walk begins that stays in the class where it begins: at the nearest boundary on the way to some noise.

    Each way to noise that reaches the goal is looked along from the input: what lies between may be nearer than what
    bisection finds. Noise is of three kinds in turn until one reaches the goal, see `noise_start`, then one draw a
    pixel.

    Args:
        starts: Noise images whose ways are looked along.
        queries: The most queries, for all of it.
        context: The attempt.

    Returns:
        As `noise_start`.
    """
    model, x, goal, ball, key = context
    places = max(1, (queries - START_HALVINGS) // starts - 1)

    def draw(number: Tensor, state: State) -> Tensor:
        nearest, ways, spent = state
        asks = goes_on(state)
        keys = random.fold_in(key, START + number)
        noise = choose(ways > 0, draw_noise(keys, 0, x, ball), draw_noise(keys, number, x, ball))
        lands = ops.logical_and(asks, goal.reached(model(noise)))

        def look(place: Tensor, state: State) -> Tensor:
            point, left, asked = state
            ahead = x + (ops.cast(place, "float32") + 1.0) / places * (noise - x)
            hit = ops.logical_and(left, goal.reached(model(ahead)))
            return (
                choose(hit, ahead, point),
                ops.logical_and(left, ops.logical_not(hit)),
                asked + ops.where(left, 1, 0),
            )

        follows = ops.logical_and(lands, spent + 1 + places <= queries)
        over = lambda state: ops.logical_not(ops.any(state[1]))  # noqa: E731
        spent = spent + ops.where(asks, 1, 0)
        point, _, spent = backend.loop(places, look, (noise, follows, spent), over)[1]
        better = ops.logical_and(lands, euclidean(point - x) < euclidean(nearest - x))
        nearest = choose(ops.logical_or(better, ops.logical_and(lands, ways == 0)), point, nearest)
        return nearest, ways + ops.cast(lands, "int32"), spent

    def goes_on(state: State) -> Tensor:
        _, ways, spent = state
        most = ops.where(ways > 0, queries - START_HALVINGS - places, queries)
        return ops.logical_and(ways < starts, spent < most)

    nothing = ops.zeros_like(goal.y)
    state = (x, nothing, nothing)
    point, ways, spent = backend.loop(_MOST, draw, state, lambda state: ops.logical_not(ops.any(goes_on(state))))[1]
    affordable = ops.logical_and(ways > 0, spent + START_HALVINGS <= queries)
    blend = lambda share: x + column(share, x) * (point - x)  # noqa: E731
    nearer = blend(bisect_some(affordable, context, blend, START_HALVINGS))
    return choose(affordable, nearer, point), ways > 0, spent + ops.where(affordable, START_HALVINGS, 0)
