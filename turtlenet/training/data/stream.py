"""Training batches as a function of the step's number alone, so that a killed run continues where it was."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.data.pixels import size_text
from turtlenet.errors import DataError, SettingError

# Tell the order of the extra examples, and the places in a batch, from the order of the others.
_EXTRA, _PLACES = 0xE87A, 0x91AC


@dataclass(frozen=True)
class Extra:
    """Further examples, such as generated images, of which each training batch holds a share.

    Args:
        examples: What to draw from.
        share: Their share of a batch, above 0 and below 1, rounded to whole examples.

    Raises:
        SettingError: A share out of this range.
    """

    examples: Examples
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SettingError(f"Expected extra_share above 0 and below 1; got {self.share}.")


def own_share(batch_size: int, extra: Extra | None) -> int:
    """How many examples of a batch are no extra ones.

    Raises:
        SettingError: A share that leaves no room for one of the two in a batch.
    """
    more = 0 if extra is None else round(extra.share * batch_size)
    if extra is not None and not 0 < more < batch_size:
        raise SettingError(
            f"Expected extra_share to give a batch of {batch_size} examples of both kinds; got {extra.share}, "
            f"which gives {more} extra ones."
        )
    return batch_size - more


class Stream(keras.utils.PyDataset):
    """Endless shuffled batches: each pass is a permutation that belongs to the seed and the pass's number.

    Where several processes train together, each reads its own part of a batch. Extra examples have passes of their
    own, and lie between the others in an order that belongs to the seed and the step.

    Args:
        examples: What to draw from; read in slices, so it may be larger than memory.
        batch_size: Examples in a batch; the last few of a pass that fill none wait for another.
        seed: Repeats the order.
        first_step: Number of the first step to give, for a run that continues.
        extra: Further examples to mix in.

    Raises:
        DataError: Extra examples of another shape, other bounds or more classes, or too few for one batch.
        SettingError: Their share leaves no room for one of the two in a batch.
    """

    def __init__(
        self, examples: Examples, batch_size: int, seed: int, first_step: int = 0, extra: Extra | None = None
    ):
        super().__init__()
        self.examples = examples
        self.batch_size = min(batch_size, len(examples))
        self.seed = seed
        self.first_step = first_step
        self.extra = extra
        own = own_share(self.batch_size, extra)
        self._passes = [(examples, _Passes(len(examples), own, [seed]))]
        if extra is not None:
            _check_extra(examples, extra.examples, self.batch_size - own)
            self._passes.append((extra.examples, _Passes(len(extra.examples), self.batch_size - own, [seed, _EXTRA])))
        self.steps_per_pass = self._passes[0][1].steps

    def at(self, step: int) -> "Stream":
        """The same batches from the step of a number on."""
        return Stream(self.examples, self.batch_size, self.seed, step, self.extra)

    @property
    def num_batches(self) -> None:
        """Keras's word for a data set without an end."""
        return None

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        return self.batch(self.first_step + number, backend.own(self.batch_size))

    def batch(self, step: int, part: slice | np.ndarray) -> tuple[np.ndarray, ...]:
        """Inputs, labels, and weights if there are any, of some places of the batch of a step."""
        if self.extra is None:
            examples, passes = self._passes[0]
            return _read(examples, passes.rows(step)[part], examples.weights is not None)
        kind = np.concatenate([np.full(passes.count, each) for each, (_, passes) in enumerate(self._passes)])
        rows = np.concatenate([passes.rows(step) for _, passes in self._passes])
        places = np.random.default_rng([self.seed, step, _PLACES]).permutation(self.batch_size)
        places = places[part]
        kind, rows = kind[places], rows[places]
        weighted = any(examples.weights is not None for examples, _ in self._passes)
        read = [_read(examples, rows[kind == each], weighted) for each, (examples, _) in enumerate(self._passes)]
        back = np.argsort(np.argsort(kind, kind="stable"))
        return tuple(np.concatenate(columns)[back] for columns in zip(*read, strict=True))


class _Passes:
    """The rows of each step, as many of a pass's permutation as a batch takes."""

    def __init__(self, size: int, count: int, seed: list[int]):
        self.size = size
        self.count = count
        self.steps = size // count
        self.seed = seed
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, "int64"))

    def rows(self, step: int) -> np.ndarray:
        turn, place = divmod(step, self.steps)
        if self._order[0] != turn:
            seed, *kind = self.seed
            self._order = (turn, np.random.default_rng([seed, turn, *kind]).permutation(self.size))
        return self._order[1][place * self.count : (place + 1) * self.count]


def _read(examples: Examples, rows: np.ndarray, weighted: bool) -> tuple[np.ndarray, ...]:
    if not weighted:
        return examples.batch(rows)
    weights = examples.weights
    return *examples.batch(rows), np.ones(len(rows), "float32") if weights is None else weights[rows]


def _check_extra(examples: Examples, extra: Examples, least: int) -> None:
    inputs = extra.kind.examples
    if extra.shape != examples.shape or extra.bounds != examples.bounds:
        raise DataError(
            f"Expected extra {inputs} of shape {size_text(examples.shape)} within {list(examples.bounds)}; got "
            f"{size_text(extra.shape)} within {list(extra.bounds)} in {extra.name}."
        )
    if extra.num_classes > examples.num_classes:
        raise DataError(
            f"Expected extra {inputs} of {examples.num_classes} classes; got {extra.num_classes} in {extra.name}."
        )
    if len(extra) < least:
        raise DataError(f"Expected at least the {least} extra {inputs} of a batch; got {len(extra)} in {extra.name}.")


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
