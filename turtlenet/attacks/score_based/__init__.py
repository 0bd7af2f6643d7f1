"""Black-box attacks that see the model's scores: every logit, no gradient."""

from turtlenet.attacks.score_based.base import ScoreBased
from turtlenet.attacks.score_based.gradient_estimation import NES, SPSA, GradientEstimation
from turtlenet.attacks.score_based.local_search import LocalSearch
from turtlenet.attacks.score_based.one_pixel import OnePixel
from turtlenet.attacks.score_based.pixels import SinglePixel
from turtlenet.attacks.score_based.simba import SimBA
from turtlenet.attacks.score_based.square import Square
from turtlenet.attacks.score_based.zoo import ZOO

__all__ = [
    "Square",
    "NES",
    "SPSA",
    "ZOO",
    "GradientEstimation",
    "LocalSearch",
    "OnePixel",
    "ScoreBased",
    "SimBA",
    "SinglePixel",
]
