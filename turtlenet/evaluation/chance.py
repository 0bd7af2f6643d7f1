"""Models that draw random numbers: how likely each example is to fool them, and what that makes of their accuracy."""

from typing import Any

import numpy as np
from keras import ops

from turtlenet.batching import in_batches
from turtlenet.classifier import Classifier
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.reports.statistics import interval, mean_interval, share, share_interval

WIDTH = 0.2
"""How wide the 95 % interval on the probability of being fooled may be."""
_BLOCK = 32
"""Draws in one pass; each further pass takes others."""
_FIRST = 3
"""Seeds of fresh draws begin so far behind the model's own: those before are taken by the search."""


def passes(width: float) -> int:
    """How many blocks of draws make every interval narrower than a width.

    >>> passes(0.2), passes(0.4)
    (3, 1)
    """
    count = 1
    while _width(count * _BLOCK // 2, count * _BLOCK) >= width:
        count += 1
    return count


def fooled(model: Classifier, x: np.ndarray, y: np.ndarray, batch_size: int | None) -> tuple[np.ndarray, np.ndarray]:
    """How often examples are answered wrongly in single draws that nothing has seen before.

    Draws are taken until the 95 % interval on the probability is narrower than `WIDTH`.

    Args:
        model: A classifier that draws random numbers.
        x: Examples, float32 (n, ...).
        y: True labels, int32 (n,).
        batch_size: Most forward passes at a time; None for as many as fit.

    Returns:
        Draws in which the answer was wrong, and all draws, int64 (n,).
    """
    wrong, taken = np.zeros(len(x), "int64"), np.zeros(len(x), "int64")
    left = np.arange(len(x))
    for number in range(passes(WIDTH)):
        if not len(left):
            break
        fresh = model.taking(draws=_BLOCK, seed=model.seed + _FIRST + number)
        wrong[left] += _wrong(fresh, x[left], y[left], batch_size)
        taken[left] += _BLOCK
        widths = np.array(
            [_width(int(hits), int(count)) for hits, count in zip(wrong[left], taken[left], strict=True)]
        )
        left = left[widths >= WIDTH]
    return wrong, taken


def held(per_image: PerImageResults, besides: np.ndarray | None = None) -> np.ndarray | None:
    """The probability that each image is answered rightly in a fresh draw, under the attacks.

    It is that of the example which fools most often, over all attacks.

    Args:
        per_image: What the attacks did.
        besides: Images that something else broke, bool (n,), of which no draws were counted: the mean of several was
            wrong, and how many of them were is not known; half of all draws are taken for wrong at least.

    Returns:
        float64 (n,), 0 for images that were wrong before; None where nothing was drawn.
    """
    if not per_image.draws.any():
        return None
    chance = per_image.chance.max(axis=0)
    if besides is not None:
        chance = np.where(besides, np.maximum(chance, 0.5), chance)
    return np.where(per_image.right, 1 - chance, 0.0)


def summary(per_image: PerImageResults, robust: np.ndarray, draws: int) -> dict[str, Any] | None:
    """What a report says of a random model: expected accuracy under the attacks, and the other readings beside it.

    Args:
        per_image: What the attacks did.
        robust: Images that withstood everything, as the answer of all of the model's own draws together has it, bool
            (n,). What something else broke is taken for wrong in half of the draws at least; see `held`.
        draws: How many draws such an answer is the mean of.

    Returns:
        `draws` (of an image, on average), `width` (of their intervals), `expected` (the mean probability of a right
        answer under the attacks), `any_draw` (the share of images that no draw got wrong), `majority` (those of which
        most draws were right) and `answer` (those of which the mean of `answer_draws` draws was right, in one try),
        each with its 95 % interval over the images as `..._interval`; None where nothing was drawn.
    """
    probability = held(per_image, per_image.robust & ~robust)
    if probability is None:
        return None
    drawn = per_image.draws.any(axis=0)
    each = per_image.draws.sum(axis=0)[drawn] / (per_image.draws > 0).sum(axis=0)[drawn]
    most = (probability >= 0.5) & per_image.right & (robust | ~per_image.robust)
    readings = {"any_draw": probability == 1, "majority": most, "answer": robust}
    shares = {name: share(values) for name, values in readings.items()}
    intervals = {f"{name}_interval": list(share_interval(values)) for name, values in readings.items()}
    return {
        "draws": round(float(each.mean()), 1),
        "answer_draws": draws,
        "width": WIDTH,
        "expected": share(probability),
        "expected_interval": list(mean_interval(probability)),
        **shares,
        **intervals,
    }


def _wrong(model: Classifier, x: np.ndarray, y: np.ndarray, batch_size: int | None) -> np.ndarray:
    """How many draws of each example are answered wrongly, on each process the same."""
    counts = np.zeros(len(x), "int64")
    graph = model.compiled("each", model.each)

    def answers(rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = ops.convert_to_numpy(ops.argmax(graph(ops.convert_to_tensor(x[rows])), axis=-1))
        return found

    size = None if batch_size is None else max(1, batch_size // _BLOCK)
    for rows, found in in_batches(model, np.arange(len(x)), size, answers):
        counts[rows] = (found[: len(rows)] != y[rows][:, None]).sum(axis=1)
    return counts


def _width(hits: int, count: int) -> float:
    low, high = interval(hits, count)
    return high - low
