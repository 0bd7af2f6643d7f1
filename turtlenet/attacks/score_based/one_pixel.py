"""Differential evolution of a few pixels."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, grid, most_of, try_all
from turtlenet.attacks.score_based.base import ScoreBased
from turtlenet.attacks.score_based.pixels import room
from turtlenet.balls import Ball
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_GROUP = 16
# Draws of the first generation, far from the numbers of the others.
_FIRST = 0x60000000


@attacks.register("one-pixel")
@dataclass(frozen=True, kw_only=True)
class OnePixel(ScoreBased, Iterative, Attack):
    """Differential evolution of the places and values of a few pixels (Su et al., 2019, section III.B).

    A child is one member plus `factor` times the difference of two others, without crossover, and takes its parent's
    place where it is fitter. A generation costs a query for each member.

    Args:
        pixels: How many pixels may change; the paper tries 1, 3 and 5. The ball may allow fewer.
        population: Members of a generation.
        factor: Scale of the differences.
    """

    queries: int = 40_000
    pixels: int = count(1, low=1, high=100)
    population: int = count(400, low=4, high=MOST)
    factor: float = number(0.5, above=0, high=2)

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_budget(self.queries, 2 * self.population, f"two generations of {self.population}")

    @property
    def length(self) -> int:
        return self.queries // self.population - 1

    def begin(self, context: Context) -> State:
        x, key = context.x, context.key
        channels = grid(x.shape[1:])[2]
        places = random.uniform(random.fold_in(key, _FIRST), (self.population, self.pixels, 2))
        # Values around mid-gray with half the range for a deviation, as the paper's N(128, 127).
        values = 0.5 + 0.5 * random.normal(random.fold_in(key, _FIRST + 1), (self.population, self.pixels, channels))
        members = ops.clip(ops.concatenate([places, values], axis=-1), 0.0, 1.0)
        members = ops.reshape(members, (-1, self.population, self.pixels * (2 + channels)))
        best, fitness = self._ask(Best.none(x, context.model.num_classes), members, context)
        return (*best, members, fitness, ops.zeros_like(context.goal.y) + self.population)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        *known, members, fitness, spent = state
        draws = random.uniform(random.fold_in(context.key, step), (3, self.population))
        one, two, three = (self._others(members, draws[:, number]) for number in range(3))
        children = ops.clip(one + self.factor * (two - three), 0.0, 1.0)
        best, theirs = self._ask(Best(*known), children, context)
        fitter = theirs > fitness
        members = ops.where(fitter[..., None], children, members)
        return (*best, members, ops.where(fitter, theirs, fitness), spent + self.population)

    def _others(self, members: Tensor, draw: Tensor) -> Tensor:
        """For each member one of the others."""
        shift = 1 + ops.cast(ops.floor(draw * (self.population - 1)), "int32")
        place = ops.mod(ops.arange(self.population, dtype="int32")[None, :] + shift, self.population)
        return ops.take_along_axis(members, place[..., None], axis=1)

    def _ask(self, best: Best, members: Tensor, context: Context) -> tuple[Best, Tensor]:
        """The fitness (batch, population) of a generation."""
        size = most_of(self.population, _GROUP)
        groups = self.population // size
        folded = ops.reshape(members, (-1, groups, size, members.shape[2]))

        def ask(number: Tensor, state: State) -> Tensor:
            candidates = self._painted(ops.take(folded, number, axis=1), context.x, context.ball)
            best, heights = try_all(context.model, context.goal, self.loss, Best(*state[:-1]), candidates, size)
            here = ops.one_hot(number, groups, dtype="float32")[None, :, None]
            return (*best, state[-1] + here * heights[:, None, :])

        *known, fitness = backend.loop(groups, ask, (*best, 0.0 * folded[..., 0]))[1]
        return Best(*known), ops.reshape(fitness, (-1, self.population))

    def _painted(self, members: Tensor, x: Tensor, ball: Ball) -> Tensor:
        """Candidates (batch * size, ...) from members (batch, size, pixels * (2 + channels)) in [0, 1]."""
        rows, columns, channels = grid(x.shape[1:])
        size = members.shape[1]
        genes = ops.reshape(members, (-1, size, self.pixels, 2 + channels))
        image = ops.repeat(ops.reshape(x, (-1, 1, rows, columns, channels)), size, axis=1)
        for pixel in range(self.pixels):
            gene = genes[:, :, pixel]
            down, across = (
                ops.one_hot(ops.cast(ops.minimum(gene[..., axis] * count, count - 1), "int32"), count, dtype="float32")
                for axis, count in enumerate((rows, columns))
            )
            mask = down[..., :, None, None] * across[..., None, :, None]
            value = ball.low + ball.full * gene[..., None, None, 2:]
            fits = room(ball, channels) > pixel
            image = ops.where(ops.logical_and(mask > 0, fits), value, image)
        return ops.reshape(image, (-1, *x.shape[1:]))
