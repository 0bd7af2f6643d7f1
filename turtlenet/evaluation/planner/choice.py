"""Which parts of a suite to run on which images: learned from images on which everything was run.

All that is computed here is NumPy on small arrays, so that the rule can be tested without a model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

EVERYTHING, NOTHING = -math.inf, math.inf
"""Bars that every image is above, and that none is."""
ALLOWANCES = (math.inf, 6400.0, 3200.0, 1600.0, 800.0, 400.0, 200.0, 100.0, 0.0)
"""Gradients and queries that a part may cost on an image that stands, on average, without having broken any, if all
images stand; where half of them do, half as many: what a part misses then changes the accuracy half as much."""
USUAL_ALLOWANCE = 400.0
_FARTHER = 1.5
"""How much farther than the farthest image that a part broke it is tried on others, by rank."""


@dataclass(frozen=True)
class Known:
    """What is known of the parts on m images.

    Attributes:
        tried: Whether a part was run on an image, bool (parts, m).
        broke: Whether it broke it.
        cost: Gradients and queries that it took there, float64.
        near: How near it came to breaking it: the loss at what it found, float64; minus infinity if unknown.
    """

    tried: np.ndarray
    broke: np.ndarray
    cost: np.ndarray
    near: np.ndarray


@dataclass(frozen=True)
class Step:
    """One part in a plan: it is run on images that stand, and that some part before it brought at least to the bar."""

    part: int
    bar: float = EVERYTHING

    def takes(self, standing: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """The images that it is run on, bool (m,).

        Args:
            standing: Images that nothing has broken yet, bool (m,).
            nearest: How near the parts before came, float64 (m,).
        """
        above = np.ones_like(standing) if self.bar == EVERYTHING else nearest >= self.bar
        return standing & above


def order_of(known: Known, prices: Sequence[float]) -> list[int]:
    """The parts, that which breaks most for its cost first, then that which breaks most of what it leaves, and so on.

    Those that break nothing more come last, the cheapest first.

    Args:
        known: What is known of them.
        prices: What each costs at most, for those of which nothing is known.
    """
    left, order = list(range(len(prices))), []
    alive = np.ones(known.tried.shape[1], bool)
    means = np.array([_mean(known.cost[at], known.tried[at], price) for at, price in enumerate(prices)])

    def gain(at: int) -> float:
        hit = known.broke[at] & alive
        # What it costs on the images that stand: those that it breaks, it breaks early.
        return float(hit.sum()) / max(1.0, _mean(known.cost[at], known.tried[at] & alive, means[at]))

    while left:
        best = max(left, key=gain)
        if gain(best) == 0:
            break
        order.append(best)
        left.remove(best)
        alive &= ~known.broke[best]
    return order + sorted(left, key=lambda at: (means[at], at))


def plan_of(
    known: Known, prices: Sequence[float], ranks: Sequence[float], allowance: float = USUAL_ALLOWANCE
) -> tuple[Step, ...]:
    """The parts in their order, each with the bar below which an image is left alone.

    A part goes as far down, from the image that came nearest to breaking, as it was seen to break one, half as far
    again, and as many images more as an allowance pays for. Where nothing stands, nothing is known, and all images
    are taken.

    Args:
        known: What is known of the parts.
        prices: See `order_of`.
        ranks: How many attempts like it go before each part (see `ranks_of`): later ones find less, and get a
            smaller allowance. Infinite for the first queries of a part: without a success they get none.
        allowance: What a part may cost on an image that stands, on average, beside what it was seen to be good for,
            were all images to stand; infinite for all images.
    """
    steps = []
    standing, nearest = np.ones(known.tried.shape[1], bool), np.full(known.tried.shape[1], -np.inf)
    for place, part in enumerate(order_of(known, prices)):
        hits, cost = known.broke[part][standing], _mean(known.cost[part], known.tried[part] & standing, prices[part])
        if math.isinf(ranks[part]):
            bar = _bar(nearest[standing], hits, 0.0) if hits.any() else NOTHING
        else:
            share = float(standing.mean()) if standing.any() else 1.0
            bar = _bar(nearest[standing], hits, share * allowance / max(1.0, cost) / (1 + ranks[part]))
        step = Step(part, bar if place else EVERYTHING)
        steps.append(step)
        standing, nearest = _after(step, known, standing, nearest)
    return tuple(steps)


def followed(steps: Sequence[Step], known: Known) -> tuple[np.ndarray, np.ndarray]:
    """What a plan would do to images on which everything is known.

    Returns:
        The images that stand in the end, bool (m,), and what each costs, float64 (m,).
    """
    count = known.tried.shape[1]
    standing, nearest, cost = np.ones(count, bool), np.full(count, -np.inf), np.zeros(count)
    for step in steps:
        taken = step.takes(standing, nearest)
        cost += np.where(taken & known.tried[step.part], known.cost[step.part], 0.0)
        standing, nearest = _after(step, known, standing, nearest)
    return standing, cost


def within(known: Known, prices: Sequence[float], ranks: Sequence[float], budget: float) -> tuple[Step, ...]:
    """The plan that leaves fewest images alone of those that cost, on average, at most so much for an image."""
    steps: tuple[Step, ...] = ()
    for allowance in ALLOWANCES:
        steps = plan_of(known, prices, ranks, allowance)
        if followed(steps, known)[1].mean() <= budget:
            return steps
    while len(steps) > 1 and followed(steps, known)[1].mean() > budget:
        last = max(at for at, step in enumerate(steps) if step.bar != NOTHING)
        if last == 0:
            break
        steps = (*steps[:last], Step(steps[last].part, NOTHING), *steps[last + 1 :])
    return steps


def upper_bound(missed: int, tried: int, error: float) -> float:
    """The largest share of which so few in a random sample would be a surprise (Clopper & Pearson, 1934).

    With none missed it is about 3 / `tried` for an error of 5 %: the rule of three.

    Args:
        missed: How many of the sample.
        tried: Its size.
        error: Probability that the share is larger all the same.

    >>> round(upper_bound(0, 100, 0.05), 4)
    0.0295
    """
    return 1.0 if missed >= tried else float(beta.ppf(1 - error, missed + 1, tried - missed))


def _bar(nearest: np.ndarray, broke: np.ndarray, share: float) -> float:
    """The nearness of the last image that is taken."""
    if not len(nearest):
        return EVERYTHING
    falling = np.argsort(-nearest, kind="stable")
    hits = np.flatnonzero(broke[falling])
    deepest = (hits[-1] + 1) if len(hits) else 0
    count = math.ceil(min(1.0, _FARTHER * deepest / len(nearest) + share) * len(nearest))
    if count >= len(nearest):
        return EVERYTHING
    return float(nearest[falling[count - 1]]) if count else NOTHING


def _after(step: Step, known: Known, standing: np.ndarray, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    taken = step.takes(standing, nearest)
    near = np.where(taken, known.near[step.part], -np.inf)
    return standing & ~(taken & known.broke[step.part]), np.maximum(nearest, near)


def _mean(values: np.ndarray, where: np.ndarray, otherwise: float) -> float:
    return float(values[where].mean()) if where.any() else otherwise
