"""Adversarial training on the saddle point, and its degenerate case without an adversary."""

from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.training.objective.base import Objective, objectives


@objectives.register("madry")
@dataclass(frozen=True, kw_only=True)
class Madry(Objective):
    """min over weights of E[ max over the ball of the loss ] (Madry et al., 2018, eq. 2.1; paper 003, section 5.2)."""

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball, key=key)

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        logits = model(moved, training=True)
        return self.fit(y, logits), logits


@objectives.register("natural")
@dataclass(frozen=True, kw_only=True)
class Natural(Objective):
    """Ordinary training on the images as they are: what every hardened model is compared with."""

    clean_share: float = 1.0
    # No setting: nothing is crafted on any model.
    craft_on: ClassVar[str] = "self"  # type: ignore[misc]

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return x

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        logits = model(moved, training=True)
        return self.fit(y, logits), logits
