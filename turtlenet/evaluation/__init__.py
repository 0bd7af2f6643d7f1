"""The cascade of attacks, the doubts, and the report with its views.

Named here is what an evaluation leaves behind; it is read without a framework (`turtlenet rank`).
"""

from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.results.records import AttackRow, ClassRow, CurvePoint, ImageResults, Picture
from turtlenet.evaluation.results.report import Comparison, Report
from turtlenet.evaluation.results.sweep import Sweep, SweepPoint
from turtlenet.reports.base import Doubt

__all__ = [
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
]
