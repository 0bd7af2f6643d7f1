"""One perturbation for all images."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend, losses
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.features.view import FeatureView
from turtlenet.attacks.goal import Goal
from turtlenet.balls import Ball, FeatureBall, is_plain
from turtlenet.batching import check_answers
from turtlenet.classifier import Classifier
from turtlenet.errors import DataError, SettingError, one_line
from turtlenet.files import write_array
from turtlenet.files.numpy_files import check_arrays
from turtlenet.typing import Keys, Labels, State, Tensor


@attacks.register("universal")
@dataclass(frozen=True, kw_only=True)
class Universal(Attack):
    """Adds one perturbation to every image (Moosavi-Dezfooli et al., 2017), which `fit_universal` found beforehand.

    What is fitted on the images it is tried on would depend on which they are; so fitting is a step of its own, best
    on training images, and the attack only reads its file.

    Args:
        file: A `.npy` of the perturbation, float32, shaped like one image.
    """

    file: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file,) if self.file else ()

    def check_further(self, model: Classifier, ball: Ball) -> None:
        """Refuses a file that does not fit.

        Raises:
            SettingError: No file.
            DataError: No perturbation in it, or one of another shape.
        """
        if not self.file:
            raise SettingError("Expected file=..., a perturbation from fit_universal; got none.")
        shape = _loaded(self.file).delta.shape
        if shape != model.input_shape:
            raise DataError(f"Expected a perturbation of shape {model.input_shape} in {self.file}; got {shape}.")

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        # The perturbation is a constant of the graph: a file that has changed needs another graph.
        return (_loaded(self.file),)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        delta = ops.convert_to_tensor(_loaded(self.file).delta)[None]
        if isinstance(model, FeatureView):
            delta = model.ball.encode(delta) - model.ball.encode(ops.zeros_like(delta))
        return SearchResult(x + delta)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A perturbation from a file; the same object as long as the file is the same."""

    delta: np.ndarray

    @property
    def model(self) -> "_Loaded":
        """What stands for a model where other sources have one: it has no variables."""
        return self

    @property
    def variables(self) -> tuple[Any, ...]:
        return ()


@dataclass(frozen=True, eq=False)
class Perturbation:
    """One perturbation, and what it does to images that it was not fitted on.

    Attributes:
        delta: The perturbation, float32, shaped like one image.
        ball: The radius, norm and bounds that it was fitted in.
        count: How many images it was tried on.
        clean_accuracy: Share of them that the model answers rightly.
        accuracy: Share that it answers rightly without the perturbation and with it.
    """

    delta: np.ndarray
    ball: Ball
    count: int
    clean_accuracy: float
    accuracy: float

    @property
    def fooled(self) -> float:
        """Share of the right answers that it turns into wrong ones."""
        return 1.0 - self.accuracy / self.clean_accuracy if self.clean_accuracy else 0.0


def measure_universal(model: Classifier, x: np.ndarray, y: np.ndarray, delta: np.ndarray, ball: Ball) -> Perturbation:
    """Tries a perturbation on images, best on such as it was not fitted on.

    Args:
        model: The classifier.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        delta: The perturbation, float32, shaped like one image.
        ball: The radius, norm and bounds that it was fitted in.
    """
    clean = model.predict(_applied(ball, x, np.zeros_like(delta)))
    check_answers(clean)
    before, after = (each.argmax(axis=1) == y for each in (clean, model.predict(_applied(ball, x, delta))))
    return Perturbation(delta, ball, len(x), float(before.mean()), float((before & after).mean()))


