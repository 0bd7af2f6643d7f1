"""A ball in which each feature has bounds, a radius and rules of its own."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.balls.base import Ball, column
from turtlenet.balls.space import Space
from turtlenet.errors import SettingError
from turtlenet.typing import Keys, Shape, State, Tensor

_HALVINGS = 8
# Bounds that never bind, for a ball around 0.
_WIDE = 1e30


@dataclass(frozen=True)
class FeatureBall(Ball):
    """The points within `eps` of an input, where each feature is measured in a unit of its own.

    A feature's unit is usually its own radius, and `eps` is 1: so `linf` lets each feature move by its radius. The
    norm, and all that is known of it, is that of the plain ball `kind`. `inner` gives the same in coordinates in which
    every unit is 1; there any attack works as in a plain ball.

    Args:
        eps: The radius, in units.
        low: The smallest value of all features.
        high: The largest value of all features.
        kind: The plain ball.
        space: Bounds, units and rules of the features.
        original: Within a graph, the inputs that points come from, (batch, ...), so that steps follow rules that
            depend on them, such as `grow`; None where nothing does. See `rooted`.

    >>> import turtlenet.balls as balls
    >>> low, high, unit = np.zeros(2), np.array([1.0, 100.0]), np.array([0.1, 5.0])
    >>> ball = FeatureBall(1.0, 0.0, 100.0, balls.Linf, Space((2,), low, high, unit))
    >>> x = np.array([[0.5, 3.0]], "float32")
    >>> np.asarray(ball.land(x + 50.0, x)).round(3)
    array([[0.6, 8. ]], dtype=float32)
    >>> ball.length(np.array([[0.5, 8.0]], "float32"), x)
    array([1.])
    """

    kind: Any = None
    space: Any = None
    original: Any = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def norm(self) -> str:  # type: ignore[override]
        """That of the plain ball."""
        return str(self.kind.norm)

    @property
    def order(self) -> float:  # type: ignore[override]
        """That of the plain ball."""
        return float(self.kind.order)

    @property
    def usual(self) -> tuple[float, float]:  # type: ignore[override]
        """That of the plain ball."""
        usual: tuple[float, float] = self.kind.usual
        return usual

    @property
    def climbs(self) -> bool:  # type: ignore[override]
        """That of the plain ball."""
        return bool(self.kind.climbs)

    @property
    def place(self) -> tuple[Any, ...]:
        return (*super().place, self.kind, self.space)

    @property
    def box(self) -> tuple[Tensor, Tensor]:
        low, high = map(ops.convert_to_tensor, self.space.box)
        return low, high

    def under(self, norm: str) -> Ball:
        return dataclasses.replace(self, kind=type(super().under(norm)))

    def inside(self, x: Tensor) -> Tensor:
        low, high = (self.space.fit(each, x) for each in self.space.box)
        return ops.clip(x, low, high)

    def rooted(self, x: Tensor) -> "FeatureBall":
        """The same ball around the inputs (batch, ...), where rules say how far each of them may move."""
        return dataclasses.replace(self, original=x) if self.space.rules else self

    def limits(self, point: Tensor) -> tuple[Tensor, Tensor]:
        if self.original is None:
            return self.box
        low, high = self.space.limits(self._flat(repeated(self.original, point)))
        return low, high

    def stuck(self, direction: Tensor, at: Tensor) -> Tensor:
        if self.original is None:
            low, high = (self.space.fit(each, at) for each in self.space.box)
        else:
            low, high = (ops.reshape(each, ops.shape(at)) for each in self.limits(at))
        return ops.where(direction > 0, at >= high, at <= low)

    def project(self, point: Tensor, x: Tensor) -> Tensor:
        flat, original = self._flat(point), self._flat(x)
        low, high = self.space.limits(original)
        unit = ops.convert_to_tensor(self._unit)
        move = self._plain()._shrink((ops.clip(flat, low, high) - original) / unit)
        return ops.reshape(ops.clip(original + move * unit, low, high), ops.shape(x))

    def feasible(self, point: Tensor, x: Tensor, *, within: bool = False) -> Tensor:
        flat, original = self._flat(point), self._flat(x)
        low, high = self.space.limits(original, self._farthest() if within else None)
        return ops.reshape(self.space.feasible(flat, original, low, high), ops.shape(x))

    def _farthest(self) -> Tensor:
        """How far each feature may move within the radius, float32 (features,); None for any way."""
        return (
            None
            if self.order == 0
            else ops.convert_to_tensor(self.eps, "float32") * ops.convert_to_tensor(self._reach)
        )

    def land(self, point: Tensor, x: Tensor) -> Tensor:
        point, original = self._flat(self.project(point, x)), self._flat(x)
        low, high = self.space.limits(original, self._farthest())
        found = self.space.feasible(point, original, low, high)
        if self.order < math.inf and any(rule.constraint.moves for rule in self.space.rules):
            found = self._nearer(point, found, original, low, high)
        return ops.reshape(found, ops.shape(x))

    def _nearer(self, point: Tensor, found: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Comes back on the way to the input where keeping the rules led out of the ball."""

        def within(found: Tensor) -> Tensor:
            return column(self.distance(found, x) <= self.eps * (1 + 1e-6), x)

        def halve(_: Tensor, state: State) -> State:
            best, near, far = state
            share = (near + far) / 2
            tried = self.space.feasible(x + share * (point - x), x, low, high)
            good = ops.logical_and(within(tried), near < 1)
            return ops.where(good, tried, best), ops.where(good, share, near), ops.where(good, far, share)

        whole, none = within(found), ops.zeros_like(x[:, :1])
        state = ops.where(whole, found, x), ops.where(whole, none + 1.0, none), none + 1.0
        best: Tensor = backend.loop(_HALVINGS, halve, state)[1][0]
        return best

    def _shrink(self, delta: Tensor) -> Tensor:
        unit = self.space.fit(self._unit, delta)
        return self._plain()._shrink(delta / unit) * unit

    def steepest(self, gradient: Tensor, at: Tensor) -> Tensor:
        unit = self.space.fit(np.where(self.space.held, 0.0, self._unit).astype("float32"), gradient)
        slope = ops.reshape(self.space.climb(self._flat(gradient * unit)), ops.shape(gradient))
        slope = ops.where(self.stuck(slope, at), ops.zeros_like(slope), slope)
        return self._plain().steepest(slope, ops.zeros_like(slope)) * unit

    def sample(self, x: Tensor, key: Keys) -> Tensor:
        x = ops.convert_to_tensor(x)
        if self.order == 0:
            low, high = (self.space.fit(each, x) for each in self.space.box)
            share = self.kind(self.eps, 0.0, 1.0).sample((x - low) / (high - low), key)
            # What did not move comes back as it was.
            moved = ops.not_equal(share, (x - low) / (high - low))
            return self.project(ops.where(moved, low + share * (high - low), x), x)
        return self.project(x + self._plain().sample(ops.zeros_like(x), key) * self.space.fit(self._unit, x), x)

    def distance(self, point: Tensor, x: Tensor) -> Tensor:
        move = (ops.convert_to_tensor(point) - ops.convert_to_tensor(x)) / self.space.fit(self._unit, point)
        return self._plain().distance(move, ops.zeros_like(move))

    def length(self, point: np.ndarray, x: np.ndarray) -> np.ndarray:
        return super().length(self.in_units(point), self.in_units(x))

    def in_units(self, x: np.ndarray) -> np.ndarray:
        flat = np.asarray(x, "float64").reshape(len(x), self.space.size) / self.space.width
        return flat.reshape(x.shape)

    def holds(self, point: np.ndarray, x: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.space.holds(point, x)
        if self.order == math.inf:
            move = np.abs(np.asarray(point, "float64") - np.asarray(x, "float64")).reshape(len(x), self.space.size)
            # A radius other than 1 is rounded, as that of a plain ball is.
            found &= (move <= self.eps * self.space.width * (1 if self.eps == 1 else 1 + 1e-6)).all(axis=1)
        return found

    def span(self, size: int) -> float:
        return self._plain().span(size)

    def per_pixel(self, shape: Shape) -> float:
        return float(self.eps) / max(self.widest(shape), 1e-30)

    def widest(self, shape: Shape) -> float:
        free = ~self.space.held
        wide = ((self.space.high - self.space.low) / self.space.width)[free]
        if not len(wide):
            return 0.0
        # A sum of as many units rounds: the ball shall hold every input all the same.
        return float(np.linalg.norm(wide, ord=self.order)) * (1.0 if self.order == 0 else 1 + 1e-6)

    @functools.cached_property
    def inner(self) -> "FeatureBall":
        """The same ball in coordinates in which each unit is 1; see `encode`."""
        space = self.space
        offset, width = self._origin
        low, high = (space.low - offset) / width, (space.high - offset) / width
        rules = tuple(rule for rule in space.rules if rule.constraint.scale_free)
        unit = np.where(space.unit > 0, 1.0, 0.0)
        ways = tuple(rule for rule in space.rules if rule.constraint.steers)
        inside = Space(space.shape, low, high, unit, rules, space.names, ways)
        return dataclasses.replace(self, low=float(low.min()), high=float(high.max()), space=inside)

    def encode(self, x: Tensor) -> Tensor:
        """Inputs (batch, ...) in the coordinates of `inner`."""
        x = ops.convert_to_tensor(x)
        offset, width = (self.space.fit(each.astype("float32"), x) for each in self._origin)
        return (x - offset) / width

    def decode(self, point: Tensor, x: Tensor = None) -> Tensor:
        """Points (batch, ...) of `inner` in input units.

        Args:
            point: The points.
            x: The inputs that they come from, in input units, so that what did not move is the same to the last bit.
        """
        offset, width = (self.space.fit(each.astype("float32"), point) for each in self._origin)
        found = offset + ops.convert_to_tensor(point) * width
        return found if x is None else ops.where(ops.equal(point, self.encode(x)), x, found)

    @property
    def _origin(self) -> tuple[np.ndarray, np.ndarray]:
        """What the coordinates of `inner` count from, and their units."""
        space = self.space
        if space.uniform:
            return np.zeros(space.size), space.width
        # From 0 where it can be: far from it, float32 would be coarse. What is held has no unit: its range, so that it
        # makes the bounds of all no wider.
        return np.clip(0.0, space.low, space.high), np.where(space.held, space.high - space.low, space.width)

    @property
    def _unit(self) -> np.ndarray:
        unit: np.ndarray = self.space.width.astype("float32")
        return unit

    @property
    def _reach(self) -> np.ndarray:
        """The units as float32 numbers that are not larger."""
        unit = self._unit
        return np.where(unit > self.space.width, np.nextafter(unit, np.float32(0)), unit)

    def _plain(self) -> Ball:
        """A plain ball of this radius around 0, whose bounds do not bind."""
        plain: Ball = self.kind(self.eps, -_WIDE, _WIDE)
        return plain

    def _flat(self, x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, self.space.size))


def is_plain(ball: Ball) -> bool:
    """Whether all features of a ball have the same bounds, radius and freedom."""
    return not isinstance(ball, FeatureBall)


def repeated(x: Tensor, like: Tensor) -> Tensor:
    """Each input as often as there are rows of it, in the order of `ops.repeat`.

    Args:
        x: The inputs, (batch, ...).
        like: Rows (batch * count, ...).

    Raises:
        SettingError: Rows that are no multiple of the inputs, where both numbers are known.
    """
    rows, count = like.shape[0], x.shape[0]
    if rows is not None and count is not None:
        if rows == count:
            return ops.convert_to_tensor(x)
        if rows % count:
            raise SettingError(f"Expected rows of {count} inputs, each as often as the others; got {rows} rows.")
        return ops.repeat(ops.convert_to_tensor(x), rows // count, axis=0)
    return ops.repeat(ops.convert_to_tensor(x), ops.shape(like)[0] // ops.shape(x)[0], axis=0)
