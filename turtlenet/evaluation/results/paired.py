"""Two models on the same inputs: whether chance alone would tell them as far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turtlenet.reports.statistics import mean_test, sign_test

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

SURE = 0.05
"""Two models are told apart where chance alone would differ as much less often than this."""


def withstood(report: Report) -> list[float]:
    """Whether each image withstood; of a model that draws random numbers how likely it does; empty if not known."""
    return list(report.verdicts.get("probability") or report.verdicts.get("robust") or ())


def p_value(better: Report, other: Report) -> float | None:
    """How often chance alone would tell two models as far apart, by the images on which they differ.

    By a sign test where an image withstands or falls, and by the mean difference where a model draws random numbers.
    """
    one, two = withstood(better), withstood(other)
    if not one or not two or len(one) != len(two):
        return None
    differences = [a - b for a, b in zip(one, two, strict=True)]
    if not all(isinstance(each, int) for each in differences):
        return mean_test(differences)
    return sign_test(sum(each > 0 for each in differences), sum(each < 0 for each in differences))
