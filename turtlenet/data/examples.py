"""Images and their labels: one part of a data set."""

import copy
import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet.data.about import NOTHING, About
from turtlenet.data.labels import is_text, numbered_classes, read_labels, read_rows
from turtlenet.data.pixels import Pixels, as_array_like, size_text
from turtlenet.errors import DataError, SettingError
from turtlenet.input_kind import InputKind, kind_of
from turtlenet.tasks import Question

_NAMED = 6
"""So many classes are listed by name."""


@dataclass(frozen=True)
class PixelRange:
    """Where pixels lie.

    Attributes:
        stored_low, stored_high: As they are stored.
        low, high: As the model gets them, in input units.
        peak: The stored integer that became the upper bound; None where pixels were taken as they are.
        dtype: As which they are stored.
        bounds: Lowest and highest pixel value of the model.
    """

    stored_low: float
    stored_high: float
    low: float
    high: float
    peak: int | None
    dtype: str
    bounds: tuple[float, float]

    @property
    def fills(self) -> float:
        """The share of the bounds that they fill."""
        return (self.high - self.low) / (self.bounds[1] - self.bounds[0])


class Examples:
    """Images and labels of one part of a data set, read in slices as float32 in the model's bounds.

    Labels are read at once; pixels stay where they are until `batch` asks for them. Integer pixels are scaled to the
    bounds (see `Pixels`), floats must lie within them; `batch` refuses those that do not, and `check` looks at all.

    Args:
        x: Images `(N, *own)`: an array, a memory map, an HDF5 data set, or anything with `shape`, `dtype`, `__len__`
            and `__getitem__` for a slice or an increasing integer array.
        y: Labels `(N,)` or `(N, 1)`, or one-hot or probability rows `(N, C)`; or names of classes `(N,)`, which are
            numbered in their sorted order.
        name: What messages call the data.
        shape: The model's input shape without the batch; `None` keeps the images' own. A last axis of 1 comes or goes,
            and images become flat or are unfolded; nothing else is guessed.
        num_classes: How many classes the model tells apart; `None` takes it from the labels.
        bounds: Lowest and highest pixel value of the model.
        question: What is asked where that is another thing than one class; labels are then rows, see `read_rows`.
        about: The names of features and classes, and what an input is, where more is known than the arrays tell.

    Raises:
        DataError: No images, images or labels that do not fit, or a different number of each.
        SettingError: Bounds or a number of classes that make no sense.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        name: str = "arrays",
        shape: tuple[int, ...] | None = None,
        num_classes: int | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        question: Question | None = None,
        about: About = NOTHING,
    ):
        self.name = name
        self.question = question
        if question is None and is_text(y):
            y, classes = numbered_classes(
                np.asarray(y).reshape(-1), name=name, num_classes=num_classes, classes=about.classes
            )
            about = dataclasses.replace(about, classes=classes)
        self.about = about
        self._pixels = Pixels(x, name=name, shape=shape, bounds=bounds, kind=about.kind, names=about.names)
        if question is None:
            self._labels, self.num_classes = read_labels(y, name=name, num_classes=num_classes)
        else:
            self._labels, self.num_classes = read_rows(y, question, name=name), question.num_classes
            if not question.single_label and len(about.classes) not in (0, question.units):
                raise DataError(
                    f"Expected {question.units} names, one for each output of the model (--classes A,B,...), in "
                    f"{name}; got {len(about.classes)}."
                )
        if len(self._pixels) != len(self._labels):
            raise DataError(
                f"Expected as many labels as {self.kind.examples}; got {self.kind.count(len(self._pixels))} and "
                f"{len(self._labels):,} labels in {name}."
            )
        self._weights: np.ndarray | None = None
        # Where each example of this view lies in the storage.
        self._where = np.arange(len(self._labels))
        self.taken_from: Examples | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The model's input shape, without the batch."""
        return self._pixels.shape

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest pixel value."""
        return self._pixels.bounds

    @property
    def kind(self) -> InputKind:
        """What an input is, and the words for it."""
        return self.about.kind or kind_of(self.shape)

    @property
    def labels(self) -> np.ndarray:
        """All labels, int32 `(N,)`; where there is a question, its rows, float32 `(N, width)`."""
        return self._labels[self._where]

    @property
    def part_names(self) -> tuple[str, ...]:
        """The parts of an answer, such as several labels; empty where it is a class. See `Task.part_names`."""
        question = self.question
        return () if question is None else question.task.part_names(question.units, self.about.classes)

    @property
    def true_labels(self) -> np.ndarray | None:
        """Which labels are true, float32 `(N, labels)`, those that count; None where the parts are no labels."""
        return None if self.question is None else self.question.true_labels(self.labels)

    @property
    def classes(self) -> np.ndarray:
        """The class that is right for each example, int32 `(N,)`: the labels, or what a question makes of its rows."""
        return self.labels if self.question is None else self.question.classes(self.labels)

    @property
    def weights(self) -> np.ndarray | None:
        """How much each example counts in training, float32 `(N,)`; None where all count alike."""
        return None if self._weights is None else self._weights[self._where]

    def within(self, bounds: tuple[float, float]) -> "Examples":
        """A view of the same examples for a model of other bounds."""
        view = copy.copy(self)
        view._pixels = self._pixels.within(bounds)
        return view

    def weighted(self, weights: Any) -> "Examples":
        """A view whose examples count so much in training, times what they counted before.

        Args:
            weights: Numbers `(N,)` or `(N, 1)`, 0 or more, not all of them 0.

        Raises:
            DataError: Weights of another kind.
        """
        found = np.asarray(as_array_like(weights, self.name))
        if found.dtype.kind not in "buif" or found.shape not in ((len(self),), (len(self), 1)):
            raise DataError(
                f"Expected a weight for each of {len(self):,} examples of {self.name}; "
                f"got {found.dtype} of shape {found.shape}."
            )
        found = found.reshape(-1).astype(np.float32)
        if not np.isfinite(found).all() or (found < 0).any() or not found.any():
            raise DataError(
                f"Expected finite weights of 0 or more, and one above; got {found.min():g} to {found.max():g}."
            )
        view = copy.copy(self)
        view._weights = np.ones(len(self._labels), np.float32) if self._weights is None else self._weights.copy()
        view._weights[self._where] *= found
        return view

    def __len__(self) -> int:
        return len(self._where)

    def __repr__(self) -> str:
        return f"<Examples: {self.describe()}>"

    def batch(self, index: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reads some examples.

        Args:
            index: A slice, whole numbers in any order and as often as wanted, or a boolean mask `(N,)`.

        Returns:
            Images, float32 `(n, *shape)` within the bounds, and labels, int32 `(n,)` (see `labels`), in the order of
            `index`.

        Raises:
            DataError: Pixels that cannot be read, are not finite or lie outside the bounds; an index out of range.
        """
        where = self._positions(index)
        return self._pixels.read(where), self._labels[where]

    def subset(self, index: slice | np.ndarray) -> "Examples":
        """A view of some examples, in the order of `index`; reads no pixels."""
        view = copy.copy(self)
        view._where = self._positions(index)
        return view

    def take(self, count: int | None) -> "Examples":
        """A view of the first `count` examples, or of all there are.

        Where that leaves some behind, `taken_from` of the view is what they were taken from.

        Raises:
            SettingError: `count` is below 1.
        """
        if count is not None and count < 1:
            raise SettingError(f"Expected to take 1 example or more; got {count}.")
        view = self.subset(slice(count))
        view.taken_from = self if len(view) < len(self) else None
        return view

    def check(self) -> None:
        """Reads everything once, in blocks of about 32 MB.

        Raises:
            DataError: Nothing there, a pixel that is not finite or lies outside the bounds, or a label out of range.
        """
        if len(self) == 0:
            raise DataError(f"Expected at least one example; got none in {self.name}.")
        low, high = int(self.classes.min()), int(self.classes.max())
        if low < 0 or high >= self.num_classes:
            raise DataError(
                f"Expected labels from 0 to {self.num_classes - 1}; got labels from {low} to {high} in {self.name}."
            )
        self._pixels.check(self._where)

    def check_classes(self, num_classes: int) -> None:
        """Refuses labels of more classes than a model tells apart.

        Raises:
            DataError: There are more.
        """
        if self.num_classes > num_classes:
            raise DataError(f"Expected labels of {num_classes} classes; got {self.num_classes} in {self.name}.")

    def span(self, most: int = 1000) -> "PixelRange":
        """The range of the first examples, as they are stored and as the model gets them; see `PixelRange`.

        Raises:
            DataError: Pixels that cannot be read or are not finite.
        """
        low, high = self._pixels.span(self._where[:most])
        peak = self._pixels.peak
        below, above = self.bounds
        scale = 1.0 if peak is None else (above - below) / peak
        shift = 0.0 if peak is None else below
        return PixelRange(
            low, high, low * scale + shift, high * scale + shift, peak, self._pixels.dtype.name, self.bounds
        )

    def sha256(self) -> str:
        """Hex digest of all float32 pixels, then all int32 labels, little-endian, as `batch` gives them.

        It does not depend on how the data are stored or on the size of the blocks.
        """
        digest = hashlib.sha256()
        for block in self._pixels.blocks(len(self)):
            digest.update(self._pixels.read(self._where[block]).astype("<f4", copy=False).tobytes())
        kind = "<i4" if self.question is None else "<f4"
        digest.update(self.labels.astype(kind, copy=False).tobytes())
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
        """What a report says of them: `name`, `count`, `sha256`, `description`, `kind`, and names of classes."""
        facts = {"name": self.name, "count": len(self), "sha256": self.sha256(), "description": self.describe()}
        names = self.about.classes
        if self.question is not None and not self.question.single_label:
            # The classes are ways of being right or wrong.
            names = self.question.task.class_names(self.question.units, self.about.classes)
        named = {"classes": list(names)} if names else {}
        return {**facts, "kind": self.kind.name, **named}

    def describe(self) -> str:
        """`mnist-sample test: 2,000 images 28x28x1, 10 classes, pixels 0..255 scaled to [0, 1]`."""
        bounds = f"[{self.bounds[0]:g}, {self.bounds[1]:g}]"
        peak = self._pixels.peak
        scale = f"within {bounds}" if peak is None else f"0..{peak} scaled to {bounds}"
        classes = f"{self.num_classes} class{'' if self.num_classes == 1 else 'es'}"
        if self.about.classes:
            some = ", ".join(self.about.classes[:_NAMED]) + (", ..." if len(self.about.classes) > _NAMED else "")
            classes += f" ({some})"
        classes = classes if self.question is None else self.question.describe()
        kind = self.kind
        size = f"of {size_text(self.shape)} {kind.values}" if kind.name == "table" else size_text(self.shape)
        return f"{self.name}: {kind.count(len(self))} {size}, {classes}, {kind.values} {scale}"

    def _positions(self, index: slice | np.ndarray) -> np.ndarray:
        if isinstance(index, slice):
            return self._where[index]
        wanted = np.asarray(index)
        mask = wanted.dtype == bool and wanted.shape == (len(self),)
        if not mask and wanted.size and (wanted.ndim != 1 or wanted.dtype.kind not in "iu"):
            raise DataError(
                f"Expected an index of whole numbers (n,) or a mask ({len(self)},); "
                f"got {wanted.dtype} of shape {wanted.shape}."
            )
        if not mask and wanted.size and not -len(self) <= wanted.min() <= wanted.max() < len(self):
            raise DataError(
                f"Expected an index below {len(self):,}; got {wanted.min()} to {wanted.max()} for {self.name}."
            )
        return self._where[wanted if mask else wanted.astype(np.intp)]


def from_arrays(
    x: Any,
    y: Any,
    *,
    name: str = "arrays",
    shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    question: Question | None = None,
    about: About = NOTHING,
) -> Examples:
    """Examples of arrays that a user holds; the arguments are those of `Examples`."""
    return Examples(
        x, y, name=name, shape=shape, num_classes=num_classes, bounds=bounds, question=question, about=about
    )
