"""Corruptions of growing strength: what an image bears before the model errs."""

import abc
from dataclasses import dataclass

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import MOST, Attack
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import DecisionBased
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.errors import SettingError
from turtlenet.ranges import count
from turtlenet.typing import Keys, State, Tensor


@dataclass(frozen=True, kw_only=True)
class Corruption(DecisionBased, Iterative, Attack):
    """Tries strengths from the least to the greatest, in equal steps, and keeps the first that reaches the goal.

    An example is done with its first success within the ball, whatever `early_stop` says.

    Args:
        draws: Draws at each strength; the budget over these is the number of strengths.
    """

    queries: int = 1_000
    draws: int = count(1, low=1, high=MOST)
    early_stop: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws > self.queries:
            raise SettingError(f"Expected draws <= queries; got {self.draws} and {self.queries}.")

    @property
    def length(self) -> int:
        return self.queries // self.draws * self.draws

    @abc.abstractmethod
    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        """The images corrupted.

        Args:
            x: Inputs, float32 (batch, ...).
            strength: How much, in (0, 1], a float32 scalar or of shape (batch,).
            ball: Gives the bounds, the norm and the radius.
            key: The examples' keys of this try.

        Returns:
            Images shaped like `x`, within the bounds.
        """

    def begin(self, context: Context) -> State:
        nothing = ops.zeros_like(context.goal.y)
        return (context.x, nothing < 0, nothing)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        strength = ops.cast(step // self.draws + 1, "float32") / float(self.queries // self.draws)
        candidate = self.corrupted(x, strength, ball=ball, key=random.fold_in(context.key, step))
        # A little wider: a length that was made equal to the radius may round above it.
        within = ball.distance(candidate, x) <= ball.eps * (1.0 + 1e-5)
        return (candidate, ops.logical_and(context.goal.reached(context.model(candidate)), within), state[-1] + 1)

    def done(self, state: State) -> Tensor:
        return state[1]
