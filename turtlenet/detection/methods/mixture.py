"""The detector that paper 001 names as future work: a mixture of densities of the uncertainty."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from turtlenet.detection.base import Detector, detectors, learned
from turtlenet.detection.edges import spread_of

_LEAST = 1e-9
"""Scores that are all alike still have some width: no density is infinite."""


@detectors.register("mixture")
@dataclass(frozen=True, kw_only=True)
class Mixture(Detector):
    """An exponential for clean inputs and a Gaussian for adversarial ones (paper 001, section 5).

    Each is fitted to its side by maximum likelihood, for which both have a closed form; an input's probability is the
    Gaussian's share of the two densities. A Gaussian's tail falls faster than an exponential's, so that far above its
    mean the plain share would call an input clean again. Where adversarial inputs are the more uncertain ones, the
    share stays at its largest value from there on.

    Args:
        rate: Of the exponential, 1 over the mean of the clean scores.
        mean: Of the Gaussian.
        deviation: Of the Gaussian, its standard deviation.
    """

    rate: float = learned(1.0)
    mean: float = learned(0.0)
    deviation: float = learned(1.0)

    def fit(self, clean: np.ndarray, adversarial: np.ndarray) -> "Mixture":
        _, scale, _ = spread_of(clean, "clean")
        _, mean, variance = spread_of(adversarial, "adversarial")
        return replace(self, rate=1 / max(scale, _LEAST), mean=mean, deviation=max(math.sqrt(variance), _LEAST))

    def score(self, values: Any) -> np.ndarray:
        return np.asarray(expit(self.log_odds(np.asarray(values, "float64"))))

    def log_odds(self, values: Any) -> Any:
        at = values
        if self.mean * self.rate > 1:
            # The log of the densities' ratio is a parabola, which has its top here.
            top = self.mean + self.rate * self.deviation**2
            at = top - (abs(top - at) + (top - at)) / 2
        gauss = -0.5 * ((at - self.mean) / self.deviation) ** 2 - math.log(self.deviation * math.sqrt(2 * math.pi))
        return gauss - (math.log(self.rate) - self.rate * at)
