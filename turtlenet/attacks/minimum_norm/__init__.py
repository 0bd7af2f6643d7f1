"""Attacks that look for the smallest perturbation; `base.py` has what they share."""

from turtlenet.attacks.minimum_norm.base import MinimumNorm
from turtlenet.attacks.minimum_norm.cw import CW
from turtlenet.attacks.minimum_norm.cw_l0 import CWL0
from turtlenet.attacks.minimum_norm.cw_linf import CWLinf
from turtlenet.attacks.minimum_norm.ddn import DDN
from turtlenet.attacks.minimum_norm.deepfool import DeepFool
from turtlenet.attacks.minimum_norm.ead import EAD
from turtlenet.attacks.minimum_norm.fmn import FMN
from turtlenet.attacks.minimum_norm.jsma import JSMA
from turtlenet.attacks.minimum_norm.lbfgs import LBFGS

__all__ = ["CW", "CWL0", "DDN", "EAD", "FMN", "JSMA", "LBFGS", "CWLinf", "DeepFool", "MinimumNorm"]
