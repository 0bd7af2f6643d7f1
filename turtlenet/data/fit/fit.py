"""Whether data are what a model was made for: what it answers to them, and to other readings of the same pixels."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from turtlenet import backend, radius
from turtlenet.balls import Ball
from turtlenet.batching import check_answers, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.examples import PixelRange
from turtlenet.input_kind import IMAGE, InputKind, kind_of
from turtlenet.reports.statistics import interval

_Way = tuple[str, str, Callable[[np.ndarray], np.ndarray]]

_MOST = 256
_VALUES = 2_000_000
_GOOD = 0.95
_TELLING = 8
_MEANT = 0.5
_IMAGENET = (
    np.array([103.939, 116.779, 123.68], "float32"),
    np.array([0.485, 0.456, 0.406], "float32"),
    np.array([0.229, 0.224, 0.225], "float32"),
)


@dataclass(frozen=True)
class PixelReading:
    """Another way to read the same pixels, in which the model is right more often.

    Attributes:
        how: What was done to them, in words.
        mend: What to give or to pass, so that it is done.
        accuracy, clean, count: Share of the images right in this reading, and as they are; how many were tried.
    """

    how: str
    mend: str
    accuracy: float
    clean: float
    count: int


@dataclass(frozen=True)
class Fit:
    """What tells whether data, bounds and radius belong to a model.

    Attributes:
        labels: True classes, int (n,).
        predictions: The model's answers to the images as they are, int (n,).
        num_classes: Classes that the model tells apart.
        span: Where the pixels lie.
        ball: The threat.
        shape: Of an input, without the batch.
        reading: A better one, if one was found.
        chance: The share of examples for which one constant answer is right, and which; None where classes tell.
        kind: What an input is; None where nothing but the shape tells.
        first_classes: How many classes the first of data have that lie by class, and how many all of them have; None
            where they do not lie so, or none is missing.
    """

    labels: np.ndarray
    predictions: np.ndarray
    num_classes: int
    span: PixelRange
    ball: Ball
    shape: tuple[int, ...]
    reading: PixelReading | None = None
    chance: tuple[float, str] | None = None
    kind: InputKind | None = None
    first_classes: tuple[int, int] | None = None

    @property
    def inputs(self) -> InputKind:
        """What an input is, and the words for it."""
        return self.kind or kind_of(self.shape)


def fit_of(
    model: Classifier,
    examples: Examples,
    ball: Ball,
    *,
    labels: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    batch_size: int | None = 256,
) -> Fit:
    """Looks at the first examples.

    Args:
        model: The classifier.
        examples: What it is given.
        ball: The threat.
        labels, predictions: Those of all examples, where they are known, int (n,).
        batch_size: Images in one compiled call.

    Raises:
        DataError: Pixels that cannot be read, are not finite, or lie outside the bounds.
    """
    count = min(_MOST, max(32, _VALUES // math.prod(model.input_shape)))
    x, y = examples.batch(slice(count))
    classes = model.classes(y)
    if labels is None or predictions is None:
        logits = predict(model, x, batch_size, y)
        check_answers(logits, examples.kind.examples)
        labels, predictions = classes, logits.argmax(axis=1)
    shape = model.input_shape
    hits = int((predictions[: len(y)] == classes).sum())
    found = None
    # Several processes would have to go through the same images together.
    if hits < _GOOD * len(y) and backend.process()[1] == 1:
        found = _better(model, x, y, hits, batch_size, examples.kind)
    chance = None if model.question is None else model.question.chance(examples.labels)
    span, kind, first = examples.span(), examples.kind, first_classes(examples)
    return Fit(labels, predictions, model.num_classes, span, ball, shape, found, chance, kind, first)


def first_classes(examples: Examples) -> tuple[int, int] | None:
    """How many classes the first of data have that lie by class, and how many all of them have; else None.

    In a random order one label would differ from the next as often as two labels that are drawn; a quarter of that is
    none.
    """
    whole, question = examples.taken_from, examples.question
    if whole is None or (question is not None and not question.single_label):
        return None
    labels, sizes = examples.classes, np.bincount(whole.classes)
    here, there = len(np.unique(labels)), int(np.count_nonzero(sizes))
    expected = (len(labels) - 1) * (1.0 - float(np.square(sizes / sizes.sum()).sum()))
    by_class = expected >= _TELLING and np.count_nonzero(np.diff(labels)) < expected / 4
    return (here, there) if here < there and by_class else None


def answers(model: Classifier, x: np.ndarray, batch_size: int | None = 256, y: np.ndarray | None = None) -> np.ndarray:
    """The model's answers to images in memory, int (n,), of which a model with a question needs the labels."""
    found: np.ndarray = predict(model, x, batch_size, y).argmax(axis=1)
    return found


