"""A layer in front of a model that was trained on normalized inputs, so that eps and bounds are in input units."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from turtlenet.errors import ModelError, SettingError, did_you_mean
from turtlenet.keras_files.compiled.live import compile_like
from turtlenet.radius import channels

DATA = "data"
"""Stands for the mean and deviation of the training data."""
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RECIPES = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "imagenet": _IMAGENET,
    "torchvision": _IMAGENET,
}
"""Mean and standard deviation of red, green and blue in [0, 1]: of the training images of CIFAR-10, and those that
torchvision's models of ImageNet were trained with."""
_FORMS = f"{', '.join(RECIPES)}, {DATA}, or mean=...,std=... such as mean=0.5,0.5,0.5,std=0.25,0.25,0.25"
_LAYERS = (keras.layers.Normalization, keras.layers.Rescaling)
_ARITHMETIC = {"Divide", "Subtract", "TrueDivide"}


@dataclass(frozen=True)
class Statistics:
    """The mean and standard deviation of each channel or feature, in input units; a single one is that of all.

    Raises:
        SettingError: Another number of means than of deviations, or one that is not finite, or a deviation of 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise SettingError(
                f"Expected as many means as standard deviations to normalize by; got {len(self.mean)} and "
                f"{len(self.std)}."
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            mean, std = (",".join(f"{each:g}" for each in values) for values in (self.mean, self.std))
            more = " A decimal point is expected, as in 0.5." if len(self.std) == 2 else ""
            raise SettingError(
                "Expected finite means, and standard deviations above 0, to normalize by; got "
                f"mean={mean},std={std}.{more}"
            )


def parsed(spec: Any) -> Statistics | None:
    """Reads what a user normalizes by.

    Args:
        spec: The name of a recipe, `data`, `mean=...,std=...`, or a mapping with `mean` and `std`.

    Returns:
        The statistics, in [0, 1] for a recipe; None for those of the training data.

    Raises:
        SettingError: Anything else.
    """
    if isinstance(spec, Mapping) and set(spec) == {"mean", "std"}:
        return Statistics(*(_numbers(spec[name], spec) for name in ("mean", "std")))
    if not isinstance(spec, str):
        raise SettingError(f"Expected normalize as {_FORMS}; got {spec!r}.")
    text = spec.strip()
    if text == DATA:
        return None
    if text in RECIPES:
        return Statistics(*RECIPES[text])
    found = re.fullmatch(r"mean=([^=]+?),?\s*std=([^=]+)", text)
    if found is None:
        raise SettingError(f"Expected normalize as {_FORMS}; got {spec!r}.{did_you_mean(text, [*RECIPES, DATA])}")
    return Statistics(*(_numbers(re.split(r"[,:\s]+", part.strip()), spec) for part in found.groups()))


def statistics(spec: Any, bounds: tuple[float, float]) -> Statistics | None:
    """Mean and deviation in input units; see `parsed`.

    Raises:
        SettingError: See `parsed`; means that lie outside the bounds.
    """
    found, (low, high) = parsed(spec), bounds
    if found is None:
        return None
    if isinstance(spec, str) and spec.strip() in RECIPES:
        return Statistics(
            tuple(low + (high - low) * each for each in found.mean), tuple((high - low) * each for each in found.std)
        )
    outside = [each for each in found.mean if not low <= each <= high]
    if outside:
        raise SettingError(
            f"Expected means within the bounds [{low:g}, {high:g}] to normalize by; got {outside[0]:g}: pass --bounds "
            "0,255 if they are of pixels from 0 to 255, or give mean and std for the bounds."
        )
    return found


def normalized(model: keras.Model, by: Statistics) -> keras.Model:
    """Puts a `keras.layers.Normalization` in front of a model, which keeps its variables and its compiled state.

    Args:
        model: A built model of one input.
        by: What to normalize by.

    Returns:
        A functional model that plain Keras loads, with the model given as its last layer.

    Raises:
        ModelError: A model with several inputs, or one that normalizes already.
        SettingError: Another number of channels than the model's inputs have.
    """
    if len(getattr(model, "inputs", None) or [None]) != 1:
        raise ModelError(f"Expected a model with one input to normalize; {model.name!r} has more.")
    check_plain(model)
    shape = tuple(model.input_shape[1:])
    axis = channel_axis(shape)
    count = shape[axis]
    mean, std = (_fitted(values, count, shape) for values in (by.mean, by.std))
    source = keras.Input(shape, name="input")
    layer = keras.layers.Normalization(
        axis=axis if axis < 0 else axis + 1, mean=mean, variance=[each**2 for each in std], name="normalization"
    )
    made = keras.Model(source, model(layer(source)), name=f"{model.name}_normalized")
    compile_like(made, model)
    return made


def standardized(model: keras.Model, x: np.ndarray) -> keras.Model:
    """A fresh model that normalizes by the statistics of inputs: by its own layer where it begins with one.

    Args:
        model: A built model of one input that nobody has trained.
        x: Inputs, float32 (n, ...).
    """
    first = _first(model)
    if isinstance(first, keras.layers.Normalization) and first.input_mean is None:
        first.adapt(x)
    if isinstance(first, _LAYERS):
        return model
    return normalized(model, statistics_of([x], x.shape[1:]))


def check_plain(model: keras.Model) -> None:
    """Refuses a model whose first layer normalizes or scales its inputs already.

    Raises:
        ModelError: Such a model.
    """
    first = _first(model)
    if isinstance(first, _LAYERS) or type(first).__name__ in _ARITHMETIC:
        raise ModelError(
            f"Expected a model that does not normalize its inputs, for --normalize; {model.name!r} begins with "
            f"{type(first).__name__}: leave --normalize out."
        )


def channel_axis(shape: tuple[int, ...]) -> int:
    """The axis of the channels or features in an input of a shape, without the batch."""
    return 0 if "channels first" in channels(shape)[1] else -1


def statistics_of(blocks: Sequence[np.ndarray] | Any, shape: tuple[int, ...]) -> Statistics:
    """The mean and standard deviation of each channel or feature of inputs; one that is constant is only centered.

    Args:
        blocks: Inputs, float32 (n, ...), part by part.
        shape: Of an input.
    """
    axis = channel_axis(shape)
    count, first, total, squares = 0, None, 0.0, 0.0
    for block in blocks:
        values = np.moveaxis(np.asarray(block, "float64"), axis if axis < 0 else axis + 1, -1)
        values = values.reshape(-1, values.shape[-1])
        first = values[0] if first is None else first
        # Around the first input: squares of large numbers would lose the small differences.
        total, squares = total + (values - first).sum(axis=0), squares + np.square(values - first).sum(axis=0)
        count += len(values)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    center = mean + (0.0 if first is None else first)
    std = np.where(std > 1e-7 * np.maximum(np.abs(center), 1e-30), std, 1.0)
    return Statistics(tuple(map(float, np.atleast_1d(center))), tuple(map(float, np.atleast_1d(std))))


def _first(model: keras.Model) -> Any:
    """What reads a model's input first, within nested models too."""
    for operation in getattr(model, "operations", None) or model.layers:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        return _first(operation) if isinstance(operation, keras.Model) else operation
    return None


def _fitted(values: tuple[float, ...], count: int, shape: tuple[int, ...]) -> list[float]:
    if len(values) not in (1, count):
        text = "x".join(map(str, shape))
        more = " A decimal point is expected, as in mean=0.5." if len(values) == 2 * count else ""
        raise SettingError(
            f"Expected {count} means and standard deviations to normalize inputs of {text}; got {len(values)}.{more}"
        )
    return list(values) * (count if len(values) == 1 else 1)


def _numbers(values: Any, spec: Any) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in (values if not isinstance(values, (int, float)) else [values]))
    except (TypeError, ValueError):
        raise SettingError(f"Expected normalize as {_FORMS}; got {spec!r}.") from None
