"""Adversarial training on the saddle point, and its degenerate case without an adversary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet import losses, random
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.training.objective import Objective, objectives

__all__ = ["Madry", "Natural"]

_CRAFT_ON = ("ensemble", "self", "static")


@objectives.register("madry")
@dataclass(frozen=True, kw_only=True)
class Madry(Objective):
    """min over weights of E[ max over the ball of the loss ] (Madry et al., 2018, eq. 2.1; paper 003, section 5.2).

    Args:
        craft_on: `self` crafts on the model in training; `static` on one fixed other model, drawn for each batch from
            the sources; `ensemble` on the model in training or a fixed one, drawn likewise (Tramèr et al., 2018).
    """

    craft_on: str = "self"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.craft_on not in _CRAFT_ON:
            raise SpecError(f"Unknown craft_on {self.craft_on!r}.{did_you_mean(self.craft_on, _CRAFT_ON)}")

    def check(self, model: Classifier, sources: Sequence[Classifier]) -> None:
        super().check(model, sources)
        if self.craft_on != "self" and not sources:
            raise SettingError(
                f"Expected at least one other model to craft on for craft_on={self.craft_on}; got none: pass --source."
            )

    def perturb(
        self, model: Classifier, x: Any, y: Any, *, key: Any, step: Any, sources: Sequence[Classifier] = ()
    ) -> Any:
        if self.clean_share == 0:
            return self._attack(model, x, y, key, step, sources)
        clean = _first(self.clean_share, x)
        moved = self._attack(model, x[clean:], y[clean:], key[clean:], step, sources)
        return ops.concatenate([x[:clean], moved], axis=0)

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        logits = model(moved, training=True)
        return losses.TRAINING[self.minimize](y, logits), logits

    def _attack(self, model: Classifier, x: Any, y: Any, key: Any, step: Any, sources: Sequence[Classifier]) -> Any:
        ball = self.ball
        if self.warmup_steps:
            grown = (ops.cast(step, "float32") + 1.0) / self.warmup_steps
            ball = ball.with_eps(ball.eps * ops.minimum(grown, 1.0))
        victims = self._victims(model, sources)
        crafts = [lambda victim=victim: self.attack.craft(victim, x, y, ball=ball, key=key) for victim in victims]
        if len(crafts) == 1:
            return crafts[0]()
        # The first example's key draws for the whole batch, from a stream that no attack uses.
        draw = random.uniform(random.fold_in(key[:1], 0xE45), ())[0]
        return ops.switch(ops.cast(draw * len(crafts), "int32"), crafts)

    def _victims(self, model: Classifier, sources: Sequence[Classifier]) -> list[Classifier]:
        if self.craft_on == "self":
            return [model]
        return [model, *sources] if self.craft_on == "ensemble" else list(sources)


@objectives.register("natural")
@dataclass(frozen=True, kw_only=True)
class Natural(Objective):
    """Ordinary training on the images as they are: what every hardened model is compared with."""

    clean_share: float = 1.0

    def perturb(
        self, model: Classifier, x: Any, y: Any, *, key: Any, step: Any, sources: Sequence[Classifier] = ()
    ) -> Any:
        return x

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        logits = model(moved, training=True)
        return losses.TRAINING[self.minimize](y, logits), logits


def _first(share: float, x: Any) -> Any:
    """How many examples of a batch make up a share of it."""
    size = x.shape[0]
    if size is not None:
        return round(share * size)
    return ops.cast(ops.round(share * ops.cast(ops.shape(x)[0], "float32")), "int32")
