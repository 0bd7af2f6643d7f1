"""Where the features of an input may lie: bounds, units, and rules, one for each feature."""

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from keras import ops

from turtlenet.typing import Shape, Tensor

if TYPE_CHECKING:
    from turtlenet.constraints import Constraint

# At least one float32 ulp, as a share of a number.
_ULP = 2.0**-23
_PASSES = 3


class Rule(NamedTuple):
    """A constraint, and the places of its features."""

    constraint: "Constraint"
    places: tuple[int, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is, however its features were called."""
        kind: Any = type(self.constraint)
        settings = {name: value for name, value in vars(self.constraint).items() if name != "features"}
        return f"{kind.__module__}:{kind.__qualname__}", tuple(sorted(settings.items())), self.places


@dataclass(frozen=True, eq=False)
class Space:
    """Where the features of an input may lie; two are equal if they say the same.

    All arrays are flat, float64 (features,), in the order of the input's values.

    Args:
        shape: Of an input, without the batch.
        low: Smallest value of each feature.
        high: Largest value of each feature.
        unit: The length that counts as 1 in each feature; 0 for one that may not move.
        rules: What an attack must keep besides.
        names: Of the features; empty where they have none.
        ways: Rules that only say where climbing leads: those of other coordinates.
    """

    shape: Shape
    low: np.ndarray
    high: np.ndarray
    unit: np.ndarray
    rules: tuple[Rule, ...] = ()
    names: tuple[str, ...] = ()
    ways: tuple[Rule, ...] = ()

    @property
    def size(self) -> int:
        """The number of features."""
        return math.prod(self.shape)

    @functools.cached_property
    def held(self) -> np.ndarray:
        """Which features stay as they are, bool (features,)."""
        held: np.ndarray = self.unit == 0
        for constraint, places in self.rules:
            if getattr(constraint, "fixes", False):
                held[list(places)] = True
        return held

    @functools.cached_property
    def width(self) -> np.ndarray:
        """The unit of each feature that may move, 1 for the others, float64 (features,)."""
        return np.where(self.unit > 0, self.unit, 1.0)

    @functools.cached_property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounds as float32 numbers that are not beyond them."""
        low, high = self.low.astype("float32"), self.high.astype("float32")
        low = np.where(low < self.low, np.nextafter(low, np.float32(np.inf)), low)
        return low, np.where(high > self.high, np.nextafter(high, np.float32(-np.inf)), high)

    @property
    def uniform(self) -> bool:
        """Whether all features have the same bounds and units."""
        return all(len(np.unique(values)) == 1 for values in (self.low, self.high, self.unit))

    @property
    def bound(self) -> bool:
        """Whether what a feature may be depends on what it was."""
        return bool(self.rules) or bool(self.held.any())

    @functools.cached_property
    def digest(self) -> str:
        """Tells this space from others."""
        rules = [rule.key for rule in (*self.rules, *self.ways)]
        told = hashlib.sha256(repr((self.shape, self.names, len(self.ways), rules)).encode())
        for values in (self.low, self.high, self.unit):
            told.update(values.tobytes())
        return told.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def limits(self, x: Tensor, reach: Tensor = None) -> tuple[Tensor, Tensor]:
        """The smallest and the largest value that each feature of some inputs may take.

        Args:
            x: The inputs, float32 (batch, features).
            reach: How far each feature may move, float32 (features,); None for any way.

        Returns:
            Both float32 (batch, features), with the input between them.
        """
        low, high = (ops.convert_to_tensor(each)[None] for each in self.box)
        if reach is not None:
            low, high = ops.maximum(low, -_farthest(-x, reach)), ops.minimum(high, _farthest(x, reach))
        low, high = ops.minimum(low, x), ops.maximum(high, x)
        if self.held.any():
            low, high = (ops.where(ops.convert_to_tensor(self.held)[None], x, each) for each in (low, high))
        for constraint, places in self.rules:
            own = constraint.limits(*(picked(each, places) for each in (low, high, x)))
            low, high = (put(each, places, new) for each, new in zip((low, high), own, strict=True))
        return low, high

    def climb(self, gradient: Tensor) -> Tensor:
        """What to follow in place of a gradient (batch, features), where rules tie features to each other."""
        for constraint, places in (*self.rules, *self.ways):
            if constraint.steers:
                gradient = put(gradient, places, constraint.slope(picked(gradient, places)))
        return gradient

    def feasible(self, point: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The point near another that keeps the limits and the rules.

        Args:
            point: Float32 (batch, features).
            x: The inputs as they are, likewise.
            low, high: See `limits`.
        """
        found = ops.clip(point, low, high)
        moving = [rule for rule in self.rules if rule.constraint.moves]
        for constraint, places in moving * self._passes(moving):
            least, most = picked(low, places), picked(high, places)
            new = constraint.project(picked(found, places), picked(x, places), least, most)
            found = put(found, places, ops.clip(new, least, most))
        return found

    def holds(self, point: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Whether points keep bounds and rules exactly, on the host; an input's own value is always within.

        Args:
            point: Float32 (n, ...).
            x: The inputs that they come from, likewise.

        Returns:
            Booleans (n,).
        """
        moved, original = (np.asarray(each).reshape(len(x), self.size).astype("float64") for each in (point, x))
        same = moved == original
        within = np.isfinite(moved) & (moved >= self.low) & (moved <= self.high)
        found = ((within & ~self.held) | same).all(axis=1)
        for constraint, places in self.rules:
            columns = list(places)
            found &= np.asarray(constraint.holds(moved[:, columns], original[:, columns]), bool)
        kept: np.ndarray = found
        return kept

    def fit(self, values: np.ndarray, like: Tensor) -> Tensor:
        """Values for each feature, (features,), in a shape that fits tensors of inputs, however these are folded.

        A tensor: of an array PyTorch makes an operation of NumPy's, which no gradient comes through.
        """
        shape: tuple[int, ...] = ()
        for side in reversed(tuple(like.shape)):
            if side is None or math.prod(shape) == self.size:
                break
            shape = (side, *shape)
        return ops.convert_to_tensor(values.reshape(shape) if math.prod(shape) == self.size else values)

    @staticmethod
    def _passes(moving: Sequence[Rule]) -> int:
        """How often the rules are gone through: more than once where they share features."""
        places = [place for rule in moving for place in rule.places]
        return 1 if len(places) == len(set(places)) else _PASSES


def _farthest(x: Tensor, reach: Tensor) -> Tensor:
    """The largest float32 numbers that are not more than `reach` above others."""
    total = x + reach
    # What rounding took away from the sum, exactly (Knuth, 1969, TwoSum).
    added = total - x
    left = (x - (total - added)) + (reach - added)
    return ops.where(left < 0, total - ops.abs(total) * _ULP, total)


def picked(values: Tensor, places: tuple[int, ...]) -> Tensor:
    """Some columns of values (batch, features)."""
    return ops.take(values, np.asarray(places, "int32"), axis=1)


def put(values: Tensor, places: tuple[int, ...], columns: Any) -> Tensor:
    """Values (batch, features) with some of their columns replaced."""
    where = np.arange(values.shape[1], dtype="int32")
    where[list(places)] = values.shape[1] + np.arange(len(places), dtype="int32")
    return ops.take(ops.concatenate([values, columns], axis=1), where, axis=1)
