"""Attacks that look for the smallest perturbation; `record.py` has what they share."""

from turtlenet.attacks.minimal.cw import CW
from turtlenet.attacks.minimal.cw_l0 import CWL0
from turtlenet.attacks.minimal.cw_linf import CWLinf
from turtlenet.attacks.minimal.ddn import DDN
from turtlenet.attacks.minimal.deepfool import DeepFool
from turtlenet.attacks.minimal.ead import EAD
from turtlenet.attacks.minimal.fmn import FMN
from turtlenet.attacks.minimal.jsma import JSMA
from turtlenet.attacks.minimal.lbfgs import LBFGS
from turtlenet.attacks.minimal.record import Minimal

__all__ = ["CW", "CWL0", "DDN", "EAD", "FMN", "JSMA", "LBFGS", "CWLinf", "DeepFool", "Minimal"]
