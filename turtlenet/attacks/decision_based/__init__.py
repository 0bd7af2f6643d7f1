"""Black-box attacks that see the model's answer, and nothing else."""

from turtlenet.attacks.decision_based.additive_noise import AdditiveGaussian, AdditiveUniform, SaltAndPepper
from turtlenet.attacks.decision_based.base import DecisionBased
from turtlenet.attacks.decision_based.blur_contrast import Blur, Contrast
from turtlenet.attacks.decision_based.boundary import Boundary
from turtlenet.attacks.decision_based.corruption import Corruption
from turtlenet.attacks.decision_based.geoda import GeoDA
from turtlenet.attacks.decision_based.hop_skip_jump import HopSkipJump
from turtlenet.attacks.decision_based.pointwise import Pointwise
from turtlenet.attacks.decision_based.rambo import RamBo
from turtlenet.attacks.decision_based.sign_opt import SignOPT
from turtlenet.attacks.decision_based.surfree import SurFree

__all__ = [
    "AdditiveGaussian",
    "AdditiveUniform",
    "Blur",
    "Boundary",
    "Contrast",
    "Corruption",
    "DecisionBased",
    "GeoDA",
    "HopSkipJump",
    "Pointwise",
    "RamBo",
    "SaltAndPepper",
    "SignOPT",
    "SurFree",
]
