"""Two models on the same inputs: whether chance alone would tell them as far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turtlenet.reports.statistics import sign_test

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Report

SURE = 0.05
"""Two models are told apart where chance alone would differ as much less often than this."""


def p_value(better: Report, other: Report) -> float | None:
    """How often chance alone would tell two models as far apart, by the images on which just one of them held."""
    one, two = better.verdicts.get("robust"), other.verdicts.get("robust")
    if not one or not two or len(one) != len(two):
        return None
    return sign_test(
        sum(a > b for a, b in zip(one, two, strict=True)), sum(a < b for a, b in zip(one, two, strict=True))
    )
