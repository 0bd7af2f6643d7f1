"""The detector of paper 001: logistic regression on the uncertainty of the model's answers."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from turtlenet.detection.base import Detector, detectors, learned
from turtlenet.detection.edges import spread_of


@detectors.register("logistic")
@dataclass(frozen=True, kw_only=True)
class Logistic(Detector):
    """Logistic regression on the uncertainty (paper 001, section 3), as scikit-learn fits it.

    Uncertainties are of the order of 1e-3: they are standardized first, or the penalty on the slope (C = 1) would
    leave next to nothing of it.

    Args:
        center: Mean of the scores that it was fitted on, both sides weighed alike.
        scale: Their standard deviation.
        slope: Of the standardized score.
        intercept: Log odds at the center.
    """

    center: float = learned(0.0)
    scale: float = learned(1.0)
    slope: float = learned(0.0)
    intercept: float = learned(0.0)

    def fit(self, clean: np.ndarray, adversarial: np.ndarray) -> "Logistic":
        (clean, low, near), (adversarial, high, far) = (
            spread_of(clean, "clean"),
            spread_of(adversarial, "adversarial"),
        )
        center = (low + high) / 2
        scale = float(np.sqrt((near + far) / 2 + (high - low) ** 2 / 4)) or 1.0
        values = (np.concatenate([clean, adversarial]) - center) / scale
        labels = np.repeat([0, 1], [len(clean), len(adversarial)])
        found = LogisticRegression(class_weight="balanced").fit(values[:, None], labels)
        return replace(
            self, center=center, scale=scale, slope=float(found.coef_[0, 0]), intercept=float(found.intercept_[0])
        )

    def score(self, values: Any) -> np.ndarray:
        return np.asarray(expit(self.log_odds(np.asarray(values, "float64"))))

    def log_odds(self, values: Any) -> Any:
        return self.intercept + self.slope * ((values - self.center) / self.scale)
