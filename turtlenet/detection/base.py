"""What every detector promises, whoever writes it."""

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from turtlenet.errors import DataError
from turtlenet.registry import Registry
from turtlenet.uncertainty import LARGEST

__all__ = ["Detector", "detectors", "seen", "spread_of"]

_GRID = 4001
_HALVINGS = 60


@dataclass(frozen=True, kw_only=True)
class Detector(abc.ABC):
    """Tells adversarial inputs from clean ones by one number each, the uncertainty of paper 001, equation 12.

    A subclass is a frozen dataclass of numbers with a way to be fitted and a way to score. It goes to JSON and back.
    Fitting weighs the clean and the adversarial side alike, however many there are of each: nobody knows how often
    attacks will come, so probabilities are those for even odds.
    """

    needs: ClassVar[str] = "clean and adversarial scores"
    """What it is fitted on, in words."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, clean: np.ndarray, adversarial: np.ndarray) -> "Detector":
        """Fits a detector.

        Args:
            clean: Uncertainties of clean inputs, float64 (n,), each within [0, 0.25].
            adversarial: Those of adversarial inputs, float64 (m,).

        Raises:
            DataError: Scores that it cannot be fitted on.
        """

    @abc.abstractmethod
    def score(self, values: Any) -> np.ndarray:
        """Gives the probability that an input is adversarial, at even odds, float64 shaped like `values`."""

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every number, for JSON."""
        return {"name": detectors.name_of(type(self)), **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Detector":
        """Reads back what `to_dict` wrote.

        Raises:
            SpecError: No detector of that name.
        """
        settings = dict(data)
        return detectors.factory(settings.pop("name"))(**settings)


detectors: Registry[Detector] = Registry("detector", "turtlenet.detectors", base=Detector)


def spread_of(values: Any, what: str) -> tuple[np.ndarray, float, float]:
    """Scores as float64 (n,), their mean and their variance (1/n).

    Raises:
        DataError: Fewer than two, or one that is no uncertainty.
    """
    found = np.asarray(values, "float64").ravel()
    if len(found) < 2:
        raise DataError(f"Expected at least 2 {what} scores to fit a detector on; got {len(found)}.")
    if not (np.isfinite(found).all() and found.min() >= 0):
        raise DataError(f"Expected {what} scores of 0 or more to fit a detector on; got {found.min()}.")
    return found, float(found.mean()), float(found.var())


def seen(detector: Detector, cut: float) -> tuple[float, str]:
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
