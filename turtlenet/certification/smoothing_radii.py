"""How far the majority answer under Gaussian noise stays, from what was counted: Cohen's radius, and PixelDP's."""

import math

import numpy as np
from scipy.stats import binomtest, norm

_GRID = np.arange(1, 2001) / 2000


def lower_bound(hits: int, count: int, alpha: float) -> float:
    """The one-sided Clopper-Pearson lower bound of a probability, which fails with probability alpha at most.

    Args:
        hits: How often something happened.
        count: In so many independent draws.
        alpha: Failure probability, in (0, 1).

    >>> round(lower_bound(1000, 1000, 0.001), 6) == round(0.001 ** (1 / 1000), 6)
    True
    """
    interval = binomtest(hits, count, alternative="greater").proportion_ci(1 - alpha, method="exact")
    return float(interval.low)


def upper_bound(hits: int, count: int, alpha: float) -> float:
    """The one-sided Clopper-Pearson upper bound; see `lower_bound`."""
    interval = binomtest(hits, count, alternative="less").proportion_ci(1 - alpha, method="exact")
    return float(interval.high)


def cohen_radius(lower: float, sigma: float) -> float:
    """sigma * Phi^-1(p_A), the L2 radius of Cohen et al. (2019, section 3.2.2); 0 where p_A is not above 1/2.

    Args:
        lower: Lower bound p_A of the probability of the top class.
        sigma: Standard deviation of the noise, in input units.

    Returns:
        The radius in input units.
    """
    return max(0.0, sigma * float(norm.ppf(lower))) if lower > 0.5 else 0.0


def pixeldp_radius(lower: float, upper: float, sigma: float) -> float:
    """The L2 radius of the Gaussian mechanism (Lecuyer et al., 2019, "PixelDP", proposition 2 and section IV).

    Noise of sigma makes the answers (eps, delta)-private within L where sigma = sqrt(2 ln(1.25 / delta)) L / eps, for
    eps up to 1; the top class stays where lower > e^(2 eps) upper + (1 + e^eps) delta. Of all eps, each with the
    largest delta that it leaves, the one with the largest L is taken. It is never above what Cohen et al. (2019,
    theorem 1) show to be tight, sigma / 2 (Phi^-1(lower) - Phi^-1(upper)).

    Args:
        lower: Lower bound of the probability of the top class.
        upper: Upper bound of that of every other class.
        sigma: Standard deviation of the noise, in input units.

    Returns:
        The radius in input units; 0 where nothing is certified.
    """
    # The inequality is strict.
    delta = (lower - np.exp(2 * _GRID) * upper) / (1 + np.exp(_GRID)) * (1 - 1e-9)
    holds = delta > 0
    if not holds.any():
        return 0.0
    lengths = sigma * _GRID[holds] / np.sqrt(2 * np.log(1.25 / delta[holds]))
    return float(lengths.max())


def pixeldp_bounds(votes: np.ndarray, top: int, alpha: float) -> tuple[float, float]:
    """The probability of the top class from below, and that of every other from above, together with 1 - alpha.

    Half of alpha is spent on the one, the other half on the others in equal parts (Bonferroni). What the top class
    leaves is a bound of theirs, too.

    Args:
        votes: How often each class was answered, int (classes,).
        top: The top class, chosen by other draws.
        alpha: Failure probability of all together.
    """
    count = int(votes.sum())
    lower = lower_bound(int(votes[top]), count, alpha / 2)
    most = int(np.delete(votes, top).max())
    upper = upper_bound(most, count, alpha / 2 / (len(votes) - 1))
    return lower, math.nextafter(min(upper, 1 - lower), 1)
