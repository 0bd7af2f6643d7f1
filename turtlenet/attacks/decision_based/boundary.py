"""The boundary attack."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import DecisionBased, bisect, noise_start
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, directions
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_BISECTIONS = 10
_LOOK = 5
_BLOCK = 30
_WINDOW = 20


@attacks.register("boundary")
@dataclass(frozen=True, kw_only=True)
class Boundary(DecisionBased, Iterative, Attack):
    """Walks along the decision boundary towards the input (Brendel et al., 2018, Algorithm 1).

    Each iteration steps around the input on a sphere, then towards it, and stays where the goal is reached. After
    every fifth one it asks about the step on the sphere alone: where more than half of those succeed, the boundary is
    flat at this scale and both steps grow; where fewer than a fifth do, both shrink. The step towards the input grows
    and shrinks by the success of whole steps. Each example has steps of its own.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        spherical_step: First length of the step on the sphere, as a share of the distance to the input.
        source_step: First length of the step towards the input, likewise.
        adaptation: By what steps grow and shrink.
        converged: The step towards the input at which an example is done.
    """

    queries: int = 25_000
    starts: int = count(100, low=1, high=MOST)
    spherical_step: float = number(0.01, above=0)
    source_step: float = number(0.01, above=0)
    adaptation: float = number(1.5, above=1)
    converged: float = number(1e-7, above=0)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_budget(self.queries, _BISECTIONS + 3, "a start and a step")

    @property
    def length(self) -> int:
        return -(-self.queries // _BLOCK)

    def begin(self, context: Context) -> State:
        x = context.x
        point, started, spent = noise_start(min(self.starts, self.queries), context)
        share = bisect(context.model, context.goal, lambda share: x + column(share, x) * (point - x), _BISECTIONS)
        # An example that found its start late cannot pay for it, and walks on from there.
        affordable = ops.logical_and(started, spent + _BISECTIONS <= self.queries)
        nearer = choose(affordable, x + column(share, x) * (point - x), point)
        one = ops.ones_like(share)
        steps = (self.spherical_step * one, self.source_step * one)
        counts = (0.0 * one,) * 4
        spent = spent + ops.where(affordable, _BISECTIONS, 0)
        over = self._over(started, steps[1], nearer, x, context.ball, spent)
        return (choose(started, nearer, x), started, *steps, *counts, over, spent)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x = context.x
        # Drawn for many queries at once: one by one would cost as much as a small model's answer.
        draws = directions(random.fold_in(context.key, step), step, 0, _BLOCK, math.prod(x.shape[1:]))[0]

        def ask(number: Tensor, state: State) -> Tensor:
            draw = ops.reshape(ops.take(draws, number, axis=1), ops.shape(x))
            after = self._ask(ops.mod(number, _LOOK + 1) == _LOOK, draw, state, context)
            over = self.done(state)
            return tuple(choose(over, old, new) for old, new in zip(state, after, strict=True))

        return tuple(backend.loop(_BLOCK, ask, tuple(state), lambda state: ops.all(self.done(state)))[1])

    def _ask(self, looking: Tensor, draw: Tensor, state: State, context: Context) -> State:
        """One query: about a whole step, or, where it is `looking`, about the step around the input alone."""
        x, ball = context.x, context.ball
        point, started, spherical, source, round_tries, round_hits, tries, hits, _, spent = state
        around, inward = self._propose(point, x, spherical, source, draw, ball)
        candidate = ops.where(looking, around, inward)
        reached = context.goal.reached(context.model(candidate))
        following = choose(ops.logical_and(reached, ops.logical_not(looking)), candidate, point)
        hit, look = ops.cast(reached, "float32"), ops.cast(looking, "float32")
        round_tries, round_hits = round_tries + look, round_hits + look * hit
        tries, hits = tries + 1.0 - look, hits + (1.0 - look) * hit
        both = _factor(round_tries, round_hits, 0.2, 0.5, self.adaptation)
        alone = _factor(tries, hits, 0.1, 0.25, self.adaptation)
        spherical, source = spherical * both, source * both * alone
        round_tries, round_hits = (ops.where(round_tries >= _WINDOW, 0.0, each) for each in (round_tries, round_hits))
        tries, hits = (ops.where(tries >= _WINDOW, 0.0, each) for each in (tries, hits))
        over = self._over(started, source, following, x, ball, spent + 1)
        return (following, started, spherical, source, round_tries, round_hits, tries, hits, over, spent + 1)

    def done(self, state: State) -> Tensor:
        return state[-2]

    def _over(self, started: Tensor, source: Tensor, point: Tensor, x: Tensor, ball: Ball, spent: Tensor) -> Tensor:
        near = ops.logical_and(ball.distance(point, x) <= ball.eps, self.early_stop)
        return ops.logical_not(started) | near | (source < self.converged) | (spent >= self.queries)

    @staticmethod
    def _propose(
        point: Tensor, x: Tensor, spherical: Tensor, source: Tensor, draw: Tensor, ball: Ball
    ) -> tuple[Tensor, Tensor]:
        """The point after a step around the input, and after one towards it as well."""
        axes = tuple(range(1, len(x.shape)))

        def dot(one: Tensor, other: Tensor) -> Tensor:
            return ops.sum(one * other, axis=axes)

        outward = point - x
        far = ops.sqrt(ops.maximum(dot(outward, outward), 1e-24))
        # The draw less its part along `outward`, as long as the step: written out, so that images are gone through as
        # seldom as can be.
        along = dot(draw, outward) / ops.square(far)
        across = ops.sqrt(ops.maximum(dot(draw, draw) - ops.square(along * far), 1e-24))
        stretch, shrink = spherical * far / across, 1.0 / ops.sqrt(1.0 + ops.square(spherical))
        turned = column(shrink * (1.0 - stretch * along), x) * outward + column(shrink * stretch, x) * draw
        around = ball.inside(x + turned)
        # Makes up for what the bounds cut off, as in the authors' code.
        back = x - around
        now = ops.sqrt(ops.maximum(dot(back, back), 1e-24))
        share = ops.clip((source * far + now - far) / now, 0.0, 1.0)
        return around, around + column(share, x) * back


def _factor(tries: Tensor, hits: Tensor, low: float, high: float, step: float) -> Tensor:
    """By what a step changes: at the end of a window by its share of successes, else by 1."""
    share = hits / ops.maximum(tries, 1.0)
    change = ops.where(share > high, step, ops.where(share < low, 1.0 / step, 1.0))
    return ops.where(tries >= _WINDOW, change, ops.ones_like(change))
