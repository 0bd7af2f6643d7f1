"""Zeroth order optimization: Carlini & Wagner's attack without its gradient."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, most_of
from turtlenet.attacks.score_based.base import slope
from turtlenet.ranges import count, number
from turtlenet.typing import Keys, State, Tensor

_GROUP = 16


@attacks.register("zoo")
@dataclass(frozen=True, kw_only=True)
class ZOO(Iterative, Attack):
    """Descends distance^2 + c * max(0, -margin + confidence) with Adam, a few coordinates at a time (Chen et al.,
    2017, Algorithm 2), and looks for the best c.

    The slope of the distance is known; that of the margin comes from symmetric differences, exactly as long as they
    are where pixels stop. An iteration costs two queries a coordinate and one to look where it is. The paper spends
    `queries=6_900_000,searches=9` an image. No image hierarchy, no importance sampling.

    Args:
        queries: The most forward passes that the search may take for an example, in each attempt. Making sure of what
            it estimate takes up to two more.
        coordinates: Values that an iteration moves, drawn anew each time; at most all of them.
        step: Adam's rate, in input units.
        delta: Half a difference, in input units.
        constant: The first c.
        searches: How many c are tried: ten times as much after a failure, half way between the bounds otherwise.
        confidence: By how much the wrong logit shall lead.
    """

    queries: int = count(100_000, low=1, high=MOST)
    coordinates: int = count(128, low=1, high=MOST)
    step: float = number(0.01, above=0)
    delta: float = number(1e-3, above=0)
    constant: float = number(1.0, above=0)
    searches: int = count(3, low=1, high=MOST)
    confidence: float = number(0.0, low=0)

    norms: ClassVar[tuple[str, ...]] = ("l2",)
    minimal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"an iteration of {self.coordinates} coordinates in each of {self.searches} searches"
        check_budget(self.queries, self.searches * self._cost(self.coordinates), what)

    @property
    def family(self) -> str:
        return "query"

    @property
    def judged_by(self) -> str:
        return "margin"

    @property
    def length(self) -> int:
        return self._each * self.searches

    @property
    def _each(self) -> int:
        """Iterations for one c."""
        return self.queries // (self.searches * self._cost(self.coordinates))

    @staticmethod
    def _cost(coordinates: int) -> int:
        return 2 * coordinates + 1

    def begin(self, context: Context) -> State:
        x = context.x
        nothing = ops.zeros_like(ops.reshape(x, (-1, math.prod(x.shape[1:]))))
        one = ops.ones_like(nothing[:, 0])
        # The nearest success and its length; the point, Adam's means and its number of steps in each coordinate.
        moving = (x, nothing, nothing, nothing)
        # c and its bounds, and whether this c has succeeded.
        weights = (self.constant * one, 0.0 * one, float("inf") * one, one < 0)
        return (x, float("inf") * one, *moving, *weights, one < 0, ops.zeros_like(context.goal.y))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        best, length, *moving, weight, low, high, hit, _, spent = state
        turn = ops.logical_and(ops.mod(step, self._each) == 0, step > 0)
        weight, low, high, hit = self._next_weight(turn, weight, low, high, hit)
        fresh = (x, *(ops.zeros_like(value) for value in moving[1:]))
        moving = [ops.where(turn, new, old) for new, old in zip(fresh, moving, strict=True)]
        point, *means = self._move(moving, weight, context, random.fold_in(context.key, step))
        logits = context.model(point)
        reached, far = context.goal.reached(logits), ball.distance(point, x)
        nearer = ops.logical_and(reached, far < length)
        best, length = choose(nearer, point, best), ops.where(nearer, far, length)
        enough = ops.logical_and(length <= ball.eps, self.early_stop)
        count = min(self.coordinates, math.prod(x.shape[1:]))
        hit = ops.logical_or(hit, reached)
        return (best, length, point, *means, weight, low, high, hit, enough, spent + self._cost(count))

    def done(self, state: State) -> Tensor:
        return state[-2]

    def finish(self, state: State, context: Context) -> SearchResult:
        succeeded = ops.isfinite(state[1])
        return SearchResult(choose(succeeded, state[0], state[2]), queries=state[-1])

    @staticmethod
    def _next_weight(
        turn: Tensor, weight: Tensor, low: Tensor, high: Tensor, hit: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The next c, where it is another's turn: see Carlini & Wagner (2017), section VI.A."""
        above, below = ops.where(hit, weight, high), ops.where(hit, low, weight)
        bounded = above < float("inf")
        between = 0.5 * (below + ops.where(bounded, above, below))
        following = ops.where(bounded, between, 10.0 * weight)
        now = ops.logical_and(turn, weight > 0)
        return (
            ops.where(now, following, weight),
            ops.where(now, below, low),
            ops.where(now, above, high),
            ops.logical_and(hit, ops.logical_not(now)),
        )

    def _move(self, moving: Tensor, weight: Tensor, context: Context, key: Keys) -> State:
        """Adam's step in the coordinates that are drawn."""
        x, ball = context.x, context.ball
        point, first, second, steps = moving
        values = math.prod(x.shape[1:])
        count = min(self.coordinates, values)
        flat = ops.reshape(point, (-1, values))
        drawn = ops.top_k(random.uniform(key, (values,)), count)[1]
        size = most_of(count, _GROUP)

        def directions(number: Tensor) -> Tensor:
            group = ops.take(ops.reshape(drawn, (-1, count // size, size)), number, axis=1)
            return ops.one_hot(group, values, dtype="float32")

        def climb(whole: Goal, logits: Tensor) -> Tensor:
            return ops.minimum(whole.loss("margin", logits), self.confidence)

        estimate = slope(
            context.model,
            climb,
            point,
            context.goal,
            directions,
            groups=count // size,
            size=size,
            delta=self.delta,
            ball=ball,
        )
        # `slope` averages over coordinates and divides by 2 delta: that is undone, and the width within bounds taken.
        wide = ball.inside(flat + self.delta) - ball.inside(flat - self.delta)
        rise = estimate * count * (2.0 * self.delta) / ops.maximum(wide, self.delta)
        gradient = 2.0 * (flat - ops.reshape(x, (-1, values))) - weight[:, None] * rise
        chosen = ops.sum(ops.one_hot(drawn, values, dtype="float32"), axis=1)
        steps = steps + chosen
        first = first + chosen * 0.1 * (gradient - first)
        second = second + chosen * 0.001 * (ops.square(gradient) - second)
        fair = ops.maximum(steps, 1.0)
        stride = (first / (1.0 - 0.9**fair)) / (ops.sqrt(second / (1.0 - 0.999**fair)) + 1e-8)
        following = ball.inside(flat - self.step * chosen * stride)
        return ops.reshape(following, ops.shape(point)), first, second, steps
