"""Free adversarial training: one backward pass moves the weights and the perturbation."""

from dataclasses import dataclass
from typing import Any

from turtlenet.attacks import FGSM
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import count
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.madry import Madry


@objectives.register("free")
@dataclass(frozen=True, kw_only=True)
class Free(Madry):
    """Each batch `replays` times; each time its gradient moves the weights, and its inputs (Shafahi et al., 2019).

    The perturbation r <- project(r + eps * steepest(grad L(x + r))) goes on from replay to replay and from batch to
    batch, by the place in the batch (Algorithm 1). A replay is a step of the optimizer, and costs what a step of
    natural training costs; so an epoch is a pass over 1 / `replays` of the data. No attack is run, whichever is given.

    Args:
        replays: How often a batch is replayed (m in the paper, which takes 8 on CIFAR-10).
    """

    replays: int = count(8, low=2)  # type: ignore[misc]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clean_share or self.craft_on != "self":
            raise SettingError("Expected clean_share=0 and craft_on=self for objective free, which crafts nothing.")
        object.__setattr__(self, "attack", FGSM(keep="last"))

    @property
    def passes(self) -> float:
        return super().passes * self.replays

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        # The trainer moves the inputs with the weights.
        return x
