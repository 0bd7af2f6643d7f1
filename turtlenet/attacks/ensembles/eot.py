"""Attacks on the mean over the random draws of a defence."""

from dataclasses import dataclass

from turtlenet.attacks.base import MOST, attacks
from turtlenet.attacks.ensembles.base import Elsewhere
from turtlenet.classifier import Classifier
from turtlenet.ranges import count


@attacks.register("averaged")
@dataclass(frozen=True, kw_only=True)
class Averaged(Elsewhere):
    """Another attack on the mean over many draws of random defences (EOT, Athalye et al., 2018).

    It is judged on as many draws as the model itself answers with. A model that draws nothing is attacked as it is. A
    gradient of so many draws is counted as one.

    Args:
        draws: How many draws an answer and its gradient are the mean of while it searches.
    """

    draws: int = count(20, low=1, high=MOST)

    def surrogate(self, model: Classifier) -> Classifier:
        return model.taking(draws=self.draws)
