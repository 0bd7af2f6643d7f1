"""Attacks that look for the smallest perturbation; `base.py` has what they share."""

from turtlenet.attacks.minimum_norm.alma import ALMA
from turtlenet.attacks.minimum_norm.base import MinimumNorm
from turtlenet.attacks.minimum_norm.brendel_bethge import BrendelBethge
from turtlenet.attacks.minimum_norm.cw import CW
from turtlenet.attacks.minimum_norm.cw_l0 import CWL0
from turtlenet.attacks.minimum_norm.cw_linf import CWLinf
from turtlenet.attacks.minimum_norm.ddn import DDN
from turtlenet.attacks.minimum_norm.deepfool import DeepFool
from turtlenet.attacks.minimum_norm.ead import EAD
from turtlenet.attacks.minimum_norm.fab import FAB, FABT
from turtlenet.attacks.minimum_norm.fmn import FMN
from turtlenet.attacks.minimum_norm.jsma import JSMA
from turtlenet.attacks.minimum_norm.lbfgs import LBFGS
from turtlenet.attacks.minimum_norm.pdpgd import PDPGD
from turtlenet.attacks.minimum_norm.sigma_zero import SigmaZero
from turtlenet.attacks.minimum_norm.super_deepfool import SuperDeepFool
from turtlenet.attacks.minimum_norm.trust_region import TrustRegion

__all__ = [
    "FABT",
    "FAB",
    "ALMA",
    "CW",
    "CWL0",
    "DDN",
    "EAD",
    "FMN",
    "JSMA",
    "LBFGS",
    "PDPGD",
    "BrendelBethge",
    "CWLinf",
    "DeepFool",
    "MinimumNorm",
    "SigmaZero",
    "SuperDeepFool",
    "TrustRegion",
]
