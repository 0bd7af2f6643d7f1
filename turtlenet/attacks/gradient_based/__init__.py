"""Attacks that follow the gradient of a loss within the ball: FGSM, PGD and what came of it."""

from turtlenet.attacks.gradient_based.a3 import A3, fit_a3
from turtlenet.attacks.gradient_based.adam_pgd import AdamPGD
from turtlenet.attacks.gradient_based.apgd import APGD, APGDCE, APGDDLR, APGDT, PMA
from turtlenet.attacks.gradient_based.detector_evasion import DetectorEvasion
from turtlenet.attacks.gradient_based.fgsm import FGSM, RFGSM, LeastLikely
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent
from turtlenet.attacks.gradient_based.malt import MALT
from turtlenet.attacks.gradient_based.mim import MIM
from turtlenet.attacks.gradient_based.pgd import BIM, PGD, IterativeLeastLikely, Madry, MultiTargeted
from turtlenet.attacks.gradient_based.quantizer_pgd import QuantizerPGD

__all__ = [
    "A3",
    "fit_a3",
    "AdamPGD",
    "APGD",
    "APGDCE",
    "APGDDLR",
    "APGDT",
    "PMA",
    "DetectorEvasion",
    "FGSM",
    "RFGSM",
    "LeastLikely",
    "GradientAscent",
    "MALT",
    "MIM",
    "BIM",
    "PGD",
    "IterativeLeastLikely",
    "Madry",
    "MultiTargeted",
    "QuantizerPGD",
]
