"""The uncertainties that a detector is fitted on, and where one begins to see."""

from typing import Any

import numpy as np

from turtlenet.detection.base import Detector
from turtlenet.errors import DataError
from turtlenet.uncertainty import LARGEST

_GRID = 4001
_HALVINGS = 60


def spread_of(values: Any, what: str) -> tuple[np.ndarray, float, float]:
    """Scores as float64 (n,), their mean and their variance (1/n).

    Raises:
        DataError: Fewer than two, or one that is no uncertainty.
    """
    scores = np.asarray(values, "float64").ravel()
    if len(scores) < 2:
        raise DataError(f"Expected at least 2 {what} scores to fit a detector on; got {len(scores)}.")
    if not (np.isfinite(scores).all() and scores.min() >= 0):
        raise DataError(f"Expected {what} scores of 0 or more to fit a detector on; got {scores.min()}.")
    return scores, float(scores.mean()), float(scores.var())


def edge_of(detector: Detector, cut: float) -> tuple[float, str]:
    """The edge of what a detector takes for adversarial, and the side on which it sees nothing.

    Args:
        detector: Any detector.
        cut: It sees an attack where the probability is above this.

    Returns:
        The uncertainty of the edge, above 0, and `below` or `above`: where a detector sees nothing on either side
        of an interval, `below` it, as clean inputs lie there; 0.25 and `below` if it sees nothing anywhere.
    """
    # In equal ratios: clean uncertainties go down to 1e-9, and much is decided there.
    grid = np.concatenate([[0.0], np.geomspace(1e-12, LARGEST, _GRID - 1)])
    hits = detector.score(grid) > cut
    if not hits.any():
        return LARGEST, "below"
    first, last = int(np.argmax(hits)), len(grid) - 1 - int(np.argmax(hits[::-1]))
    if first > 0:
        return max(_edge(detector, cut, grid[first - 1], grid[first]), 1e-12), "below"
    if last < len(grid) - 1:
        return _edge(detector, cut, grid[last + 1], grid[last]), "above"
    return 1e-12, "below"


def _edge(detector: Detector, cut: float, quiet: float, loud: float) -> float:
    """Halves the interval between an uncertainty that is not seen and one that is."""
    for _ in range(_HALVINGS):
        middle = (quiet + loud) / 2
        if detector.score(np.array([middle]))[0] > cut:
            loud = middle
        else:
            quiet = middle
    return float(quiet)
