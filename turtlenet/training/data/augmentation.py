"""Random changes of training images that leave their labels true: shifts, crops, flips and cutout.

Keras has layers for some of these. Their draws come from a generator whose state counts the calls before, so they
depend on how a batch is divided over devices and on the layers beside them; these draw by the examples' keys (see
`turtlenet.random`), so that the draws belong to the seed, the step and the example's place in the batch alone.
"""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from keras import ops

from turtlenet import random
from turtlenet.arguments import check_fields
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.radius import channels, is_image
from turtlenet.registry import Registry, spec_of

# Tells the draws of an augmentation from those of the attack.
_AUGMENT = 0xA0600
_MODES = ("both", "horizontal", "vertical")


class _Layout(NamedTuple):
    """How the values of an input make up an image: its sides, and whether channels come first."""

    height: int
    width: int
    channels: int
    first: bool = False


@dataclass(frozen=True, kw_only=True)
class Augmentation(abc.ABC):
    """A random change of each image of a training batch, before it is attacked.

    A subclass is a frozen dataclass of numbers, strings and booleans with one method, `change`.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    @abc.abstractmethod
    def change(self, images: Any, *, key: Any, low: float) -> Any:
        """Changes images; called while a graph is built, so all is `keras.ops`.

        Args:
            images: float32 (batch, height, width, channels), within the bounds.
            key: The examples' keys (batch, 2), of this augmentation and step.
            low: Smallest value of a pixel, which fills what comes in from outside.

        Returns:
            Images of the same shape, within the bounds.
        """

    @final
    def __call__(self, x: Any, *, key: Any, low: float) -> Any:
        """The inputs (batch, ...) with their images changed; see `change`."""
        height, width, depth, first = _layout(x.shape[1:])
        if first:
            images = self.change(ops.transpose(x, (0, 2, 3, 1)), key=key, low=low)
            return ops.transpose(images, (0, 3, 1, 2))
        images = self.change(ops.reshape(x, (-1, height, width, depth)), key=key, low=low)
        return ops.reshape(images, (-1, *x.shape[1:]))

    def check(self, shape: tuple[int, ...], bounds: tuple[float, float]) -> None:
        """Refuses inputs of a shape, without the batch, that are no images, or that the settings do not fit.

        Raises:
            SettingError: Such inputs.
        """
        if not is_image(shape) or len(shape) > 3:
            text = "x".join(map(str, shape))
            raise SettingError(f"Expected a model of images for augment {self}; got one of inputs of shape {text}.")
        layout = _layout(shape)
        fill = getattr(self, "fill", None)
        if fill is not None and not bounds[0] <= fill <= bounds[1]:
            raise SettingError(f"Expected fill within [{bounds[0]:g}, {bounds[1]:g}] for augment {self}; got {fill}.")
        side = min(layout.height, layout.width)
        if self.reach >= side:
            raise SettingError(f"Expected augment {self} to fit images with a side of {side}; it moves as far.")

    @property
    def reach(self) -> int:
        """By how many pixels an image may move; less than its side."""
        return 0

    def __str__(self) -> str:
        """The spec that builds this augmentation: its name, and the settings that are not the defaults."""
        return spec_of(augmentations.name_of(type(self)), self)


augmentations: Registry[Augmentation | tuple[Augmentation, ...]] = Registry(
    "augmentation", "turtlenet.augmentations", base=Augmentation
)


@augmentations.register("shift")
@dataclass(frozen=True, kw_only=True)
class Shift(Augmentation):
    """Moves each image by whole pixels, each direction drawn alike from those up to a number.

    Args:
        pixels: Most pixels, up or down and to the left or right.
        fill: What comes in from outside, in input units; None for the smallest value of a pixel.
    """

    pixels: int = 2
    fill: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least_one(self, "pixels")

    @property
    def reach(self) -> int:
        return self.pixels

    def change(self, images: Any, *, key: Any, low: float) -> Any:
        return _moved(images, _offsets(key, self.pixels), low if self.fill is None else self.fill)


@augmentations.register("crop")
@dataclass(frozen=True, kw_only=True)
class Crop(Augmentation):
    """Pads each image on all sides and cuts one of its own size out of it at random (He et al., 2016, section 4.2).

    Args:
        padding: Pixels on each side.
        fill: What is padded with, in input units; None for the smallest value of a pixel.
        reflect: Whether to pad with the image mirrored at its edge instead.
    """

    padding: int = 4
    fill: float | None = None
    reflect: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least_one(self, "padding")

    @property
    def reach(self) -> int:
        return self.padding

    def change(self, images: Any, *, key: Any, low: float) -> Any:
        fill = None if self.reflect else low if self.fill is None else self.fill
        return _moved(images, _offsets(key, self.padding), fill)


@augmentations.register("flip")
@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """Mirrors every other image.

    Args:
        mode: `horizontal` exchanges left and right, `vertical` top and bottom, `both` draws for each of the two.
    """

    mode: str = "horizontal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in _MODES:
            raise SpecError(f"Unknown mode {self.mode!r} of flip.{did_you_mean(self.mode, _MODES)}")

    def change(self, images: Any, *, key: Any, low: float) -> Any:
        draws = random.uniform(key, (2,))
        for axis, name in ((1, "vertical"), (2, "horizontal")):
            if self.mode in ("both", name):
                chosen = (draws[:, axis - 1] < 0.5)[:, None, None, None]
                images = ops.where(chosen, ops.flip(images, axis=axis), images)
        return images


@augmentations.register("cutout")
@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """Covers a square around a random pixel, as much of it as lies in the image (DeVries & Taylor, 2017).

    Args:
        size: Side of the square in pixels.
        fill: What covers it, in input units; None for the smallest value of a pixel. The paper's is the mean.
    """

    size: int = 8
    fill: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least_one(self, "size")

    def change(self, images: Any, *, key: Any, low: float) -> Any:
        draws = random.uniform(key, (2,))
        covered = []
        for axis in (1, 2):
            side = images.shape[axis]
            place = ops.arange(side, dtype="int32")[None, :] - _below(draws[:, axis - 1 : axis], side)
            place = place + self.size // 2
            covered.append(ops.logical_and(place >= 0, place < self.size))
        square = ops.logical_and(covered[0][:, :, None], covered[1][:, None, :])[..., None]
        return ops.where(square, low if self.fill is None else self.fill, images)


@augmentations.register("mnist")
def mnist() -> tuple[Augmentation, ...]:
    """The usual set for MNIST: shift:pixels=2."""
    return (Shift(pixels=2),)


@augmentations.register("cifar")
def cifar() -> tuple[Augmentation, ...]:
    """The usual set for CIFAR: crop:padding=4, then flip."""
    return Crop(padding=4), Flip()


@augmentations.register("auto")
def auto(shape: Any = ()) -> tuple[Augmentation, ...]:
    """The usual set for the model's images: shift for gray ones, crop and flip for color ones, none for others."""
    if not is_image(shape) or len(shape) > 3:
        return ()
    height, width, depth, _ = _layout(shape)
    if depth == 1:
        return (Shift(pixels=max(1, min(height, width) // 14)),)
    return Crop(padding=max(1, min(height, width) // 8)), Flip()


def build(specs: Sequence[str | Augmentation], shape: tuple[int, ...] = ()) -> tuple[Augmentation, ...]:
    """The augmentations that specs describe, those of a set one by one.

    >>> [str(change) for change in build(["flip", "shift:pixels=3"])]
    ['flip', 'shift:pixels=3']

    Args:
        specs: Specs, or `Augmentation`s.
        shape: Of the model's inputs, without the batch, which `auto` goes by.

    Raises:
        SpecError: An unknown name or setting.
        SettingError: A setting that is out of its range.
    """
    built: list[Augmentation] = []
    for spec in specs:
        made = spec if isinstance(spec, Augmentation) else augmentations.build(spec, {"shape": tuple(shape)})
        built += made if isinstance(made, tuple) else [made]
    return tuple(built)


def augmented(x: Any, augment: Sequence[Augmentation], key: Any, model: Classifier) -> Any:
    """A training batch with each augmentation made in turn.

    Args:
        x: Inputs, float32 (batch, ...).
        augment: The augmentations.
        key: The examples' keys of this step (batch, 2).
        model: Tells the smallest value of a pixel.
    """
    for number, each in enumerate(augment):
        x = each(x, key=random.fold_in(key, _AUGMENT + number), low=model.bounds[0])
    return x


def _layout(shape: tuple[int, ...]) -> _Layout:
    """The image that inputs of a shape are."""
    kind, how = channels(shape)
    if len(shape) == 1:
        depth = 3 if kind == "color" else 1
        side = math.isqrt(shape[0] // depth)
        return _Layout(side, side, depth)
    if how.endswith("channels first)"):
        return _Layout(shape[1], shape[2], shape[0], first=True)
    return _Layout(shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def _moved(images: Any, offsets: Any, fill: float | None) -> Any:
    """Images moved down and to the right by offsets (batch, 2), int32; None fills with the image mirrored."""
    _, height, width, depth = images.shape
    lines, within = [], []
    for axis, side in ((0, height), (1, width)):
        place = ops.arange(side, dtype="int32")[None, :] - offsets[:, axis : axis + 1]
        within.append(ops.logical_and(place >= 0, place < side))
        # Mirrored at an edge, which belongs to the image once.
        mirrored = side - 1 - ops.abs(side - 1 - ops.abs(place))
        lines.append(ops.clip(place, 0, side - 1) if fill is not None else mirrored)
    index = lines[0][:, :, None] * width + lines[1][:, None, :]
    index = ops.reshape(index, (-1, height * width, 1))
    taken = ops.take_along_axis(ops.reshape(images, (-1, height * width, depth)), index, axis=1)
    taken = ops.reshape(taken, (-1, height, width, depth))
    if fill is None:
        return taken
    return ops.where(ops.logical_and(within[0][:, :, None], within[1][:, None, :])[..., None], taken, fill)


def _offsets(key: Any, most: int) -> Any:
    """Whole numbers from -most to most, alike, int32 (batch, 2)."""
    return _below(random.uniform(key, (2,)), 2 * most + 1) - most


def _below(draws: Any, count: int) -> Any:
    """Whole numbers from 0 below a count, int32, from uniform draws in [0, 1)."""
    return ops.minimum(ops.cast(ops.floor(draws * count), "int32"), count - 1)


def _at_least_one(settings: Augmentation, name: str) -> None:
    if getattr(settings, name) < 1:
        raise SettingError(f"Expected {name} >= 1; got {getattr(settings, name)}.")
