"""Gradients from random differences: SPSA and NES."""

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import check_budget, directions, fold_keys, most_of
from turtlenet.attacks.score_based.base import ScoreBased, slope
from turtlenet.balls import Ball
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number
from turtlenet.typing import Keys, State, Tensor

_GROUP = 8


@dataclass(frozen=True, kw_only=True)
class GradientEstimation(ScoreBased, Iterative, Attack):
    """Climbs an estimated gradient: differences of the loss along random directions, each taken both ways.

    A step costs `samples` queries, and one to look where it is.

    Args:
        samples: Queries for one estimate, an even number.
        delta: How far apart points of a difference are from the middle, in input units.
        step_size: Length of a step, as a fraction of the ball's radius.
        step: Length of a step in input units; takes the place of `step_size` where it is above 0.
    """

    samples: int = count(128, low=2, high=MOST)
    delta: float = number(0.01, above=0)
    step_size: float = number(0.1, above=0)
    step: float = number(0.0, low=0)

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples % 2:
            raise SettingError(f"Expected an even number of samples: they come in pairs; got {self.samples}.")
        check_budget(self.queries, self.samples + 2, f"one step of {self.samples} samples")

    @property
    def length(self) -> int:
        return (self.queries - 1) // (self.samples + 1)

    def begin(self, context: Context) -> State:
        x = context.x
        running = ops.zeros_like(x)
        return (*Best.none(x, context.model.num_classes), x, running, running, ops.zeros_like(context.goal.y))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        ball = context.ball
        *known, point, first, second, spent = state
        logits = context.model(point)
        best = Best(*known).or_better(point, logits, context.goal.judge(self.loss, logits))
        estimate = self.estimate(step, point, context)
        way, first, second = self.way(estimate, point, first, second, step, ball)
        length = self.step if self.step > 0 else self.step_size * ball.eps
        following = ball.project(point + length * way, context.x)
        # An example whose goal is reached at this point pays for no estimate.
        cost = ops.where(self.done(best), 1, self.samples + 1)
        return (*best, following, first, second, spent + cost)

    def finish(self, state: State, context: Context) -> SearchResult:
        best, point = Best(*state[:4]), state[4]
        logits = context.model(point)
        last = best.or_better(point, logits, context.goal.judge(self.loss, logits))
        return SearchResult(last.x, last.logits, queries=state[-1] + ops.where(self.done(best), 0, 1))

    def estimate(self, step: Tensor, point: Tensor, context: Context) -> Tensor:
        """Estimates the gradient of the loss.

        Args:
            step: Number of the step, an int32 scalar: other directions are drawn in each.
            point: Where, float32 (batch, ...).
            context: Model, goal, ball and keys of the attempt.

        Returns:
            The estimate, shaped like `point`.
        """
        key = random.fold_in(context.key, step)
        pairs, values = self.samples // 2, math.prod(point.shape[1:])
        size = most_of(pairs, _GROUP)

        estimate = slope(
            context.model,
            lambda whole, logits: whole.loss(self.loss, logits),
            point,
            context.goal,
            lambda number: self.draw(key, step, number * size, size, values),
            groups=pairs // size,
            size=size,
            delta=self.delta,
            ball=context.ball,
        )
        return ops.reshape(estimate, ops.shape(point))

    @abc.abstractmethod
    def draw(self, key: Keys, step: Tensor, first: Tensor, count: int, values: int) -> Tensor:
        """Directions (batch, count, values); see `turtlenet.attacks.query_attack.directions`."""

    @abc.abstractmethod
    def way(
        self, estimate: Tensor, at: Tensor, first: Tensor, second: Tensor, step: Tensor, ball: Ball
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Where to step.

        Args:
            estimate: The estimated gradient, float32 (batch, ...).
            at: Where it was estimated.
            first, second: Two running means of estimates, of its shape.
            step: Number of the step, an int32 scalar.
            ball: Gives the norm and the bounds.

        Returns:
            A direction of about unit length in the ball's norm, and both means after it.
        """


@attacks.register("spsa")
@dataclass(frozen=True, kw_only=True)
class SPSA(GradientEstimation):
    """Simultaneous perturbation stochastic approximation with Adam (Uesato et al., 2018, Algorithm 1).

    Directions of signs; the loss is the margin of logits, as in the paper. Differences of 0.01 and a rate of 0.01 are
    its own: `spsa:step=0.01`. It takes thousands of samples a step, which `samples` and `queries` can say.
    """

    loss: str = "margin"

    def draw(self, key: Keys, step: Tensor, first: Tensor, count: int, values: int) -> Tensor:
        keys, numbers = fold_keys(key, first, count)
        return ops.reshape(random.signs(random.fold_in(keys, numbers), (values,)), (-1, count, values))

    def way(
        self, estimate: Tensor, at: Tensor, first: Tensor, second: Tensor, step: Tensor, ball: Ball
    ) -> tuple[Tensor, Tensor, Tensor]:
        first = 0.9 * first + 0.1 * estimate
        second = 0.999 * second + 0.001 * ops.square(estimate)
        count = ops.cast(step, "float32") + 1.0
        fair = (first / (1.0 - 0.9**count), second / (1.0 - 0.999**count))
        # Adam's direction is about 1 in every value; scaled to about unit length in the norm.
        unit = ball.full / ball.widest(at.shape[1:])
        return unit * fair[0] / (ops.sqrt(fair[1]) + 1e-8), first, second


@attacks.register("nes")
@dataclass(frozen=True, kw_only=True)
class NES(GradientEstimation):
    """Natural evolution strategies: projected ascent on estimated gradients (Ilyas et al., 2018, Algorithm 1).

    Gaussian directions, antithetic; 50 samples, differences of 0.001 and momentum 0.9 are those of the paper's
    code, as are steps of 0.01 at a radius of 0.05.

    Args:
        momentum: Decay of the estimates' running mean; 0 keeps none.
    """

    samples: int = 50
    delta: float = 0.001
    step_size: float = 0.2
    momentum: float = number(0.9, low=0, below=1)

    def draw(self, key: Keys, step: Tensor, first: Tensor, count: int, values: int) -> Tensor:
        return directions(key, step, first, count, values)[0]

    def way(
        self, estimate: Tensor, at: Tensor, first: Tensor, second: Tensor, step: Tensor, ball: Ball
    ) -> tuple[Tensor, Tensor, Tensor]:
        first = self.momentum * first + (1.0 - self.momentum) * estimate
        return ball.steepest(first, at), first, second
