"""One step: the fast gradient sign method, its randomized and its targeted form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.attacks.base import attacks
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent


@attacks.register("fgsm")
@dataclass(frozen=True, kw_only=True)
class FGSM(GradientAscent):
    """One step to the edge of the ball (Goodfellow et al., 2015; paper 003, section 4.1)."""

    steps: int = 1
    step_size: float = 1.0

    training_settings: ClassVar[Mapping[str, Any]] = {"keep": "last"}


@attacks.register("rfgsm")
@dataclass(frozen=True, kw_only=True)
class RFGSM(GradientAscent):
    """A random start, then one step of 1.25 radii (Wong et al., 2020, "Fast is better than free").

    R+FGSM of Tramèr et al. (2018) is `rfgsm:start=sign,start_size=0.5,step_size=0.5`.
    """

    steps: int = 1
    step_size: float = 1.25
    start: str = "uniform"

    training_settings: ClassVar[Mapping[str, Any]] = {"keep": "last"}


@attacks.register("least-likely")
@dataclass(frozen=True, kw_only=True)
class LeastLikely(GradientAscent):
    """One step towards the class that the model finds least likely (Kurakin et al., 2017, "step l.l.").

    The one-step target class method towards any other is `fgsm:target=next` or `fgsm:target=3`.
    """

    target: str = "least_likely"
    steps: int = 1
    step_size: float = 1.0

    training_settings: ClassVar[Mapping[str, Any]] = {"keep": "last"}
