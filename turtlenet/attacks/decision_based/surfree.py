"""SurFree."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import DecisionBased, bisect_some, boundary_start, waves
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls.base import euclidean, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor


@attacks.register("surfree")
@dataclass(frozen=True, kw_only=True)
class SurFree(DecisionBased, Iterative, Attack):
    """SurFree (Maho et al., 2021, Algorithm 1), in `l2`: no estimate of a gradient.

    In the plane of the way to the boundary point and a random direction across it, the nearest points of boundaries
    that are planes lie on a circle through both ends of that way. A few angles of it are asked about, on either side;
    from the widest that reaches the goal, bisection goes for a wider one, which is nearer to the input. Where none
    does, the next direction is tried, with narrower angles. Directions are of cosine waves of low frequency; they are
    not made orthogonal to those before, to which in many dimensions they nearly are.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        angles: How many angles to ask about, on either side.
        widest: The widest of these at first, in degrees.
        narrowing: By what it shrinks where no angle reaches the goal, and grows where the widest does.
        waves: Share of the cosine waves along each side that directions are made of.
        halvings: Queries for each bisection.
    """

    starts: int = count(100, low=1, high=MOST)
    angles: int = count(3, low=1, high=100)
    widest: float = number(30.0, above=0, below=90)
    narrowing: float = number(0.95, above=0, high=1)
    waves: float = number(0.5, above=0, high=1)
    halvings: int = count(8, low=1, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    @property
    def length(self) -> int:
        return -(-self.queries // min(2 * self.angles, 1 + self.halvings))

    def begin(self, context: Context) -> State:
        point, started, spent = boundary_start(self, context)
        widest = math.radians(self.widest) + 0.0 * ops.cast(spent, "float32")
        return (point, widest, self._over(ops.logical_not(started), point, spent, context), spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x = context.x
        point, widest, ended, spent = state
        far = ops.maximum(euclidean(point - x), 1e-12)
        straight = flat(point - x) / far[:, None]
        most = max(1, round(self.waves * max(x.shape[1:3])))
        side = flat(waves(random.fold_in(context.key, step), 0, 1, x.shape[1:], most)[0])
        side = side - ops.sum(side * straight, axis=1, keepdims=True) * straight
        side = side / ops.maximum(ops.sqrt(ops.sum(ops.square(side), axis=1, keepdims=True)), 1e-12)

        def at(angle: Tensor) -> Tensor:
            """The point of the circle under an angle (batch,)."""
            turned = ops.cos(angle)[:, None] * straight + ops.sin(angle)[:, None] * side
            return context.ball.inside(x + ops.reshape((far * ops.cos(angle))[:, None] * turned, ops.shape(x)))

        reached = lambda angle: context.goal.reached(context.model(at(angle)))  # noqa: E731

        def look(number: Tensor, state: State) -> Tensor:
            angle, found, asked = state
            part = 1.0 - ops.cast(number // 2, "float32") / self.angles
            tried = widest * part * ops.where(number % 2 == 0, 1.0, -1.0)
            hit = ops.logical_and(reached(tried), ops.logical_not(found))
            return ops.where(hit, tried, angle), ops.logical_or(found, hit), asked + ops.where(found, 0, 1)

        nothing = ops.zeros_like(spent)
        state = (0.0 * widest, nothing < 0, nothing)
        angle, found, asked = backend.loop(2 * self.angles, look, state, lambda state: ops.all(state[1]))[1]
        # The next wider angle failed, or was not asked about: at most so much can be gained.
        room = ops.sign(angle) * ops.minimum(widest / self.angles, 0.5 * math.pi - ops.abs(angle))
        share = bisect_some(found, context, lambda share: at(angle + (1.0 - share) * room), self.halvings)
        ahead = at(angle + (1.0 - share) * room)
        nearer = ops.logical_and(found, euclidean(ahead - x) < far)
        grown = ops.where(ops.abs(angle) >= widest, widest / self.narrowing, widest)
        widest = ops.minimum(ops.where(found, grown, widest * self.narrowing), math.radians(89.0))
        following = choose(nearer, ahead, point)
        spent = spent + asked + ops.where(found, self.halvings, 0)
        return (following, widest, self._over(ended, following, spent, context), spent)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _over(self, ended: Tensor, point: Tensor, spent: Tensor, context: Context) -> Tensor:
        near = ops.logical_and(context.ball.distance(point, context.x) <= context.ball.eps, self.early_stop)
        return ended | near | (spent + 2 * self.angles + self.halvings > self.queries)
