"""Black-box attacks that see the model's scores: every logit, no gradient."""

from turtlenet.attacks.scores.estimated import NES, SPSA, Estimated
from turtlenet.attacks.scores.local_search import LocalSearch
from turtlenet.attacks.scores.one_pixel import OnePixel
from turtlenet.attacks.scores.pixels import Pixels, SinglePixel
from turtlenet.attacks.scores.scored import Scored
from turtlenet.attacks.scores.simba import SimBA
from turtlenet.attacks.scores.zoo import ZOO

__all__ = ["NES", "SPSA", "ZOO", "Estimated", "LocalSearch", "OnePixel", "Pixels", "Scored", "SimBA", "SinglePixel"]
