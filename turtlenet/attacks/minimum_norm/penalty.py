"""A distance and a weighted loss brought down together, and the search for the least weight that succeeds."""

import abc
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from turtlenet.attacks.base import MOST, Attack
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import Labels, State, Tensor

# The upper end of the search for the weight (nn_robust_attacks).
_LARGEST = 1e10
# How often a search checks its progress, and the share of the objective above which there is none.
_LOOKS = 10
_NOWHERE = 0.9999


class Bracket(NamedTuple):
    """Where each example stands in the search for its weight, all of shape (batch,).

    Attributes:
        low: The largest weight that failed, or 0.
        high: The smallest that succeeded, or `_LARGEST`.
        c: The weight now.
        search: Number of the search, int32.
        count: Iterations in this search, int32.
        hit: Whether this search has succeeded.
        before: The objective when last looked at.
    """

    low: Tensor
    high: Tensor
    c: Tensor
    search: Tensor
    count: Tensor
    hit: Tensor
    before: Tensor

    @staticmethod
    def of(c: float, y: Labels) -> "Bracket":
        """Before the first search."""
        none = ops.zeros_like(y)
        zero = ops.cast(none, "float32")
        return Bracket(zero, zero + _LARGEST, zero + c, none, none, none > 0, zero + float("inf"))

    def next_search(self) -> "Bracket":
        """The next weight: halfway, or ten times as much as long as none has succeeded."""
        low = ops.where(self.hit, self.low, ops.maximum(self.low, self.c))
        high = ops.where(self.hit, ops.minimum(self.high, self.c), self.high)
        c = ops.where(high < _LARGEST, (low + high) / 2, self.c * 10)
        none = ops.zeros_like(self.search)
        return Bracket(low, high, c, self.search + 1, none, none > 0, ops.full_like(c, float("inf")))


class Explored(NamedTuple):
    """What one iteration of a search gives.

    Attributes:
        inner: The search's own state after it.
        point: A point that was looked at.
        reached: Whether it is a success.
        objective: What is brought down, at that point.
        over: Whether the search has arrived, bool (batch,).
        queries: Forward passes beside the one gradient.
    """

    inner: State
    point: Tensor
    reached: Tensor
    objective: Tensor
    over: Tensor
    queries: int = 0


@dataclass(frozen=True, kw_only=True)
class PenaltyMethod(MinimumNorm, Iterative, Attack):
    """Minimizes distance + c * loss, and looks for the smallest c that succeeds.

    Examples do not wait for each other: one whose search ends goes on to its next weight at once. Pixels are taken to
    [0, 1], so that weights and steps mean the same in any bounds.

    Args:
        steps: Most iterations of a search.
        searches: Weights to try.
        c: The first weight; times 10 until one succeeds, then halfway between the last failure and success.
        abort_early: Ends a search that brings the objective down by less than 0.01 % in a tenth of its steps.
    """

    steps: int = count(1000, low=1, high=MOST)
    searches: int = count(9, low=1, high=MOST)
    c: float = number(1e-3, above=0)
    abort_early: bool = True

    def attempt_gradients(self, num_classes: int) -> int:
        return self.length

    @property
    def length(self) -> int:
        return self.steps * self.searches

    @abc.abstractmethod
    def open(self, unit: Tensor) -> State:
        """The state at the beginning of a search; `unit` is the input in [0, 1]."""

    @abc.abstractmethod
    def explore(self, inner: State, bracket: Bracket, context: Context) -> Explored:
        """One iteration of a search with the weight `bracket.c`, the `bracket.count`-th."""

    def prepare(self, context: Context, logits: Tensor) -> State:
        return (*Bracket.of(self.c, context.goal.y), *self.open(to_unit(context.x, context.ball)))

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        width = len(Bracket._fields)
        bracket, inner = Bracket(*rest[:width]), tuple(rest[width:])
        explored = self.explore(inner, bracket, context)
        bracket = bracket._replace(count=bracket.count + 1, hit=ops.logical_or(bracket.hit, explored.reached))
        ended = ops.logical_or(bracket.count >= self.steps, explored.over)
        if self.abort_early:
            look = ops.equal(ops.mod(bracket.count, max(1, self.steps // _LOOKS)), 0)
            stuck = ops.logical_and(look, explored.objective > _NOWHERE * bracket.before)
            ended = ops.logical_or(ended, stuck)
            bracket = bracket._replace(before=ops.where(look, explored.objective, bracket.before))
        fresh = self.open(to_unit(context.x, context.ball))
        inner = tuple(choose(ended, new, old) for new, old in zip(fresh, explored.inner, strict=True))
        bracket = Bracket(
            *(ops.where(ended, new, old) for new, old in zip(bracket.next_search(), bracket, strict=True))
        )
        over = bracket.search >= self.searches
        return Tried(explored.point, explored.reached, over, (*bracket, *inner), queries=explored.queries)


def to_unit(x: Tensor, ball: Ball) -> Tensor:
    """Pixels x, float32 (batch, ...), from the ball's bounds to [0, 1]."""
    return (x - ball.low) / ball.full


def adam(slope: Tensor, mean: Tensor, square: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A step of length about 1 downhill (Kingma & Ba, 2015, Algorithm 1), each example by its own count.

    Args:
        slope: The gradient.
        mean: Running mean of the gradients.
        square: Running mean of their squares.
        count: Steps before this one, int32 (batch,).

    Returns:
        The step to add, and both means.
    """
    mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * ops.square(slope)
    times = ops.cast(count + 1, "float32")
    rate = ops.sqrt(1 - ops.power(0.999, times)) / (1 - ops.power(0.9, times))
    return -column(rate, slope) * mean / (ops.sqrt(square) + 1e-8), mean, square
