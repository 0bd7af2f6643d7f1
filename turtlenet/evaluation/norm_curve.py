"""What one search for the smallest perturbations says about every radius."""

from typing import Any

import numpy as np

from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.report import CurvePoint
from turtlenet.reports.statistics import share, share_interval

_MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
_SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)


def minima(ledger: PerImageResults, number: int, eps: float, slack: float = 0.0) -> dict[str, Any]:
    """The fields of an `AttackRow` that tell of the smallest perturbations.

    Args:
        ledger: What every attack found.
        number: The attack's place there.
        eps: The radius that the curve shall have points around.
        slack: What rounding may add to a length.
    """
    right = ledger.right
    length = np.where(np.isnan(ledger.minimum[number]), np.inf, ledger.minimum[number])
    lengths = length[right]
    median = float(np.median(lengths)) if len(lengths) else np.inf
    finite = lengths[np.isfinite(lengths)]
    # Where the curve falls, and around the radius that was asked for.
    radii = {round(multiple * eps, 6) for multiple in _MULTIPLES}
    radii |= {round(float(value), 6) for value in np.quantile(finite, _SHARES)} if len(finite) else set()
    return {
        "minimum_median": round(median, 6) if np.isfinite(median) else None,
        "minimum_curve": tuple(
            _point(radius, right & (length > radius * (1 + 1e-6) + slack)) for radius in sorted(radii)
        ),
    }


def _point(eps: float, left: np.ndarray) -> CurvePoint:
    return CurvePoint(eps=eps, accuracy=share(left), accuracy_interval=share_interval(left), examples=len(left))
