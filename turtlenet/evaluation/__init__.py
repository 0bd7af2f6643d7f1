"""The cascade of attacks, the doubts, and the report with its views."""

from turtlenet.evaluation.cascade import MODES
from turtlenet.evaluation.evaluate import LABELS, evaluate_classifier
from turtlenet.evaluation.report import AttackRow, ClassRow, Comparison, CurvePoint, Doubt, Picture, Report

__all__ = [
    "LABELS",
    "MODES",
    "AttackRow",
    "ClassRow",
    "Comparison",
    "CurvePoint",
    "Doubt",
    "Picture",
    "Report",
    "evaluate_classifier",
]
