"""Where an input may move: everything an attack needs to know of geometry.

A ball has a radius `eps` in input units and the pixel bounds `[low, high]`. `eps` may be a float32 scalar tensor, so
that one compiled attack serves every radius. Tensors are float32 of shape (batch, ...).
"""

import abc
import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.arguments import fitted
from turtlenet.errors import SettingError, SpecError, did_you_mean

__all__ = ["BALLS", "L0", "L1", "L2", "Ball", "Linf", "get"]


@dataclass(frozen=True)
class Ball(abc.ABC):
    """The points within `eps` of an input, inside the pixel bounds.

    Args:
        eps: Radius, in input units (for `L0`: the number of values that may change).
        low: Smallest value of a pixel.
        high: Largest value of a pixel.

    Raises:
        SettingError: `eps` is negative, NaN or infinite, or the bounds are not low < high.
    """

    eps: Any
    low: float = 0.0
    high: float = 1.0

    norm: ClassVar[str]

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, fitted(getattr(self, name), float, name))
        # A tensor of the graph that the ball is in, or a number.
        if not hasattr(self.eps, "dtype") or isinstance(self.eps, np.generic):
            object.__setattr__(self, "eps", fitted(self.eps, int | float, "eps"))
        if isinstance(self.eps, (int, float)) and not 0 <= self.eps < math.inf:
            raise SettingError(f"Expected eps >= 0, a finite radius in input units; got {self.eps}.")
        if not -math.inf < self.low < self.high < math.inf:
            raise SettingError(f"Expected bounds low < high; got {self.low} and {self.high}.")

    def with_eps(self, eps: Any) -> "Ball":
        """The same kind of ball with another radius."""
        return dataclasses.replace(self, eps=eps)

    def inside(self, x: Any) -> Any:
        """Clips pixels to the bounds."""
        return ops.clip(x, self.low, self.high)

    def project(self, moved: Any, x: Any) -> Any:
        """Brings `moved` back into the ball around `x` and into the bounds."""
        # The bounds first: what they cut off must not count as length. The last clip only rounds.
        return self.inside(x + self._shrink(self.inside(moved) - x))

    @abc.abstractmethod
    def _shrink(self, delta: Any) -> Any:
        """The nearest perturbation within the radius."""

    @abc.abstractmethod
    def steepest(self, gradient: Any, at: Any) -> Any:
        """The direction of unit length, in this norm, that climbs most from `at`."""

    @abc.abstractmethod
    def sample(self, x: Any, key: Any) -> Any:
        """Draws a point of the ball around each `x`, by the examples' keys (see `turtlenet.random`)."""

    @abc.abstractmethod
    def distance(self, moved: Any, x: Any) -> Any:
        """The length of each perturbation, of shape (batch,)."""

    def widest(self, shape: tuple[int, ...]) -> float:
        """The radius of the ball that holds every image of a shape within the bounds."""
        size = math.prod(shape)
        return self.full * {"linf": 1.0, "l2": math.sqrt(size), "l1": float(size), "l0": float(size)}[self.norm]

    @property
    def full(self) -> float:
        """A bound on how far two images within the bounds can be apart, for one pixel."""
        return self.high - self.low


class Linf(Ball):
    """No pixel moves by more than `eps`."""

    norm = "linf"

    def project(self, moved: Any, x: Any) -> Any:
        return self.inside(ops.clip(moved, x - self.eps, x + self.eps))

    def _shrink(self, delta: Any) -> Any:
        return ops.clip(delta, -self.eps, self.eps)

    def steepest(self, gradient: Any, at: Any) -> Any:
        return ops.sign(gradient)

    def sample(self, x: Any, key: Any) -> Any:
        return self.inside(x + self.eps * random.uniform(key, x.shape[1:], -1.0, 1.0))

    def distance(self, moved: Any, x: Any) -> Any:
        return ops.max(ops.abs(_flat(moved - x)), axis=1)


class L2(Ball):
    """The Euclidean length of the perturbation is at most `eps`."""

    norm = "l2"

    def _shrink(self, delta: Any) -> Any:
        length = _column(_euclidean(delta), delta)
        return delta * ops.minimum(1.0, self.eps / ops.maximum(length, 1e-12))

    def steepest(self, gradient: Any, at: Any) -> Any:
        # Divided by its largest value first: squares of a saturated model's gradients would underflow to 0.
        largest = ops.max(ops.abs(_flat(gradient)), axis=1)
        scaled = gradient / _column(ops.where(largest > 0, largest, ops.ones_like(largest)), gradient)
        return scaled / _column(ops.maximum(_euclidean(scaled), 1e-12), gradient)

    def sample(self, x: Any, key: Any) -> Any:
        size = math.prod(x.shape[1:])
        direction = random.normal(random.fold_in(key, 0), x.shape[1:])
        radius = random.uniform(random.fold_in(key, 1), ()) ** (1.0 / size)
        unit = direction / _column(_euclidean(direction), direction)
        return self.inside(x + self.eps * _column(radius, x) * unit)

    def distance(self, moved: Any, x: Any) -> Any:
        return _euclidean(moved - x)


