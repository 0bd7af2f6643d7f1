"""Any number of images in batches of a few sizes, that fit into memory, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet import backend
from turtlenet.errors import DataError, ModelError, SettingError

if TYPE_CHECKING:
    from turtlenet.classifier import Classifier

__all__ = [
    "bucket",
    "check_agreement",
    "check_answers",
    "dealt",
    "filled",
    "in_batches",
    "predict",
    "softmax",
    "usual",
]


def usual() -> int:
    """The batch size to begin with where none is given: more is no faster on a CPU."""
    return 256 if backend.devices() == ["CPU"] else 1024 * backend.shares()


def bucket(count: int, batch_size: int) -> int:
    """The smallest of batch_size, batch_size/2, batch_size/4, ... (at least 8) that holds `count` images."""
    size = batch_size
    while size // 2 >= max(count, 8):
        size //= 2
    return size


def filled(count: int, batch_size: int) -> int:
    """To how many images `count` of them are filled up: to a size of `bucket` where each size is compiled anew.

    Elsewhere one graph takes any size, and every image beyond the next multiple of 8 would be work for nothing.
    """
    if backend.uses_xla() or backend.shares() > 1:
        return bucket(count, batch_size)
    return min(batch_size, -(-count // 8) * 8)


def dealt(count: int) -> np.ndarray:
    """The rows out of `count` that this process works on: every one, or every n-th where there are n processes."""
    number, processes = backend.process()
    return np.arange(number, count, processes)


def in_batches(
    model: Classifier, rows: np.ndarray, batch_size: int | None, work: Callable[[np.ndarray], Any]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Gives the rows part by part, with what `work` made of each.

    Args:
        model: Remembers the batch size that fits.
        rows: Places of the images, int (n,).
        batch_size: Most images at a time; None begins with the usual size and halves it where memory runs out.
        work: Is given the rows of a batch, filled up with rows from its beginning (see `filled`), and gives arrays on
            the host: what is still being computed has not run out of memory yet.

    Raises:
        SettingError: Not enough memory for the batch size, or for one image.
    """
    start = 0
    while start < len(rows):
        size = batch_size or model.fitting or usual()
        part = rows[start : start + size]
        try:
            result = work(np.resize(part, filled(len(part), size)))
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            if batch_size or size == 1:
                more = "lower --batch-size, or let it be auto" if batch_size else "there is none smaller"
                raise SettingError(f"Expected memory for a batch of {size}; got none left: {more}.") from None
            model.fitting = bucket(len(part), size) // 2 or 1
            continue
        yield part, result
        start += len(part)


def check_agreement(model: str, data: str) -> None:
    """Refuses processes that read different files: their results would be put together all the same.

    Args:
        model: What tells a model from another, such as a hash.
        data: The same of the data.

    Raises:
        DataError: Some process has others than process 0.
    """
    everyone = backend.gather(lambda: (model, data))
    for number, theirs in enumerate(everyone):
        for name, mine, other in zip(("model", "data"), everyone[0], theirs, strict=True):
            if mine != other:
                raise DataError(f"Expected the same {name} in every process; process {number} has another than 0.")


def check_answers(logits: np.ndarray, inputs: str = "inputs") -> None:
    """Refuses a model that answers examples, as they are, with NaN: no class is the largest of such logits.

    Args:
        logits: Float32 (n, classes).
        inputs: What messages call the examples.

    Raises:
        ModelError: NaN among them.
    """
    none = int(np.isnan(logits).any(axis=-1).sum())
    if none:
        raise ModelError(
            f"Expected a model that answers in numbers; got NaN for {none:,} of {len(logits):,} {inputs}: look for a "
            "division by 0, or a root or logarithm of a negative number, in its layers and in its preprocessing."
        )


def predict(model: Classifier, x: np.ndarray, batch_size: int | None, y: np.ndarray | None = None) -> np.ndarray:
    """Logits of n images, float32 (n, classes), in batches of a few sizes, over all processes.

    Args:
        model: The classifier.
        x: Images, float32 (n, ...).
        batch_size: Most images at a time; None for as many as fit.
        y: Their labels, which a model with a `question` needs.
    """

    def share() -> np.ndarray:
        logits = np.empty((len(x), model.num_classes), "float32")
        asked = (lambda rows: model.predict(x[rows])) if y is None else lambda rows: model.predict(x[rows], y[rows])
        for rows, found in in_batches(model, dealt(len(x)), batch_size, asked):
            logits[rows] = found[: len(rows)]
        return logits[dealt(len(x))]

    parts = backend.gather(share)
    logits = np.empty((len(x), model.num_classes), "float32")
    for number, part in enumerate(parts):
        logits[number :: len(parts)] = part
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64 (n, classes), of logits."""
    raised = np.exp(logits.astype("float64") - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
