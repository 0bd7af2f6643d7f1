"""A network that learns to attack the model while the model learns to withstand it."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras

from turtlenet.classifier import Classifier


class CoTrained(Protocol):
    """What a trainer must know of it; `turtlenet.gan.Players` is one."""

    @property
    def generator(self) -> keras.Model:
        """What attacks."""

    @property
    def discriminator(self) -> keras.Model:
        """What it plays against besides."""

    @property
    def weights(self) -> list[Any]:
        """What it trains."""

    def move(self, victims: Sequence[Classifier], x: Any, y: Any, key: Any) -> tuple[list[Any], dict[str, Any]]:
        """The gradients of those weights on a batch, and the terms of its losses by name, with `success`."""


class Turns:
    """A rival with an optimizer of its own, who moves some times before each step of the model.

    Args:
        rival: The network that attacks, with its losses; see `CoTrained`.
        learning_rate: Of its Adam.
        moves: How often, at least once.
    """

    def __init__(self, rival: CoTrained, learning_rate: float = 1e-3, moves: int = 1):
        self.rival = rival
        self.moves = moves
        self.optimizer = keras.optimizers.Adam(learning_rate)
        self.optimizer.build(rival.weights)

    @property
    def variables(self) -> list[Any]:
        """Everything that a continued run must know."""
        networks = [*self.rival.generator.variables, *self.rival.discriminator.variables]
        return [*networks, *self.optimizer.variables]
