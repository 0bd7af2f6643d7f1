"""Black-box attacks that see the model's answer, and nothing else."""

from turtlenet.attacks.decisions.boundary import Boundary
from turtlenet.attacks.decisions.corruption import Corruption
from turtlenet.attacks.decisions.decision import Decision, Started
from turtlenet.attacks.decisions.fading import Blur, Contrast
from turtlenet.attacks.decisions.hop_skip_jump import HopSkipJump
from turtlenet.attacks.decisions.noises import AdditiveGaussian, AdditiveUniform, SaltAndPepper
from turtlenet.attacks.decisions.pointwise import Pointwise

__all__ = [
    "AdditiveGaussian",
    "AdditiveUniform",
    "Blur",
    "Boundary",
    "Contrast",
    "Corruption",
    "Decision",
    "HopSkipJump",
    "Pointwise",
    "SaltAndPepper",
    "Started",
]
