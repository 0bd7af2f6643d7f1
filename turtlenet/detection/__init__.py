"""Detectors of adversarial inputs: fitted, scored on fresh images, and attacked."""

from turtlenet.detection.base import Detector, Lesson, check_stochastic, detectors, learned
from turtlenet.detection.fitted import POPULATIONS, FittedDetector, fit_on
from turtlenet.detection.measure import score_on
from turtlenet.detection.methods import (
    ConvolutionStatistics,
    KernelDensity,
    Logistic,
    MagNetDivergence,
    MagNetError,
    Mixture,
    PrincipalComponents,
    Squeezing,
    Subnetwork,
    Together,
)
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.detection.report import Detection
from turtlenet.detection.scores import Setting

__all__ = [
    "POPULATIONS",
    "ConvolutionStatistics",
    "Detection",
    "Detector",
    "FittedDetector",
    "KernelDensity",
    "Lesson",
    "Logistic",
    "MagNetDivergence",
    "MagNetError",
    "Mixture",
    "PrincipalComponents",
    "Setting",
    "Squeezing",
    "Subnetwork",
    "Thresholded",
    "Together",
    "check_stochastic",
    "detectors",
    "fit_on",
    "learned",
    "score_on",
]
