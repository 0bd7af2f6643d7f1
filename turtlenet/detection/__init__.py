"""Detectors of adversarial inputs by uncertainty (paper 001): fitted, scored on fresh images, and attacked."""

from turtlenet.detection.base import Detector, detectors
from turtlenet.detection.fitted import POPULATIONS, FittedDetector, fit_on
from turtlenet.detection.logistic import Logistic
from turtlenet.detection.measure import score_on
from turtlenet.detection.mixture import Mixture
from turtlenet.detection.report import Detection
from turtlenet.detection.scores import Setting, check_stochastic

__all__ = [
    "POPULATIONS",
    "Detection",
    "Detector",
    "FittedDetector",
    "Logistic",
    "Mixture",
    "Setting",
    "check_stochastic",
    "detectors",
    "fit_on",
    "score_on",
]
