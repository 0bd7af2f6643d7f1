"""Ensemble adversarial training: steps on models that do not change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet.attacks import FGSM
from turtlenet.balls import Ball
from turtlenet.ranges import count, one_of, share
from turtlenet.training.objective.base import CRAFT_ON, Objective, objectives
from turtlenet.training.objective.madry import Madry, Natural


@objectives.register("ensemble")
@dataclass(frozen=True, kw_only=True)
class Ensemble(Madry):
    """Half of a batch is moved by FGSM on the model in training or on a static one (Tramèr et al., 2018, section 3).

    Which one is drawn for each batch. The static ones are those of `--source`; where none is given, `turtlenet train`
    first trains `static_nets` of the same network, from fresh weights, in the ordinary way. Whatever attack is given,
    one step over the whole radius crafts: examples of others keep the model from learning to hide its own gradient,
    which helps against attacks that transfer. A step costs one input gradient and one pass of weight gradients.

    Args:
        static_nets: How many are trained where none is given.
        craft_on: `ensemble`; `static` leaves out the model in training.
        clean_share: Share of a batch that is not attacked; half, as in the paper.
    """

    static_nets: int = count(2, low=1)
    craft_on: str = one_of("ensemble", CRAFT_ON)
    clean_share: float = share(0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "attack", FGSM(keep="last"))

    def own_sources(self) -> Sequence[Objective]:
        if self.craft_on == "self":
            return ()
        common: dict[str, Any] = {"minimize": self.minimize, "label_smoothing": self.label_smoothing}
        ball: Ball = self.ball
        return [Natural(attack=self.attack, ball=ball, **common)] * self.static_nets
