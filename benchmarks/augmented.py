"""The usual augmentation of small photographs, as a function of a seed and of the batch alone."""

import zlib

import numpy as np

from turtlenet.data import Examples

__all__ = ["Augmented", "augment"]

PADDING = 4


class Augmented:
    """Examples that are shifted by up to four pixels and mirrored, anew each time that they are read.

    The draws belong to the seed and to the examples that are read together. A pass over the data has an order of its
    own, so it has draws of its own, and a run that continues repeats those of the run that was stopped.

    Args:
        examples: Images as they are.
        seed: Repeats the draws.
    """

    def __init__(self, examples: Examples, seed: int):
        self.examples = examples
        self.seed = seed

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels at some places."""
        x, y = self.examples.batch(index)
        places = zlib.crc32(np.ascontiguousarray(index, "<i8").tobytes())
        return augment(x, np.random.default_rng([self.seed, places])), y


def augment(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Crops each image (n, height, width, channels) from its zero-padded self, and mirrors every other one."""
    count, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    top, left = random.integers(0, 2 * PADDING + 1, (2, count))
    rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
    mirrored = random.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
