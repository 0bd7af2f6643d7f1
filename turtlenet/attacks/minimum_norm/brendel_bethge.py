"""The Brendel & Bethge attack: along the boundary, as near to the input as a step's trusted radius lets it."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.nearest_start import nearest_start
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls.base import euclidean, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_NEARER, _ONTO = 12, 22
"""Halvings for how far a step comes nearer, and for how far along the normal it is on the plane."""
_STEEPEST = 0.02
"""The cost of a change at a weight of 1 is one over this, in pixel ranges."""
_HALVED = 10.0
"""How often the trusted radius is halved over all steps."""
_BEYOND, _SHORT = 0.02, 1e-3
"""How far beyond the plane a step aims, and how short of that it may end, as shares of the trusted radius."""


@attacks.register("brendel-bethge")
@dataclass(frozen=True, kw_only=True)
class BrendelBethge(MinimumNorm, Iterative, Attack):
    """Follows the boundary from noise towards the input (Brendel et al., 2019).

    It stays at the boundary to the class where it begins, which need not be the nearest; so it begins at the nearest
    boundary on the way to several noise images. `starts=0` begins at the input, and comes as near as other searches
    with a gradient do, where that gradient is not masked there.

    Each step looks, on the plane that the boundary is near a point, within the bounds and a Euclidean radius around
    the point, for what is nearest to the input in the ball's norm. The problem is separable but for two numbers, a
    multiplier for the plane and a weight for the radius; both are found by bisection, for all examples at once.

    Args:
        steps: Most steps.
        radius: The first trusted radius, as a share of the Euclidean distance of the start. It falls to a thousandth
            over the steps, in `l0` no further than to the pixel range.
        momentum: Share of the last normal in the next one.
        starts: To how many noise images it looks for where to begin; 0 begins at the input.
        queries: The most queries for that.
    """

    steps: int = count(200, low=1, high=MOST)
    radius: float = number(1.0, above=0)
    momentum: float = number(0.8, low=0, below=1)
    starts: int = count(9, high=MOST)
    queries: int = count(200, low=1, high=MOST)

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1", "l0")

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def prepare(self, context: Context, logits: Tensor) -> State:
        # Where no noise reaches the goal it begins at the input: a first step leads to the boundary too.
        point, spent = context.x, ops.zeros_like(context.goal.y)
        if self.starts:
            point, _, spent = nearest_start(self.starts, self.queries, context)
        moved = ops.any(flat(point) != flat(context.x), axis=1)
        radius = self.radius * ops.where(moved, euclidean(point - context.x), context.ball.full)
        return point, ops.zeros_like(flat(point)), radius, spent

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        point, before, first, spent = rest
        gap, reached, slope = context.gradient("margin", point)
        length = ops.sqrt(ops.sum(ops.square(flat(slope)), axis=1, keepdims=True))
        normal = ops.where(number == 0, 0.0, self.momentum) * before
        normal = normal + (1.0 - ops.where(number == 0, 0.0, self.momentum)) * flat(slope)
        steep = ops.maximum(ops.sqrt(ops.sum(ops.square(normal), axis=1, keepdims=True)), 1e-12)
        radius = first[:, None] * ops.exp(-_HALVED * math.log(2.0) * ops.cast(number, "float32") / self.steps)
        low, high = ball.limits(x)
        if ball.norm == "l0":
            # A shorter step changes no value as a whole.
            radius = ops.maximum(radius, ball.full)
        wanted = _BEYOND * radius - gap[:, None] / steep
        plane = _Plane(flat(point), flat(x), normal / steep, wanted, radius, low, high, ball.norm)
        following = plane.nearest()
        # A gradient of 0 leads nowhere.
        following = ops.reshape(ops.where(length > 0, following, flat(point)), ops.shape(x))
        over = length[:, 0] <= 0
        spent_now = ops.where(number == 0, spent, ops.zeros_like(spent))
        return Tried(point, reached, over, (following, normal, first, spent), queries=spent_now)


class _Plane(NamedTuple):
    """The problem of one step; all points are flat, float32 (batch, values).

    Attributes:
        point: Where the step begins.
        x: The input.
        normal: Of the plane, of length 1.
        wanted: How far along the normal the plane is, (batch, 1).
        radius: The trusted radius, (batch, 1).
        low: Smallest value of a pixel.
        high: Largest value.
        norm: Of the distance to the input.
    """

    point: Tensor
    x: Tensor
    normal: Tensor
    wanted: Tensor
    radius: Tensor
    low: Tensor
    high: Tensor
    norm: str

    def nearest(self) -> Tensor:
        """The point on the plane, within the radius of where the step begins, that is nearest to the input."""
        nothing, radius = ops.zeros_like(self.wanted), self.radius
        shortest = self._onto(nothing)

        def narrow(number: Tensor, state: State) -> Tensor:
            low, high, best = state
            middle = ops.where(number == 0, ops.ones_like(low), 0.5 * (low + high))
            found = self._onto(middle)
            ahead = self._along(found) >= self.wanted - _SHORT * radius
            fits = ops.logical_and(self._length(found - self.point) <= radius, ahead)
            return ops.where(fits, middle, low), ops.where(fits, high, middle), ops.where(fits, found, best)

        best = backend.loop(_NEARER, narrow, (nothing, nothing + 1.0, shortest))[1][2]
        # Where even the shortest way to the plane is too long, as much of it as fits.
        step = best - self.point
        share = ops.minimum(1.0, radius / ops.maximum(self._length(step), 1e-12))
        return ops.where(share < 1.0, self.point + share * step, best)

    def _onto(self, nearer: Tensor) -> Tensor:
        """The point on the plane for a weight (batch, 1): 0 for the shortest step, 1 for the nearest to the input."""
        widest = ops.max(self.high - self.low)
        reach = 2.0 * math.sqrt(self.x.shape[1]) * (widest + ops.max(self._bar(nearer), axis=1, keepdims=True))

        def halve(_: Tensor, state: State) -> Tensor:
            low, high = state
            middle = 0.5 * (low + high)
            short = self._along(self._moved(nearer, middle)) < self.wanted
            return ops.where(short, middle, low), ops.where(short, high, middle)

        nothing = ops.zeros_like(self.wanted)
        return self._moved(nearer, backend.loop(_ONTO, halve, (nothing - reach, nothing + reach))[1][1])

    def _moved(self, nearer: Tensor, along: Tensor) -> Tensor:
        """Each value as far along the normal as a multiplier says, and drawn to the input as the norm has it."""
        ahead = self.point + along * self.normal
        way = ahead - self.x
        if self.norm == "l2":
            return ops.clip(ahead + nearer * (self.x - self.point), self.low, self.high)
        if self.norm == "linf":
            # No step leads farther than this: at a weight of 0 the limit does not bind.
            limit = (1.0 - nearer) * (ops.max(ops.abs(self.point - self.x), axis=1, keepdims=True) + self.radius)
            return ops.clip(self.x + ops.clip(way, -limit, limit), self.low, self.high)
        bar = self._bar(nearer)
        if self.norm == "l1":
            return ops.clip(self.x + ops.sign(way) * ops.relu(ops.abs(way) - bar), self.low, self.high)
        within = ops.clip(ahead, self.low, self.high)
        # A value is changed where that saves more of the square than a change costs.
        return ops.where(ops.square(way) - ops.square(within - ahead) > ops.square(bar), within, self.x)

    def _bar(self, nearer: Tensor) -> Tensor:
        """What a change costs in `l1` and `l0`: at a weight of 1 so much that the step's length does not count."""
        return nearer / (1.0 + _STEEPEST - nearer) * (self.high - self.low)

    def _along(self, found: Tensor) -> Tensor:
        return ops.sum((found - self.point) * self.normal, axis=1, keepdims=True)

    @staticmethod
    def _length(step: Tensor) -> Tensor:
        return ops.sqrt(ops.sum(ops.square(step), axis=1, keepdims=True))
