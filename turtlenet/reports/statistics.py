"""Intervals and distances, by the libraries that know them."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, ttest_1samp


def interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share, rounded to 6 places.

    >>> interval(45, 50)
    (0.786398, 0.956524)
    """
    if count == 0:
        return 0.0, 1.0
    bounds = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    return round(float(bounds.low), 6), round(float(bounds.high), 6)


def share(hits: np.ndarray) -> float:
    """The share of booleans that are true, rounded to 6 places; 0 of none."""
    return round(float(hits.mean()), 6) if len(hits) else 0.0


def share_interval(hits: np.ndarray) -> tuple[float, float]:
    """Its 95 % interval."""
    return interval(int(hits.sum()), len(hits))


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """A 95 % interval of the mean of numbers from 0 to 1, rounded to 6 places: Wilson's, of as many whole successes.

    No numbers from 0 to 1 vary more than zeros and ones of the same mean, so it is too wide rather than too narrow.

    >>> mean_interval(np.array([1.0] * 45 + [0.0] * 5)) == interval(45, 50)
    True
    """
    count = len(values)
    if count == 0:
        return 0.0, 1.0
    mean, square = float(values.mean()), 1.959963984540054**2
    middle, spread = mean + square / (2 * count), mean * (1 - mean) / count + square / (4 * count**2)
    low, high = ((middle + sign * np.sqrt(square * spread)) / (1 + square / count) for sign in (-1, 1))
    return round(max(0.0, float(low)), 6), round(min(1.0, float(high)), 6)


def mean_test(differences: Sequence[float]) -> float:
    """How often chance alone would put the mean of paired differences as far from 0: a two-sided t test.

    >>> round(mean_test([0.5, 0.25, 0.75, 0.5, 0.0, 0.25, 0.5, 0.25]), 4)
    0.0025
    >>> mean_test([0.5, -0.5]), mean_test([0.0, 0.0])
    (1.0, 1.0)
    """
    values = np.asarray(differences, "float64")
    if len(values) < 2 or not np.ptp(values):
        # All alike: nothing to take a spread from.
        return sign_test(int((values > 0).sum()), int((values < 0).sum()))
    return float(ttest_1samp(values, 0).pvalue)


def sign_test(wins: int, losses: int) -> float:
    """How often a fair coin would come out at least as unevenly, on either side: an exact two-sided sign test.

    For two models on the same inputs this is McNemar's exact test, of the inputs on which they differ.

    >>> sign_test(5, 0), sign_test(3, 3), sign_test(0, 0)
    (0.0625, 1.0, 1.0)
    """
    return round(float(binomtest(wins, wins + losses).pvalue), 6) if wins + losses else 1.0


def finite_mean(values: np.ndarray) -> float | None:
    """The mean of the numbers that are finite, rounded to 6 places; None of none.

    >>> finite_mean(np.array([1.0, np.nan, 2.0]))
    1.5
    """
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 6) if len(known) else None


def distances(x: np.ndarray, perturbed: np.ndarray, full: float) -> dict[str, np.ndarray]:
    """Per-image distances in input units, and the peak signal-to-noise ratio in dB.

    Args:
        x: Images (n, ...).
        perturbed: The same images, perturbed.
        full: Largest minus smallest value of a pixel.

    Returns:
        `linf`, `l2`, `l1`, `l0` (values changed) and `psnr` (infinite for an unchanged image), each float64 (n,).
    """
    delta = np.abs(perturbed.astype("float64") - x.astype("float64")).reshape(len(x), int(np.prod(x.shape[1:])))
    square = np.square(delta).mean(axis=1)
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(full**2 / square)
    return {
        "linf": delta.max(axis=1),
        "l2": np.sqrt(np.square(delta).sum(axis=1)),
        "l1": delta.sum(axis=1),
        "l0": (delta > 0).sum(axis=1).astype("float64"),
        "psnr": psnr,
    }


def similarity(x: np.ndarray, perturbed: np.ndarray, full: float) -> np.ndarray:
    """Structural similarity of each pair of images (n,); NaN where an image is no picture or too small for one."""
    if x.ndim != 4 or min(x.shape[1:3]) < 7:
        return np.full(len(x), np.nan)
    # Slow to import, and reports that are read back need none of it.
    from skimage.metrics import structural_similarity

    return np.array(
        [
            structural_similarity(one, other, data_range=full, channel_axis=-1)
            for one, other in zip(x.astype("float64"), perturbed.astype("float64"), strict=True)
        ]
    )
