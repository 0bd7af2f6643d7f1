"""What attacks by scores have in common: the best point so far, and slopes from differences."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from turtlenet import backend, losses
from turtlenet.attacks.base import MOST
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, Goal
from turtlenet.attacks.query_attack import fold
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import count, one_of
from turtlenet.typing import State, Tensor


@dataclass(frozen=True, kw_only=True)
class ScoreBased:
    """A search that climbs a loss within the ball and keeps the best point: a base beside `Iterative`.

    The state begins with the best point, a `Best`, and ends with the passes so far, int32 (batch,).

    Args:
        queries: The most forward passes that the search may take for an example, in each attempt. Making sure of what
            it found takes up to two more.
        loss: Name of the per-example loss to climb: `cross_entropy`, `margin`, `probability_margin`, `dlr` or `kl`.
    """

    queries: int = count(10_000, low=1, high=MOST)
    loss: str = one_of("cross_entropy", losses.LOSSES)
    early_stop: bool = True

    @property
    def family(self) -> str:
        return "query"

    def done(self, state: State) -> Tensor:
        reached = Best(*state[:4]).reached
        return reached if self.early_stop else ops.zeros_like(reached)

    def finish(self, state: State, context: Context) -> SearchResult:
        best = Best(*state[:4])
        return SearchResult(best.x, best.logits, queries=state[-1])


def slope(
    model: Classifier,
    loss: Callable[[Goal, Tensor], Tensor],
    point: Tensor,
    goal: Goal,
    directions: Callable[[Tensor], Tensor],
    *,
    groups: int,
    size: int,
    delta: float,
    ball: Ball,
) -> Tensor:
    """Estimates a gradient: the mean over directions of the symmetric difference along each, times the direction.

    Args:
        model: Gives logits (batch, classes).
        loss: Maps a goal and logits to what to climb, float32 (batch,).
        point: Where, float32 (batch, ...).
        goal: Labels and targets.
        directions: Maps a group's number to `size` directions for each example, (batch, size, values).
        groups: Number of groups; one goes through the model at a time.
        delta: How far to go along a direction, in input units; pixel bounds may stop it short.
        ball: Gives the bounds.

    Returns:
        The estimate, (batch, values).
    """
    values = math.prod(point.shape[1:])
    around = ops.reshape(point, (-1, 1, 1, values))
    whole = fold(goal, 2 * size)

    def add(number: Tensor, state: State) -> Tensor:
        ways = directions(number)
        both = ops.stack([ways, -ways], axis=2)
        rows = ops.reshape(ball.inside(around + delta * both), (-1, *point.shape[1:]))
        heights = ops.reshape(loss(whole, model(rows)), (-1, size, 2))
        rise = (heights[:, :, 0] - heights[:, :, 1]) / (2.0 * delta)
        return (state[0] + ops.sum(rise[:, :, None] * ways, axis=1),)

    nothing = ops.zeros_like(ops.reshape(point, (-1, values)))
    return backend.loop(groups, add, (nothing,))[1][0] / float(groups * size)
