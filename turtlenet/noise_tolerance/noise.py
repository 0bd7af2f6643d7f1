"""Noise in images, drawn for each example, and what a model answers to it."""

import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend, random
from turtlenet.bars import Bar
from turtlenet.batching import check_answers, dealt, in_batches
from turtlenet.classifier import Classifier
from turtlenet.data import Examples


def _uniform(x: Any, key: Any, strength: Any, low: float, high: float) -> Any:
    return x + strength * random.uniform(key, x.shape[1:], -1.0, 1.0)


def _gaussian(x: Any, key: Any, strength: Any, low: float, high: float) -> Any:
    return x + strength * random.normal(key, x.shape[1:])


def _sign(x: Any, key: Any, strength: Any, low: float, high: float) -> Any:
    return x + strength * random.rademacher(key, x.shape[1:])


def _salt_and_pepper(x: Any, key: Any, strength: Any, low: float, high: float) -> Any:
    """Every channel of a pixel draws for itself: a flat input does not tell its channels apart."""
    draw = random.uniform(key, x.shape[1:])
    return ops.where(draw < strength / 2, low, ops.where(draw < strength, high, x))


_NOISES: dict[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "gaussian": _gaussian,
    "salt-and-pepper": _salt_and_pepper,
    "sign": _sign,
}
KINDS = tuple(_NOISES)
SHARES = ("salt-and-pepper",)
"""Kinds whose strength is a share of the pixels, not a length in input units."""


def noisy(kind: str, x: Any, key: Any, strength: Any, bounds: tuple[float, float]) -> Any:
    """Images with noise, cut off at the bounds.

    Args:
        kind: One of `KINDS`.
        x: Images (batch, ...).
        key: The examples' keys (batch, 2).
        strength: In the units of the kind; see `NoiseCurve.strengths`.
        bounds: Smallest and largest value of a pixel.
    """
    return ops.clip(_NOISES[kind](x, key, strength, *bounds), *bounds)


def under_noise(
    classifier: Classifier,
    examples: Examples,
    grid: Mapping[str, Sequence[float]],
    seed: int,
    batch_size: int | None,
) -> np.ndarray:
    """Says of each image whether its answer is right: clean, and under each kind at each strength but the first.

    Args:
        classifier: The model.
        examples: Images and true labels.
        grid: Each kind's strengths, of which the first is 0.
        seed: Repeats the draws.
        batch_size: Images in one compiled call; None for as many as fit.

    Returns:
        bool (n, 1 + the number of all strengths above 0), in the order of the grid.
    """

    def answers(rows: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
        under = [
            _answer(classifier, kind, x, rows, seed, number, strength)
            for kind, strengths in grid.items()
            for number, strength in enumerate(strengths)
            if number
        ]
        logits = classifier.predict(x)
        check_answers(logits)
        return [logits.argmax(axis=1), *under]

    return right_answers(classifier, examples, batch_size, answers)


def _answer(
    classifier: Classifier, kind: str, x: np.ndarray, rows: np.ndarray, seed: int, number: int, strength: float
) -> np.ndarray:
    """The classes that a model gives to noisy images, int (batch,)."""

    def graph(x: Any, index: Any, words: Any, number: Any, strength: Any) -> Any:
        key = random.fold_in(random.fold_in(random.keys(words, index), zlib.crc32(kind.encode())), number)
        return ops.argmax(classifier(noisy(kind, x, key, strength, classifier.bounds)), axis=-1)

    spread = [backend.shard(ops.convert_to_tensor(*part)) for part in ((x, "float32"), (rows, "int32"))]
    words, number = ops.convert_to_tensor(random.root(seed)), ops.convert_to_tensor(number, "int32")
    # Seed and strength are arguments of the graph: one graph serves a whole curve.
    run = classifier.compiled(("tolerance", kind), graph)
    return ops.convert_to_numpy(run(*spread, words, number, ops.convert_to_tensor(strength, "float32")))


def right_answers(
    classifier: Classifier,
    examples: Examples,
    batch_size: int | None,
    answers: Callable[[np.ndarray, np.ndarray], list[np.ndarray]],
) -> np.ndarray:
    """Says of each image which answers are right, over all processes; reads each image once.

    Args:
        classifier: Remembers the batch size that fits.
        examples: Images and true labels.
        batch_size: Most images at a time; None for as many as fit.
        answers: Is given the places of a batch's images and their pixels, and gives classes (batch,) for each column.

    Returns:
        bool (n, columns).
    """
    count = len(examples)
    first = backend.process()[0] == 0

    def work(rows: np.ndarray) -> np.ndarray:
        x, y = examples.batch(rows)
        return np.stack([answer == y for answer in answers(rows, x)], axis=1)

    def share() -> np.ndarray:
        parts = [np.empty((0, 0), bool)]
        hidden = not (first and sys.stderr.isatty())
        with Bar(len(dealt(count)), unit="image", hidden=hidden, leave=False) as bar:
            for rows, found in in_batches(classifier, dealt(count), batch_size, work):
                parts.append(found[: len(rows)])
                bar.update(len(rows))
        return np.concatenate(parts[1:] or parts)

    parts = backend.gather(share)
    whole = np.empty((count, parts[0].shape[1]), bool)
    for number, part in enumerate(parts):
        # A process without an image of its own has no column either.
        if len(part):
            whole[number :: len(parts)] = part
    return whole
