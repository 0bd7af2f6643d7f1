"""Detectors of one's own that look at something else than the uncertainty: what a package or a project would write."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from sklearn.linear_model import LogisticRegression

from turtlenet.detection import Detector


@dataclass(frozen=True, kw_only=True)
class KernelDensity(Detector):
    """Density of the logits among those of clean inputs of the same answer, in the shape of Feinman et al. (2017).

    Args:
        points: Logits of the clean inputs that it was fitted on.
        width: Of the Gaussian kernel.
        slope: Of the log density, in the log odds.
        intercept: Log odds at a log density of 0.
    """

    points: tuple[tuple[float, ...], ...]
    width: float
    slope: float
    intercept: float

    @classmethod
    def statistics(cls, model: Any, x: Any, logits: Any) -> Any:
        return ops.mean(logits, axis=1)

    @classmethod
    def fit(cls, clean: np.ndarray, adversarial: np.ndarray) -> "KernelDensity":
        shape = cls(points=tuple(map(tuple, clean.tolist())), width=float(clean.std()), slope=1.0, intercept=0.0)
        both = np.concatenate([clean, adversarial])
        labels = np.repeat([0, 1], [len(clean), len(adversarial)])
        found = LogisticRegression(class_weight="balanced").fit(np.asarray(shape.density(both))[:, None], labels)
        slope, intercept = float(found.coef_[0, 0]), float(found.intercept_[0])
        return cls(points=shape.points, width=shape.width, slope=slope, intercept=intercept)

    def density(self, values: Any) -> Any:
        """Log density (n,) of logits (n, classes), up to a constant."""
        values, points = ops.cast(values, "float32"), ops.convert_to_tensor(self.points, "float32")
        alike = ops.argmax(values, axis=1)[:, None] == ops.argmax(points, axis=1)[None]
        distance = ops.sum(ops.square(values[:, None] - points[None]), axis=2) / (2 * self.width**2)
        return ops.logsumexp(ops.where(alike, -distance, -50.0), axis=1)

    def log_odds(self, values: Any) -> Any:
        return self.intercept + self.slope * self.density(values)


@dataclass(frozen=True, kw_only=True)
class Squeezing(Detector):
    """Distance of the answers to an input and to the same with one bit a pixel, in the shape of Xu et al. (2018).

    Args:
        cut: The distance at even odds.
    """

    cut: float

    @classmethod
    def statistics(cls, model: Any, x: Any, logits: Any) -> Any:
        # An attacker takes the squeezed input's gradient as if nothing were rounded (BPDA).
        squeezed = x + ops.stop_gradient(ops.round(x) - x)
        answers = [ops.mean(ops.softmax(each, axis=-1), axis=1) for each in (logits, model.each(squeezed))]
        return ops.sum(ops.abs(answers[0] - answers[1]), axis=-1)

    @classmethod
    def fit(cls, clean: np.ndarray, adversarial: np.ndarray) -> "Squeezing":
        return cls(cut=float(clean.mean() + adversarial.mean()) / 2)

    def log_odds(self, values: Any) -> Any:
        return 10.0 * (ops.cast(values, "float32") - self.cut)
