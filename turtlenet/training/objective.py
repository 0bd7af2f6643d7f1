"""What training minimizes: where the examples come from, and the loss at them."""

import abc
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet import losses
from turtlenet.attacks import Attack
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.registry import Registry

__all__ = ["Objective", "objectives"]


@dataclass(frozen=True, kw_only=True)
class Objective(abc.ABC):
    """The two halves of a saddle point: the inner maximum and the outer minimum.

    Args:
        attack: Looks for the inner maximum.
        ball: Where it may look.
        clean_share: Share of a batch, from 0 to 1, that is not attacked; those examples come first.
        warmup_steps: Training steps over which the radius grows from 0 to the ball's.
        minimize: The loss of an example: `cross_entropy`, or `squared_error` of the probabilities.
    """

    attack: Attack
    ball: Ball
    clean_share: float = 0.0
    warmup_steps: int = 0
    minimize: str = "cross_entropy"

    def __post_init__(self) -> None:
        if not 0 <= self.clean_share <= 1:
            raise SettingError(f"Expected clean_share from 0 to 1; got {self.clean_share}.")
        if self.warmup_steps < 0:
            raise SettingError(f"Expected warmup_steps >= 0; got {self.warmup_steps}.")
        if self.minimize not in losses.TRAINING:
            raise SpecError(
                f"Unknown loss {self.minimize!r} to minimize.{did_you_mean(self.minimize, losses.TRAINING)}"
            )

    def check(self, model: Classifier, sources: Sequence[Classifier]) -> None:
        """Refuses what cannot work, before training starts.

        Raises:
            SettingError: The attack cannot work in the ball's norm, or there is nothing to craft on.
            ModelError: The attack's loss needs more classes than the model has.
        """
        self.attack.check(model, self.ball)

    @abc.abstractmethod
    def perturb(
        self, model: Classifier, x: Any, y: Any, *, key: Any, step: Any, sources: Sequence[Classifier] = ()
    ) -> Any:
        """Crafts the batch to train on; touches no weight.

        Args:
            model: The classifier in training, with its weights of this moment.
            x: Inputs, float32 (batch, ...).
            y: Labels, int32 (batch,).
            key: The examples' keys of this step (batch, 2).
            step: Number of optimizer steps done so far, an integer scalar.
            sources: Other, fixed classifiers to craft on.

        Returns:
            Inputs shaped like `x`.
        """

    @abc.abstractmethod
    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        """Gives the loss of each example (batch,) and the logits at `moved`, in training mode."""

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        ball = {"norm": self.ball.norm, "eps": self.ball.eps, "bounds": [self.ball.low, self.ball.high]}
        return {"name": objectives.name_of(type(self)), **settings, "attack": self.attack.to_dict(), "ball": ball}


objectives: Registry[Objective] = Registry("objective", "turtlenet.objectives", base=Objective)
