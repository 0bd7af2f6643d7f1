"""Images in whatever keeps them, read in slices as float32 within the model's bounds."""

import copy
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from turtlenet.data.integers import Whole, decided, peak_of
from turtlenet.errors import DataError, SettingError, one_line
from turtlenet.input_kind import InputKind, kind_of
from turtlenet.radius import is_image

BLOCK_BYTES = 32 * 2**20
# HDF5 selects scattered rows in time quadratic in their number: 10,000 at once take 2 s, in groups of 512 some 80 ms.
SCATTERED_ROWS = 512
TOLERANCE = 1e-6
USUAL_BOUNDS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


class Pixels:
    """The images of one part of a data set, wherever they are stored.

    Floats are taken as they are and must lie within the bounds; so are integers that all lie within them, such as
    features of 0 and 1. Other integers are scaled if they look like the pixels of an image, see
    `turtlenet.data.integers`: `low + (high - low) * v / peak` in float32. Booleans of images have a peak of 1,
    others are features of 0 and 1. All values of an array decide together, so a slice is scaled as the whole is.

    Args:
        x: Images `(N, *own)`: an array, a memory map, an HDF5 data set, or anything with `shape`, `dtype`, `__len__`
            and `__getitem__` for a slice or an increasing integer array.
        name: What messages call the data.
        shape: The model's input shape without the batch; `None` keeps the images' own.
        bounds: Lowest and highest pixel value of the model.
        kind: What an input is, for messages; None tells it from the shape.
        names: Those of the values of an input, for messages, where they have any.

    Raises:
        DataError: No images, a type that holds no pixels, or images that do not fit `shape`.
        SettingError: Bounds that are not two finite numbers, the lower first.
    """

    def __init__(
        self,
        x: Any,
        *,
        name: str,
        shape: tuple[int, ...] | None,
        bounds: tuple[float, float],
        kind: InputKind | None = None,
        names: Sequence[str] = (),
    ):
        self.name, self.names = name, tuple(names)
        self.bounds = _checked_bounds(bounds)
        self._x = as_array_like(x, name)
        self.dtype = np.dtype(self._x.dtype)
        own = tuple(int(side) for side in self._x.shape[1:])
        self.kind = kind or kind_of(own if shape is None else shape)
        if self.dtype.kind not in "buif":
            raise DataError(
                f"Expected {self.kind.values} that are integers, floats or booleans; got {self.dtype} in {name}."
            )
        if not own or len(self._x) == 0 or 0 in own:
            raise DataError(
                f"Expected at least one {self.kind.example}; got an array of shape {tuple(self._x.shape)} in {name}."
            )
        self.shape = own if shape is None else _fitted(own, tuple(shape), name, self.kind)
        # Laid out as the images are stored, or as the model takes them: whichever says more.
        self._layout = max(own, self.shape, key=lambda shape: sum(side != 1 for side in shape))

    def __len__(self) -> int:
        return len(self._x)

    @cached_property
    def peak(self) -> int | None:
        """The stored integer that becomes the upper bound; `None` where values are taken as they are.

        Raises:
            DataError: Integers beyond the bounds that do not look like pixels.
        """
        if self.dtype.kind == "f":
            return None
        if self.dtype.kind == "b":
            as_they_are = not is_image(self._layout) and self.bounds[0] <= 0 and self.bounds[1] >= 1
            return None if as_they_are else 1
        # A decoded picture holds gray levels, and would take long to look at.
        if getattr(self._x, "pictures", False):
            return 255
        limits = np.iinfo(self.dtype)
        if self.bounds[0] == 0 and Whole(limits.min, limits.max).within(self.bounds):
            return None
        widest = Whole(math.inf, -math.inf)
        for block in self.blocks(len(self)):
            raw = self._fetch(np.arange(block.start, block.stop))
            widest = widest.with_(int(raw.min()), int(raw.max()))
            if decided(self.dtype, widest, self.bounds, self._layout):
                break
        return peak_of(self.dtype, widest, self.bounds, self._layout, self.name)

    def within(self, bounds: tuple[float, float]) -> "Pixels":
        """The same images within other bounds."""
        other = copy.copy(self)
        other.bounds = _checked_bounds(bounds)
        vars(other).pop("peak", None)
        return other

    def blocks(self, count: int) -> Iterator[slice]:
        """Slices of `range(count)`, each about 32 MB of pixels."""
        step = max(1, BLOCK_BYTES // (math.prod(self.shape) * max(4, self.dtype.itemsize)))
        return (slice(start, min(start + step, count)) for start in range(0, count, step))

    def read(self, positions: np.ndarray) -> np.ndarray:
        """The images at these positions, float32 `(n, *shape)` within the bounds.

        Raises:
            DataError: They cannot be read, are not finite, or lie outside the bounds.
        """
        raw = self._fetch(positions)
        if raw.size and self.dtype.kind == "f":
            self._refuse_outside(*self._span(raw, positions))
        return self._scaled(raw).reshape(len(positions), *self.shape)

    def check(self, positions: np.ndarray) -> None:
        """Reads all these images block by block, and speaks of the whole in its message.

        Raises:
            DataError: As `read` does.
        """
        _ = self.peak
        low, high = self.span(positions)
        if self.dtype.kind == "f":
            self._refuse_outside(low, high)

    def span(self, positions: np.ndarray) -> tuple[float, float]:
        """The smallest and the largest stored value of these images.

        Raises:
            DataError: They cannot be read, or are not finite.
        """
        low, high = math.inf, -math.inf
        for block in self.blocks(len(positions)):
            below, above = self._span(self._fetch(positions[block]), positions[block])
            low, high = min(low, below), max(high, above)
        return low, high

    def _scaled(self, raw: np.ndarray) -> np.ndarray:
        low, high = np.float32(self.bounds[0]), np.float32(self.bounds[1])
        out = np.array(raw, dtype=np.float32)
        if self.peak is not None:
            out *= high - low
            out /= np.float32(self.peak)
            out += low
        return np.clip(out, low, high, out=out)

    def _span(self, raw: np.ndarray, positions: np.ndarray) -> tuple[float, float]:
        low, high = float(raw.min()), float(raw.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = ~np.isfinite(raw.reshape(len(raw), -1))
            row = int(np.flatnonzero(bad.any(axis=1))[0])
            value = raw.reshape(len(raw), -1)[row][bad[row]][0]
            place = f"{self.kind.example} {positions[row]}" + self._column(bad[row])
            raise DataError(f"Expected finite {self.kind.values}; got {value} in {place} of {self.name}.")
        return low, high

    def _refuse_outside(self, low: float, high: float) -> None:
        slack = TOLERANCE * max(1.0, self.bounds[1] - self.bounds[0])
        if low < self.bounds[0] - slack or high > self.bounds[1] + slack:
            # The bounds that are told must fit all that there is.
            low, high = self.span(np.arange(len(self)))
            bounds = f"[{self.bounds[0]:g}, {self.bounds[1]:g}]"
            fit = next((pair for pair in USUAL_BOUNDS if pair[0] <= low and high <= pair[1]), (low, high))
            mend = f"pass --bounds {_outward(fit[0], -1)},{_outward(fit[1], 1)} if the model takes them so, or "
            raise DataError(
                f"Expected {self.kind.values} within {bounds}; got values from {low:g} to {high:g} in {self.name}: "
                f"{mend if low < high else ''}scale the data."
            )

    def _column(self, marked: np.ndarray) -> str:
        """The name of the first marked value of an example, with words before it; empty where values have none."""
        place = int(np.flatnonzero(marked)[0])
        return f", {self.kind.value} {self.names[place]!r}," if place < len(self.names) else ""

    def _fetch(self, positions: np.ndarray) -> np.ndarray:
        try:
            return self._take(positions)
        except (OSError, RuntimeError, EOFError, MemoryError) as error:
            raise DataError(
                f"Expected {self.kind.examples} that can be read in {self.name}; got: {one_line(error)}."
            ) from None

    def _take(self, positions: np.ndarray) -> np.ndarray:
        if len(positions) == 0:
            return np.asarray(self._x[0:0])
        first, end = int(positions[0]), int(positions[0]) + len(positions)
        if int(positions[-1]) + 1 == end and bool((np.diff(positions) == 1).all()):
            return np.asarray(self._x[first:end])
        if isinstance(self._x, np.ndarray):
            return np.asarray(self._x[positions])
        # Files want increasing rows without repeats: read them so, then put them as asked.
        rows, back = np.unique(positions, return_inverse=True)
        groups = [self._x[rows[start : start + SCATTERED_ROWS]] for start in range(0, len(rows), SCATTERED_ROWS)]
        return np.concatenate(groups)[back]


def as_array_like(values: Any, name: str) -> Any:
    """`values` itself if it can be read in slices, else as an array.

    Raises:
        DataError: Rows of different lengths, or nothing that is an array.
    """
    try:
        values = _on_host(values)
        if isinstance(getattr(values, "dtype", None), np.dtype) and hasattr(values, "shape"):
            return values
        return _known_float(np.asarray(values))
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise DataError(f"Expected an array in {name}; got: {one_line(error)}.") from None


def _on_host(values: Any) -> Any:
    """Arrays of other libraries as NumPy's: pandas counts rows by labels, torch and JAX may hold them on a device."""
    if np.ma.is_masked(values):
        raise ValueError("a masked array with hidden values: fill them in, or leave those rows out")
    if isinstance(values, np.ndarray):
        return _known_float(values)
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise ValueError("a sparse matrix: give its toarray()")
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        return np.asarray(values.float() if "bfloat16" in str(values.dtype) else values)
    if hasattr(values, "to_numpy"):
        found = values.to_numpy()
        # A column that may lack values comes as objects.
        return found.astype(np.float64) if found.dtype == object else found
    if hasattr(values, "addressable_shards"):
        return _known_float(np.asarray(values))
    return values


def _known_float(values: np.ndarray) -> np.ndarray:
    """NumPy itself has no bfloat16 and no float8."""
    return values.astype(np.float32) if values.dtype.kind == "V" and "float" in values.dtype.name else values


def size_text(shape: tuple[int, ...]) -> str:
    """`28x28x1` for `(28, 28, 1)`."""
    return "x".join(map(str, shape))


def _fitted(own: tuple[int, ...], wanted: tuple[int, ...], name: str, kind: InputKind) -> tuple[int, ...]:
    """`wanted`, if images of shape `own` are those of `wanted` but for a last axis of 1 or for being flat."""
    gray = own == (*wanted, 1) or (*own, 1) == wanted
    flat = 1 in (len(own), len(wanted)) and math.prod(own) == math.prod(wanted)
    if own == wanted or gray or flat:
        return wanted
    raise DataError(f"Expected {kind.examples} of shape {size_text(wanted)}; got {size_text(own)} in {name}.")


def _checked_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        raise SettingError(f"Expected bounds as two numbers (low, high); got {bounds!r}.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SettingError(f"Expected finite bounds with low < high; got {low:g} and {high:g}.")
    return low, high


def _outward(value: float, way: int) -> str:
    """A number in six digits, rounded up for a way of 1 and down for -1."""
    text = f"{value:g}"
    if way * float(text) < way * value:
        text = f"{value + way * 10.0 ** (math.floor(math.log10(abs(value))) - 5):g}"
    return text
