"""What every detector promises, whoever writes it."""

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops
from scipy.special import expit

from turtlenet.classifier import Classifier
from turtlenet.errors import DataError
from turtlenet.registry import Registry
from turtlenet.uncertainty import LARGEST, uncertainty

_GRID = 4001
_HALVINGS = 60


@dataclass(frozen=True, kw_only=True)
class Detector(abc.ABC):
    """Tells adversarial inputs from clean ones by statistics of the model's answers to them.

    A subclass is a frozen dataclass of numbers, or tuples of them, with a way to be fitted and a way to score. It goes
    to JSON and back. Fitting weighs the clean and the adversarial side alike, however many there are of each: nobody
    knows how often attacks will come, so probabilities are those for even odds.

    The statistic of an input is its uncertainty (paper 001, equation 12) unless a subclass defines `statistics`; such
    a subclass defines `log_odds` in place of `score`, through which an attack that knows of the detector climbs.
    """

    statistic: ClassVar[str] = "uncertainty"
    """What it looks at, in words."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, clean: np.ndarray, adversarial: np.ndarray) -> "Detector":
        """Fits a detector.

        Args:
            clean: Statistics of clean inputs, float64: uncertainties (n,), each within [0, 0.25]; or (n, k).
            adversarial: Those of adversarial inputs, (m,) or (m, k).

        Raises:
            DataError: Statistics that it cannot be fitted on.
        """

    @classmethod
    def statistics(cls, model: Classifier, x: Any, logits: Any) -> Any:
        """Computes what the detector looks at, within a compiled graph.

        Args:
            model: The model, for a detector that asks it more, such as about a squeezed `x`.
            x: Inputs, float32 (batch, ...).
            logits: The model's answers to them, float32 (batch, draws, classes); one draw of a model without random
                layers.

        Returns:
            float32 (batch,) or (batch, k).
        """
        return uncertainty(ops.softmax(logits, axis=-1))

    @classmethod
    def by_uncertainty(cls) -> bool:
        """Whether it looks at the uncertainty, which only a model with random layers has."""
        return cls.statistics.__func__ is Detector.statistics.__func__  # type: ignore[attr-defined]

    def score(self, values: Any) -> np.ndarray:
        """Gives the probability that an input is adversarial, at even odds.

        Args:
            values: Uncertainties of any shape; or statistics (n, k).

        Returns:
            float64, shaped like the uncertainties; or (n,).
        """
        return np.asarray(expit(np.asarray(ops.convert_to_numpy(self.log_odds(values)), "float64")))

    def log_odds(self, values: Any) -> Any:
        """Gives log(p / (1 - p)) of the probability p of `score`, (batch,), written in `keras.ops`.

        Args:
            values: What `statistics` gives, (batch,) or (batch, k).
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every number, for JSON."""
        return {"name": detectors.name_of(type(self)), **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Detector":
        """Reads back what `to_dict` wrote.

        Raises:
            SpecError: No detector of that name.
        """
        settings = {name: _frozen(value) for name, value in data.items()}
        return detectors.factory(settings.pop("name"))(**settings)


def _frozen(value: Any) -> Any:
    """A value with tuples for the lists of JSON, as a frozen dataclass has them."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


detectors: Registry[Detector] = Registry("detector", "turtlenet.detectors", base=Detector)


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
