"""What detectors have in common that compare a number with a threshold."""

import abc
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from keras import ops
from sklearn.linear_model import LogisticRegression

from turtlenet.detection.base import Detector, learned
from turtlenet.errors import DataError

_LEAST = 1e-3
"""A slope that is still one: more of the statistic is never less suspicious."""


@dataclass(frozen=True, kw_only=True)
class Thresholded(Detector, abc.ABC):
    """A detector whose statistic, or the largest of several, says how suspicious an input is.

    Fitting only puts it on the scale of log odds, which changes neither its order nor, at a given share of false
    alarms, what it sees: a line of logistic regression on the standardized statistic, which never falls.

    Args:
        center: Mean of the statistic where it was fitted, both sides weighed alike.
        scale: Its standard deviation.
        slope: Of the log odds, in standard deviations.
        intercept: Log odds at the center.
    """

    center: float = learned(0.0)
    scale: float = learned(1.0)
    slope: float = learned(1.0)
    intercept: float = learned(0.0)

    @abc.abstractmethod
    def statistics(self, model: Any, x: Any, logits: Any) -> Any:
        """See `Detector.statistics`; more of it is more suspicious."""

    def fit(self, clean: np.ndarray, adversarial: np.ndarray) -> Self:
        sides = [self.largest(side, what) for side, what in ((clean, "clean"), (adversarial, "adversarial"))]
        center = float(np.mean([side.mean() for side in sides]))
        scale = float(np.sqrt(np.mean([np.square(side - center).mean() for side in sides]))) or 1.0
        labels = np.repeat([0, 1], [len(side) for side in sides])
        found = LogisticRegression(class_weight="balanced").fit(
            (np.concatenate(sides)[:, None] - center) / scale, labels
        )
        slope = max(float(found.coef_[0, 0]), _LEAST)
        return replace(self, center=center, scale=scale, slope=slope, intercept=float(found.intercept_[0]))

    @staticmethod
    def largest(values: Any, what: str) -> np.ndarray:
        """The largest statistic of each input, float64 (n,).

        Raises:
            DataError: Fewer than two inputs, or a statistic that is not finite.
        """
        values = np.asarray(values, "float64")
        if len(values) < 2:
            raise DataError(f"Expected at least 2 {what} scores to fit a detector on; got {len(values)}.")
        if not np.isfinite(values).all():
            raise DataError(
                f"Expected finite {what} scores to fit a detector on; got {values[~np.isfinite(values)][0]}."
            )
        return values.reshape(len(values), -1).max(axis=1)

    def log_odds(self, values: Any) -> Any:
        return ops.max(self.each_log_odds(values), axis=1)

    def each_log_odds(self, values: Any) -> Any:
        values = ops.convert_to_tensor(values, "float32")
        columns = ops.reshape(values, (-1, 1 if len(values.shape) == 1 else values.shape[1]))
        return self.intercept + self.slope * ((columns - self.center) / self.scale)