def fit_universal(
    model: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    *,
    ball: Ball,
    epochs: int = 10,
    batch_size: int = 128,
    step_size: float = 0.1,
    clip: float = 9.0,
    seed: int = 0,
    file: Path | str | None = None,
    tick: Callable[[int], Any] = lambda epoch: None,
) -> np.ndarray:
    """Looks for one perturbation that fools a model on as many images as it can (Shafahi et al., 2020, Algorithm 2).

    Stochastic gradient ascent on the mean of the clipped cross-entropy, in steps of the ball's norm; the perturbation
    of the epoch that fools most is given back. Where features have bounds, radii or rules of their own, it moves each
    in units of its radius, and rules are kept by each example that it is added to.

    Args:
        model: The classifier.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where each image may move.
        epochs: Passes over the images.
        batch_size: Images in a step.
        step_size: Length of a step, as a fraction of the radius.
        clip: Where an image's loss counts as high enough: the paper's beta.
        seed: Repeats the order of the images.
        file: Where to write the perturbation as `.npy`, for `universal:file=...`.
        tick: Is told the number of each epoch that is over.

    Returns:
        The perturbation, float32, shaped like one image, within the radius.

    Raises:
        SettingError: A setting out of its range, or no images.
        OutputError: The file cannot be written.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("images", len(x))):
        if not 1 <= value <= (MOST if name != "images" else value):
            raise SettingError(f"Expected {name} from 1 to {MOST:,}; got {value}.")
    for name, number in (("step_size", step_size), ("clip", clip)):
        if not 0 < number < float("inf"):
            raise SettingError(f"Expected {name} > 0; got {number}.")
    x, y = np.asarray(x, "float32"), np.asarray(y, "int32")

    def climb(delta: Tensor, images: Tensor, labels: Labels) -> Tensor:
        def clipped_loss(shifts: Tensor) -> tuple[Tensor, State]:
            logits = model(ball.inside(images + shifts))
            return ops.minimum(losses.cross_entropy(labels, logits), clip), ()

        wide = ops.repeat(delta[None], ops.shape(images)[0], axis=0)
        slope = backend.input_gradient(clipped_loss, wide)[2]
        uphill = ops.mean(slope, axis=0, keepdims=True)
        middle = ops.zeros_like(uphill) + _middle(ball, x.shape[1:])
        following = delta[None] + step_size * ball.eps * ball.steepest(uphill, middle)
        return _within(ball, following)[0]

    step = model.compiled(("universal", ball.place, float(ball.eps), step_size, clip), climb)
    draw = np.random.default_rng(seed)
    begin = draw.uniform(-1, 1, (1, *x.shape[1:])) * float(ball.eps) * _units(ball, x.shape[1:])
    start = _within(ball, ops.convert_to_tensor(begin.astype("float32")))
    delta = ops.convert_to_numpy(start[0])
    size = min(batch_size, len(x))
    best, most = delta, -1
    for epoch in range(epochs):
        order, fooled = draw.permutation(len(x)), 0
        for first in range(0, len(x) - size + 1, size):
            rows = order[first : first + size]
            delta = ops.convert_to_numpy(step(*map(ops.convert_to_tensor, (delta, x[rows], y[rows]))))
        for rows in np.array_split(np.arange(len(x)), -(-len(x) // size)):
            fooled += int((model.predict(_applied(ball, x[rows], delta)).argmax(axis=1) != y[rows]).sum())
        if fooled > most:
            best, most = delta, fooled
        tick(epoch)
    if file is not None:
        write_array(Path(file), best)
    return best


def _applied(ball: Ball, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Images with a perturbation, float32 (n, ...), within bounds and rules."""
    if is_plain(ball):
        return np.clip(x + delta, ball.low, ball.high).astype("float32")
    moved = np.asarray(ball.land(ops.convert_to_tensor((x + delta).astype("float32")), ops.convert_to_tensor(x)))
    # What a rule's own projection does not keep counts as the input.
    return np.where(ball.holds(moved, x).reshape(-1, *[1] * (x.ndim - 1)), moved, x)


def _middle(ball: Ball, shape: tuple[int, ...]) -> Any:
    """The middle of the bounds, of each feature where they differ."""
    if not isinstance(ball, FeatureBall):
        return (ball.low + ball.high) / 2
    return ((ball.space.low + ball.space.high) / 2).astype("float32").reshape(shape)


def _units(ball: Ball, shape: tuple[int, ...]) -> Any:
    """The length that counts as 1 in each feature, 0 in one that is held."""
    if not isinstance(ball, FeatureBall):
        return 1.0
    return np.where(ball.space.held, 0.0, ball.space.width).astype("float32").reshape(shape)


def _within(ball: Ball, delta: Tensor) -> Tensor:
    """The nearest perturbation of the radius, whatever the bounds."""
    if isinstance(ball, FeatureBall):
        # What is held has no unit: it stays 0.
        return ball._shrink(delta * (_units(ball, tuple(delta.shape[1:])) > 0))
    # Bounds so wide that they never bind: they belong to the images, not to the perturbation.
    wide = type(ball)(ball.eps, -4.0 * ball.full, 4.0 * ball.full)
    return wide.project(delta, ops.zeros_like(delta))


def _loaded(file: str) -> _Loaded:
    try:
        state = Path(file).stat()
    except OSError as error:
        raise DataError(f"Expected a perturbation in {file}; got: {error.strerror or error}.") from None
    return _read(file, state.st_mtime_ns, state.st_size, state.st_ino)


@functools.lru_cache(maxsize=8)
def _read(file: str, *stamp: int) -> _Loaded:
    """Reads a file, again only where its stamp has changed."""
    check_arrays(Path(file))
    try:
        delta = np.load(file, allow_pickle=False)
    except Exception as error:  # Whatever NumPy makes of damaged bytes.
        reason = one_line(error, 150)
        raise DataError(f"Expected a perturbation in {file}; got: {reason}.") from None
    if not isinstance(delta, np.ndarray) or delta.dtype.kind != "f" or not np.isfinite(delta).all():
        raise DataError(f"Expected finite floats in {file}; got {getattr(delta, 'dtype', type(delta).__name__)}.")
    return _Loaded(delta.astype("float32"))
