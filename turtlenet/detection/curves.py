"""ROC curves, areas and rates, with intervals by the bootstrap over images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

from turtlenet.typing import Interval

RESAMPLES = 1000
_POINTS = 200


@dataclass(frozen=True)
class Pair:
    """A population: the same n images clean and attacked, of which some count on each side.

    Attributes:
        clean: The detector's probabilities for the clean images, float64 (n,).
        attacked: Those for the same images after an attack.
        is_clean: Which clean images count, bool (n,).
        is_attacked: Which attacked images count, bool (n,).
    """

    clean: np.ndarray
    attacked: np.ndarray
    is_clean: np.ndarray
    is_attacked: np.ndarray

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities that count, clean and adversarial."""
        return self.clean[self.is_clean], self.attacked[self.is_attacked]

    def drawn(self, rows: np.ndarray) -> "Pair":
        """The population of other images, some of them several times."""
        return Pair(self.clean[rows], self.attacked[rows], self.is_clean[rows], self.is_attacked[rows])


def area(clean: np.ndarray, adversarial: np.ndarray) -> float | None:
    """Area under the ROC curve: how often an adversarial input scores above a clean one, a tie counting half.

    None if a side is empty.

    >>> area(np.array([0.1, 0.4]), np.array([0.3, 0.8]))
    0.75
    """
    if not (len(clean) and len(adversarial)):
        return None
    ranks = rankdata(np.concatenate([adversarial, clean]))[: len(adversarial)]
    least = len(adversarial) * (len(adversarial) + 1) / 2
    return float((ranks.sum() - least) / (len(clean) * len(adversarial)))


def accuracy(clean: np.ndarray, adversarial: np.ndarray, cut: float = 0.5) -> float | None:
    """The mean of the shares that are right on either side; None if a side is empty.

    On as many clean as adversarial inputs, as in paper 001, that is the share that is right.
    """
    if not (len(clean) and len(adversarial)):
        return None
    return float(((clean <= cut).mean() + (adversarial > cut).mean()) / 2)


def bootstrap(
    pair: Pair, measures: dict[str, Callable[[np.ndarray, np.ndarray], float | None]], seed: int
) -> dict[str, Interval | None]:
    """95 % intervals of several measures, by the percentiles of 1,000 draws of as many images, with replacement.

    An image is drawn with both its sides: the clean and the adversarial scores of one image go together.

    Args:
        pair: The population.
        measures: Functions of the clean and the adversarial probabilities.
        seed: Repeats the draws.

    Returns:
        An interval for each measure; None where it is not defined, or in fewer than half of the draws.
    """
    generator, count = np.random.default_rng(seed), len(pair.clean)
    resampled: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(RESAMPLES):
        sides = pair.drawn(generator.integers(count, size=count)).sides
        for name, measure in measures.items():
            value = measure(*sides)
            if value is not None:
                resampled[name].append(value)
    return {
        name: _percentiles(values) if measures[name](*pair.sides) is not None else None
        for name, values in resampled.items()
    }


def _percentiles(values: list[float]) -> Interval | None:
    if 2 * len(values) < RESAMPLES:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return round(float(low), 6), round(float(high), 6)


def roc(clean: np.ndarray, adversarial: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The ROC curve as (false positive rate, true positive rate), at most 200 points; none if a side is empty."""
    if not (len(clean) and len(adversarial)):
        return ()
    labels = np.repeat([0, 1], [len(clean), len(adversarial)])
    wrong, right, _ = roc_curve(labels, np.concatenate([clean, adversarial]))
    kept = np.unique(np.linspace(0, len(wrong) - 1, min(_POINTS, len(wrong))).round().astype(int))
    return tuple((round(float(wrong[at]), 6), round(float(right[at]), 6)) for at in kept)
