"""Many steps: projected gradient descent and the basic iterative method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.attacks.base import attacks
from turtlenet.attacks.gradient_ascent import GradientAscent

__all__ = ["BIM", "PGD", "IterativeLeastLikely", "Madry", "MultiTargeted"]

# Ten steps that can cross the ball and come back: what training can afford, and enough to train against.
_TRAINING = {"steps": 10, "step_size": 0.25, "keep": "last"}


@attacks.register("pgd")
@dataclass(frozen=True, kw_only=True)
class PGD(GradientAscent):
    """Projected gradient descent from a random start (Madry et al., 2018; paper 003, section 4.3).

    `pgd:start=odi` is ODI-PGD (Tashiro et al., 2020).
    The default, 40 steps of a tenth of the radius, walks four radii; `pgd:steps=40,step=0.01` is the setting of the
    MNIST challenge at a radius of 0.3.
    """

    start: str = "uniform"

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("madry")
@dataclass(frozen=True, kw_only=True)
class Madry(GradientAscent):
    """PGD under the name, and with the defaults, that paper 003 and cleverhans know as MadryEtAl."""

    steps: int = 10
    step: float = 0.05
    start: str = "uniform"

    training_settings: ClassVar[Mapping[str, Any]] = {"keep": "last"}


@attacks.register("bim")
@dataclass(frozen=True, kw_only=True)
class BIM(GradientAscent):
    """The basic iterative method: no random start (Kurakin et al., 2017; paper 003, section 4.2)."""

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("iterative-least-likely")
@dataclass(frozen=True, kw_only=True)
class IterativeLeastLikely(GradientAscent):
    """BIM towards the class that the model finds least likely (Kurakin et al., 2017, section 2.3)."""

    target: str = "least_likely"

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("multi-targeted")
@dataclass(frozen=True, kw_only=True)
class MultiTargeted(GradientAscent):
    """PGD on the margin of every wrong class in turn (Gowal et al., 2019, "An alternative surrogate loss")."""

    start: str = "uniform"
    loss: str = "margin"
    target: str = "each"
