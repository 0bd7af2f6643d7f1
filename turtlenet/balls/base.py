"""Where an input may move: everything an attack needs to know of geometry.

A ball has a radius `eps` in input units and the pixel bounds `[low, high]`. `eps` may be a float32 scalar tensor, so
that one compiled attack serves every radius. Tensors are float32 of shape (batch, ...).
"""

import abc
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from keras import ops

from turtlenet.arguments import fitted
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.typing import Keys, Shape, Tensor

B = TypeVar("B", bound="Ball")


@dataclass(frozen=True)
class Ball(abc.ABC):
    """The points within `eps` of an input, inside the pixel bounds.

    Args:
        eps: Radius, in input units (for `L0`: the number of values that may change).
        low: Smallest value of a pixel.
        high: Largest value of a pixel.

    Raises:
        SettingError: `eps` is negative, NaN or infinite, or the bounds are not low < high.

    >>> ball = get("l2", 0.5)
    >>> x = np.array([[0.0, 0.25]], "float32")
    >>> np.asarray(ball.project(np.array([[3.0, 0.25]], "float32"), x))
    array([[0.5 , 0.25]], dtype=float32)
    >>> ball.widest((3, 3, 1)), ball.with_eps(0.1)
    (3.0, L2(eps=0.1, low=0.0, high=1.0))
    """

    eps: Tensor
    low: float = 0.0
    high: float = 1.0

    norm: ClassVar[str]
    order: ClassVar[float]
    """The order of the norm, as NumPy counts it: the host measures by it."""
    usual: ClassVar[tuple[float, float]] = (0.3, 8 / 255)
    """The usual radius for gray and for color images, as a share of the pixel range."""
    climbs: ClassVar[bool] = True
    """Whether steps along `steepest` lead somewhere, so that attacks that follow gradients work in it."""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, fitted(getattr(self, name), float, name))
        # A tensor is of a graph and stays as it is; anything else must be a number.
        if not hasattr(self.eps, "dtype") or isinstance(self.eps, np.generic):
            object.__setattr__(self, "eps", fitted(self.eps, int | float, "eps"))
        if isinstance(self.eps, (int, float)) and not 0 <= self.eps < math.inf:
            raise SettingError(f"Expected eps >= 0, a finite radius in input units; got {self.eps}.")
        if not -math.inf < self.low < self.high < math.inf:
            kind = "finite bounds" if self.low < self.high else "bounds"
            raise SettingError(f"Expected {kind} low < high; got {self.low} and {self.high}.")

    def with_eps(self, eps: Tensor) -> "Ball":
        """The same kind of ball with another radius."""
        return dataclasses.replace(self, eps=eps)

    def under(self, norm: str) -> "Ball":
        """A ball of another norm's name in the same bounds, of radius 0."""
        return get(norm, 0.0, (self.low, self.high))

    @property
    def place(self) -> tuple[Any, ...]:
        """All but the radius, to tell compiled graphs by."""
        return type(self), self.low, self.high

    @property
    def box(self) -> tuple[Tensor, Tensor]:
        """The bounds: two numbers, or float32 (features,) where each feature of a flat input has its own."""
        return self.low, self.high

    def limits(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the largest value of each feature of points (rows, ...), in a shape that fits them flat.

        Those of `box`, unless what a feature may be depends on what it was.
        """
        return self.box

    def inside(self, x: Tensor) -> Tensor:
        """Clips pixels, float32 of any shape, to the bounds."""
        return ops.clip(x, self.low, self.high)

    def stuck(self, direction: Tensor, at: Tensor) -> Tensor:
        """Where a value at its bound would leave it, as booleans.

        Args:
            direction: Where it would go, float32 (batch, ...).
            at: Where it is, of the same shape.
        """
        return ops.where(direction > 0, at >= self.high, at <= self.low)

    def feasible(self, point: Tensor, x: Tensor, *, within: bool = False) -> Tensor:
        """The nearest point that an attack may show to the model.

        Args:
            point: Points within the bounds, float32 (batch, ...).
            x: The inputs that they come from, of the same shape.
            within: Whether each feature stays in its radius too; any distance will do else.

        Returns:
            Points shaped like `x`: another one only where features have rules of their own.
        """
        return point

    def land(self, point: Tensor, x: Tensor) -> Tensor:
        """What comes out of an attack: `project`, and where features have rules, the point that keeps them too.

        Args:
            point: Points, float32 (batch, ...).
            x: Inputs of the same shape, within the bounds.
        """
        return self.project(point, x)

    def project(self, point: Tensor, x: Tensor) -> Tensor:
        """Brings points into the ball around inputs, and into the bounds.

        Args:
            point: Points, float32 (batch, ...).
            x: Inputs of the same shape, within the bounds.

        Returns:
            Points shaped like `x`: the nearest in the ball to each, cut to the bounds before it is measured.
        """
        # Clipped first, so that what the bounds cut off does not count as length; the last clip mends rounding.
        return self.inside(x + self._shrink(self.inside(point) - x))

    @abc.abstractmethod
    def _shrink(self, delta: Tensor) -> Tensor:
        """The nearest perturbation within the radius."""

    @abc.abstractmethod
    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        """The direction of length 1, in this norm, that climbs most.

        Args:
            gradient: The gradient of what is climbed, float32 (batch, ...).
            at: Where it was taken, of the same shape.

        Returns:
            Directions shaped like `gradient`.
        """

    @abc.abstractmethod
    def sample(self, x: Tensor, key: Keys) -> Tensor:
        """Draws a point of the ball around each input.

        Args:
            x: Inputs, float32 (batch, ...), within the bounds.
            key: The examples' keys, uint32 (batch, 2); see `turtlenet.random`.

        Returns:
            Points shaped like `x`, within the ball and the bounds.
        """

    @abc.abstractmethod
    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        """The length of each perturbation in this norm.

        Args:
            point: Points, float32 (batch, ...).
            x: Inputs of the same shape.

        Returns:
            Lengths, float32 (batch,), in input units (`l0`: a number of values).
        """

    def length(self, point: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The length of each perturbation on the host: what a report counts by.

        Args:
            point: Points, float32 (n, ...).
            x: Inputs of the same shape.

        Returns:
            Lengths, float64 (n,), in input units.
        """
        delta = (point.astype("float64") - x.astype("float64")).reshape(len(x), math.prod(x.shape[1:]))
        measured: np.ndarray = np.linalg.norm(delta, ord=self.order, axis=1)
        return measured

    def in_units(self, x: np.ndarray) -> np.ndarray:
        """Inputs (n, ...) in the units that the radius is in, on the host: the input's own."""
        return x

    def holds(self, point: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Whether points keep what features have of their own, on the host, exactly: bool (n,); true of a plain ball.

        Args:
            point: Points, float32 (n, ...).
            x: The inputs that they come from, of the same shape.
        """
        return np.ones(len(x), bool)

    @abc.abstractmethod
    def span(self, size: int) -> float:
        """The length of a perturbation that is 1 in each of `size` values."""

    def per_pixel(self, shape: Shape) -> float:
        """The change of a pixel that the radius allows, as a share of the pixel range.

        Of every pixel for `linf`, in the root mean square over all for `l2`, on average for `l1`; for `l0` the share
        of the values that may change.

        Args:
            shape: Of an input, without the batch.
        """
        return float(self.eps) / self.widest(shape)

    def widest(self, shape: Shape) -> float:
        """The radius of the ball that holds every image of a shape within the bounds."""
        return self.full * self.span(math.prod(shape))

    @property
    def full(self) -> float:
        """A bound on how far two images within the bounds can be apart, for one pixel."""
        return self.high - self.low


BALLS: dict[str, type[Ball]] = {}
"""Every registered kind of ball, by the name of its norm."""

_ALIASES: dict[str, str] = {}


def register(*aliases: str) -> Callable[[type[B]], type[B]]:
    """Decorates a kind of ball, so that its `norm`, or another name for it, stands for it wherever a norm is named.

    Raises:
        SpecError: The name stands for another kind already.
    """

    def add(ball: type[B]) -> type[B]:
        if BALLS.setdefault(ball.norm, ball) is not ball:
            raise SpecError(f"Expected a new norm; {ball.norm!r} already stands for {BALLS[ball.norm]!r}.")
        _ALIASES.update(dict.fromkeys(aliases, ball.norm))
        return ball

    return add


def get(norm: str, eps: Tensor, bounds: tuple[float, float] = (0.0, 1.0)) -> Ball:
    """Makes the ball of a norm's name.

    Args:
        norm: `linf`, `l2`, `l1` or `l0`, another name for one of them, such as `inf` or `2`, or a registered one.
        eps: Radius, in input units.
        bounds: Smallest and largest value of a pixel.

    Raises:
        SpecError: No such norm.
        SettingError: See `Ball`.
    """
    name = _ALIASES.get(str(norm).lower(), str(norm).lower())
    if name not in BALLS:
        raise SpecError(f"Unknown norm {norm!r}.{did_you_mean(name, BALLS)}")
    return BALLS[name](eps, float(bounds[0]), float(bounds[1]))


def norms(*, climbing: bool = False) -> tuple[str, ...]:
    """The registered norms, those of the highest order first; or only those in which following gradients works."""
    known = (ball for ball in BALLS.values() if ball.climbs or not climbing)
    return tuple(ball.norm for ball in sorted(known, key=lambda ball: -ball.order))


def flat(x: Tensor) -> Tensor:
    """Shapes (batch, ...) as (batch, values)."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def column(values: Tensor, like: Tensor) -> Tensor:
    """Shapes values (batch,) as (batch, 1, ...), so that they multiply tensors shaped like `like`."""
    return ops.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))


def euclidean(delta: Tensor) -> Tensor:
    """The Euclidean length of each example, (batch,)."""
    return ops.sqrt(ops.sum(ops.square(flat(delta)), axis=1))
