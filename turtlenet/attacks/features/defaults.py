"""Bounds and radii of a table's features where none are given: from the spread of the training data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet.radius import is_image
from turtlenet.typing import Shape

MARGIN = 0.05
SHARE = 0.25
WHY_BOUNDS = "the range of the training data and a twentieth of it to either side, not below 0 where they are not"
WHY_EPS = "a quarter of each feature's standard deviation on the training data"


@dataclass(frozen=True)
class Spread:
    """How the features of the training data spread: arrays float64 (features,)."""

    low: np.ndarray
    high: np.ndarray
    deviation: np.ndarray

    def bounds(self, kinds: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Bounds with a margin: whole numbers for integers, 0 and 1 for a category.

        Args:
            kinds: The type of each feature, as `turtlenet.features` has it; empty for reals.
        """
        wide = self.high - self.low
        margin = MARGIN * np.where(wide > 0, wide, np.maximum(np.abs(self.high), 1.0))
        low, high = self.low - margin, self.high + margin
        low = np.where(self.low >= 0, np.maximum(low, 0.0), low)
        # What is 0 in all of the training data.
        high = np.where(high > low, high, low + 1.0)
        for place, kind in enumerate(kinds):
            if kind == "integer":
                low[place], high[place] = math.floor(low[place]), math.ceil(high[place])
            elif kind == "one-hot":
                low[place], high[place] = 0.0, 1.0
        return low, high

    def eps(self, norm: str, kinds: Sequence[str]) -> np.ndarray:
        """Radii: a share of the deviation; at least 1 for an integer; for a category, so much that it may be another.

        In `l2` and `l1` so much for each feature if all of them move: times the root of their number, or the number.

        Args:
            norm: Name of the norm.
            kinds: See `bounds`.
        """
        count = max(1, int((self.deviation > 0).sum()))
        times = {"l2": math.sqrt(count), "l1": float(count)}.get(norm, 1.0)
        found: np.ndarray = SHARE * self.deviation * times
        for place, kind in enumerate(kinds):
            if kind == "integer" and found[place] > 0:
                found[place] = max(found[place], 1.0)
            elif kind == "one-hot":
                found[place] = max({"l2": math.sqrt(2), "l1": 2.0}.get(norm, 1.0), 1.0)
        return found


def spread_of(examples: Any) -> Spread:
    """The spread of examples, read block by block.

    Args:
        examples: The training data, with `batch` as `turtlenet.data.Examples` has it.
    """
    size = math.prod(examples.shape)
    step = max(1, (8 << 20) // size)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    count, mean, square = 0, np.zeros(size), np.zeros(size)
    for start in range(0, len(examples), step):
        x = examples.batch(slice(start, start + step))[0].reshape(-1, size).astype("float64")
        low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
        # Chan et al. (1983): the deviation of two parts together, without the loss of large means.
        more, their_mean = len(x), x.mean(axis=0)
        off = their_mean - mean
        square += np.square(x - their_mean).sum(axis=0) + np.square(off) * count * more / (count + more)
        mean, count = mean + off * more / (count + more), count + more
    return Spread(low, high, np.sqrt(square / count))


def is_table(shape: Shape) -> bool:
    """Whether inputs of a shape are rows of a table: vectors that are as long as no square image."""
    return len(shape) == 1 and not is_image(shape)