class L1(Ball):
    """The absolute changes of all pixels sum to at most `eps`.

    Args:
        share: Share of the pixels that one step moves (Tramèr & Boneh, 2019, sparse L1 descent): the single steepest
            pixel would be exact for a linear model and far too slow for any other.
    """

    norm = "l1"
    share: ClassVar[float] = 0.01

    def _shrink(self, delta: Any) -> Any:
        """Soft-thresholds onto the ball (Duchi et al., 2008, Figure 1)."""
        size = _flat(delta)
        magnitude = ops.abs(size)
        ordered = ops.flip(ops.sort(magnitude, axis=1), axis=1)
        rank = ops.cast(ops.arange(1, ordered.shape[1] + 1), "float32")
        excess = (ops.cumsum(ordered, axis=1) - self.eps) / rank
        threshold = ops.max(excess, axis=1, keepdims=True)
        # The largest of these quotients is the threshold of the paper: each is a lower bound that rho attains.
        shrunk = ops.sign(size) * ops.maximum(magnitude - ops.maximum(threshold, 0.0), 0.0)
        # Float32 sums of many pixels are not exact: what is left over is scaled away.
        total = ops.sum(ops.abs(shrunk), axis=1, keepdims=True)
        return ops.reshape(shrunk * ops.minimum(1.0, self.eps / ops.maximum(total, 1e-12)), ops.shape(delta))

    def steepest(self, gradient: Any, at: Any) -> Any:
        slope = _flat(gradient)
        # A pixel at its bound that would leave it cannot move: the step goes to those that can.
        stuck = ops.logical_or(
            ops.logical_and(_flat(at) >= self.high, slope > 0), ops.logical_and(_flat(at) <= self.low, slope < 0)
        )
        slope = ops.where(stuck, ops.zeros_like(slope), slope)
        magnitude = ops.abs(slope)
        count = max(1, int(self.share * magnitude.shape[1]))
        weakest = ops.top_k(magnitude, count)[0][:, -1:]
        chosen = ops.cast(ops.logical_and(magnitude >= weakest, magnitude > 0), "float32") * ops.sign(slope)
        step = chosen / ops.maximum(ops.sum(ops.abs(chosen), axis=1, keepdims=True), 1.0)
        return ops.reshape(step, ops.shape(gradient))

    def sample(self, x: Any, key: Any) -> Any:
        """Uniform in the ball: exponential magnitudes over their sum and one more (Barthe et al., 2005)."""
        size = math.prod(x.shape[1:])
        exponential = -ops.log(1.0 - random.uniform(random.fold_in(key, 0), (size + 1,)))
        share = exponential[:, :-1] / ops.sum(exponential, axis=1, keepdims=True)
        signed = share * random.rademacher(random.fold_in(key, 1), (size,))
        return self.inside(x + self.eps * ops.reshape(signed, ops.shape(x)))

    def distance(self, moved: Any, x: Any) -> Any:
        return ops.sum(ops.abs(_flat(moved - x)), axis=1)


class L0(Ball):
    """At most `eps` values of an image change, each by any amount within the bounds."""

    norm = "l0"

    def _shrink(self, delta: Any) -> Any:
        return delta * ops.cast(_largest(delta, self.eps), "float32")

    def steepest(self, gradient: Any, at: Any) -> Any:
        return ops.sign(gradient) * ops.cast(_largest(gradient, self.eps), "float32") * self.full

    def sample(self, x: Any, key: Any) -> Any:
        places = _largest(random.uniform(random.fold_in(key, 0), x.shape[1:]), self.eps)
        values = random.uniform(random.fold_in(key, 1), x.shape[1:], self.low, self.high)
        return ops.where(places, values, x)

    def distance(self, moved: Any, x: Any) -> Any:
        return ops.sum(ops.cast(_flat(moved) != _flat(x), "float32"), axis=1)


BALLS: dict[str, type[Ball]] = {ball.norm: ball for ball in (Linf, L2, L1, L0)}


def get(norm: str, eps: Any, bounds: tuple[float, float] = (0.0, 1.0)) -> Ball:
    """Makes the ball of a norm's name.

    Raises:
        SpecError: No such norm.
        SettingError: See `Ball`.
    """
    name = {"inf": "linf", "2": "l2", "1": "l1", "0": "l0"}.get(str(norm).lower(), str(norm).lower())
    if name not in BALLS:
        raise SpecError(f"Unknown norm {norm!r}.{did_you_mean(name, BALLS)}")
    return BALLS[name](eps, float(bounds[0]), float(bounds[1]))


def _flat(x: Any) -> Any:
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def _column(values: Any, like: Any) -> Any:
    """Shapes (batch,) so that it multiplies images."""
    return ops.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))


def _euclidean(delta: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(_flat(delta)), axis=1))


def _largest(values: Any, count: Any) -> Any:
    """Marks the `count` largest magnitudes of each example; ties go to the earlier place."""
    magnitude = ops.abs(_flat(values))
    order = ops.argsort(-magnitude, axis=1)
    rank = ops.cast(ops.argsort(order, axis=1), "float32")
    return ops.reshape(rank < ops.floor(ops.cast(count, "float32")), ops.shape(values))