def _better(
    model: Classifier, x: np.ndarray, y: np.ndarray, hits: int, batch_size: int | None, kind: InputKind
) -> PixelReading | None:
    """The readings in which clearly more examples are right; None if there is none."""
    right = model.classes(y)
    tried = [
        (int((answers(model, np.ascontiguousarray(read(x), "float32"), batch_size, y) == right).sum()), how, mend)
        for how, mend, read in _readings(x, model.bounds, kind)
    ]
    best = max((found for found, _, _ in tried), default=0)
    if best < _MEANT * len(y) or interval(best, len(y))[0] <= interval(hits, len(y))[1]:
        return None
    likely = [(how, mend) for found, how, mend in tried if found == best][:2]
    hows, mends = zip(*likely, strict=True)
    return PixelReading(", or ".join(hows), "; or ".join(mends), best / len(y), hits / len(y), len(y))


def _readings(x: np.ndarray, bounds: tuple[float, float], kind: InputKind = IMAGE) -> Iterator[_Way]:
    """What was done, what to do about it, and how it is done to inputs (n, ...) within the bounds."""
    low, high = bounds
    first, last = float(x.min()), float(x.max())
    if first >= 0 and 0.5 < last <= 1 < high:
        first, last = 0.0, 1.0

    def unit(z: np.ndarray) -> np.ndarray:
        return (z - low) / (high - low)

    def within(below: float, above: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda z: unit(z) * (above - below) + below

    def stretched(z: np.ndarray) -> np.ndarray:
        return (z - first) / (last - first) * (high - low) + low

    if first < last and (last - first) < 0.5 * (high - low):
        yield (
            f"stretched from [{first:.4g}, {last:.4g}] to [{low:g}, {high:g}]",
            f"give the data so, times {(high - low) / (last - first):.4g}",
            stretched,
        )
    for name, below, above in (("0,1", 0, 1), ("0,255", 0, 255), ("-1,1", -1, 1)):
        if bounds != (below, above):
            how = f"within [{below}, {above}]"
            levels = " or gray levels as uint8" if kind.pictured else ""
            yield how, f"pass --bounds {name}, with floats {how}{levels}", within(below, above)
    place = _channel_axis(x.shape[1:]) if kind.pictured else x.ndim - 1
    axes = tuple(axis for axis in range(x.ndim) if axis != place)
    mean, deviation = x.mean(axis=axes, keepdims=True), x.std(axis=axes, keepdims=True)
    yield _floats(
        x,
        f"standardised, each {'channel' if kind.pictured else kind.value} less its mean and over its deviation",
        lambda z: (z - mean) / np.maximum(deviation, 1e-6 * (high - low)),
    )
    if place is None or x.ndim != 4 or not kind.pictured:
        return
    yield "inverted, dark for bright", "give the images so: highest + lowest - x", lambda z: high + low - z
    rows, columns = (axis for axis in range(1, 4) if axis != place)
    if x.shape[rows] == x.shape[columns]:
        yield "with rows and columns exchanged", "transpose the images", lambda z: np.swapaxes(z, rows, columns)
    if x.shape[place] != 3:
        return
    yield "with the channels in the order BGR", "give them in that order", lambda z: np.flip(z, place)
    if place == 3:
        less, center, spread = _IMAGENET
        yield _floats(x, "in BGR of 0 to 255 less ImageNet's means", lambda z: unit(z)[..., ::-1] * 255 - less)
        yield _floats(x, "standardised by ImageNet's mean and deviation", lambda z: (unit(z) - center) / spread)


def _floats(x: np.ndarray, how: str, read: Callable[[np.ndarray], np.ndarray]) -> _Way:
    moved = read(x)
    low, high = math.floor(moved.min()), math.ceil(moved.max())
    return how, f"give floats that are prepared as for training, and their range as --bounds (here {low},{high})", read


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the channels in a batch of such images; None for what has none."""
    if len(shape) < 3 or not radius.is_image(shape):
        return None
    return 1 if "channels first" in radius.channels(shape)[1] else len(shape)
