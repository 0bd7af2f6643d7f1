"""Many steps with a memory: the momentum iterative method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.attacks.base import attacks
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent


@attacks.register("mim")
@dataclass(frozen=True, kw_only=True)
class MIM(GradientAscent):
    """The momentum iterative method (Dong et al., 2018): gradients add up, each divided by its mean size."""

    momentum: float = 1.0

    training_settings: ClassVar[Mapping[str, Any]] = {"steps": 10, "step_size": 0.25, "keep": "last"}
