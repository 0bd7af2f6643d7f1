"""The cascade of attacks, the doubts, and the report with its views."""

from turtlenet.evaluation.cascade import MODES
from turtlenet.evaluation.evaluate import LABELS, evaluate_classifier
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.report import AttackRow, ClassRow, Comparison, CurvePoint, ImageResults, Picture, Report
from turtlenet.evaluation.sweep import Sweep, SweepPoint
from turtlenet.noise_tolerance.measure import Tolerance, measure_tolerance
from turtlenet.reports.base import Doubt

__all__ = [
    "LABELS",
    "MODES",
    "AttackRow",
    "ClassRow",
    "Comparison",
    "CurvePoint",
    "Doubt",
    "ImageResults",
    "Perceptibility",
    "Picture",
    "Report",
    "Sweep",
    "SweepPoint",
    "Tolerance",
    "evaluate_classifier",
    "measure_tolerance",
]
