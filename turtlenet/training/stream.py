"""Training batches as a function of the step's number alone, so that a killed run continues where it was."""

from typing import Any

import keras
import numpy as np

from turtlenet import backend
from turtlenet.data import Examples

__all__ = ["Batches", "Stream"]


class Stream(keras.utils.PyDataset):
    """Endless shuffled batches: each pass is a permutation that belongs to the seed and the pass's number.

    Where several processes train together, each reads its own part of a batch.

    Args:
        examples: What to draw from; read in slices, so it may be larger than memory.
        batch_size: Examples in a batch; the last few of a pass that fill none wait for another.
        seed: Repeats the order.
        first_step: Number of the first step to give, for a run that continues.
    """

    def __init__(self, examples: Examples, batch_size: int, seed: int, first_step: int = 0):
        super().__init__()
        self.examples = examples
        self.batch_size = min(batch_size, len(examples))
        self.steps_per_pass = len(examples) // self.batch_size
        self.seed = seed
        self.first_step = first_step
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, "int64"))

    @property
    def num_batches(self) -> None:
        """Keras's word for a data set without an end."""
        return None

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        turn, step = divmod(self.first_step + number, self.steps_per_pass)
        if self._order[0] != turn:
            self._order = (turn, np.random.default_rng([self.seed, turn]).permutation(len(self.examples)))
        start = step * self.batch_size
        rows = self._order[1][start : start + self.batch_size]
        mine = rows[backend.own(len(rows))]
        weights = self.examples.weights
        return self.examples.batch(mine) if weights is None else (*self.examples.batch(mine), weights[mine])


class Batches(keras.utils.PyDataset):
    """All examples once, in order, with a weight of 1; the last batch is filled up with some of a weight of 0.

    Args:
        examples: What to give.
        batch_size: Examples in a batch, at most; rounded up so that all devices share it evenly.
    """

    def __init__(self, examples: Examples, batch_size: int):
        super().__init__()
        self.examples = examples
        shares = backend.shares()
        self.batch_size = -(-min(batch_size, len(examples)) // shares) * shares

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def __getitem__(self, number: int) -> Any:
        places = np.arange(number * self.batch_size, (number + 1) * self.batch_size)[backend.own(self.batch_size)]
        x, y = self.examples.batch(places % len(self.examples))
        return x, y, (places < len(self.examples)).astype("float32")
