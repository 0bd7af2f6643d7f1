"""Thermometer encoding (Buckman, Roy, Raffel, Goodfellow, 2018)."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from turtlenet import gradient_mode
from turtlenet.defences.base import Conversion, Defence, Differentiable, registered
from turtlenet.defences.inserted import between, layers_of
from turtlenet.errors import ModelError, SettingError, an

_WIDENED = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Dense)
_SHAPES = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D, layers.Flatten, layers.Reshape)
_SHARPNESS = 10.0


def _check(levels: int, low: float, high: float) -> None:
    if not 2 <= levels <= 256:
        raise SettingError(f"Expected levels from 2 to 256; got {levels}.")
    if not low < high:
        raise SettingError(f"Expected bounds low < high; got {low} and {high}.")


@keras.saving.register_keras_serializable("turtlenet")
class ThermometerEncoding(Differentiable, layers.Layer):
    """Gives `levels` channels for each: channel k is 1 where x >= k / levels, pixels in units of the bounds.

    The first of them is always 1. Inputs (..., channels) become (..., channels * levels). Own gradients are 0; an
    attacker takes those of sigmoids around the thresholds.

    Args:
        levels: From 2 to 256.
        low: Smallest value of a pixel.
        high: Largest value of a pixel.
        sharpness: Of the sigmoids that an attacker differentiates, above 0.
        **settings: Keras's own.

    Raises:
        SettingError: A setting out of its range.
    """

    adaptive = "that of sigmoids in the place of the steps"
    masks = True

    def __init__(
        self,
        *,
        levels: int = 16,
        low: float = 0.0,
        high: float = 1.0,
        sharpness: float = _SHARPNESS,
        **settings: Any,
    ):
        super().__init__(**settings)
        _check(levels, low, high)
        if not 0 < sharpness < float("inf"):
            raise SettingError(f"Expected sharpness > 0; got {sharpness}.")
        self.levels, self.low, self.high, self.sharpness = int(levels), float(low), float(high), float(sharpness)

    def call(self, inputs: Any) -> Any:
        """Keras's word for it."""
        unit = (inputs - self.low) / (self.high - self.low)
        gaps = unit[..., None] - ops.cast(np.arange(self.levels) / self.levels, unit.dtype)
        # Not the gap: a pixel at a threshold must not fall below it by rounding.
        places = ops.cast(np.arange(self.levels), unit.dtype)
        codes = ops.cast(ops.floor(unit * self.levels)[..., None] >= places, unit.dtype)
        if gradient_mode.current() == "adaptive":
            codes = self.straight_through(codes, ops.sigmoid(self.sharpness * gaps))
        return ops.reshape(codes, (-1, *self.compute_output_shape(inputs.shape)[1:]))

    def __str__(self) -> str:
        """The spec of the defence that put it there, as users write it."""
        return str(Thermometer(levels=self.levels, sharpness=self.sharpness, low=self.low, high=self.high))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As many channels for each as there are levels."""
        return (*input_shape[:-1], input_shape[-1] * self.levels)

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        own = {"levels": self.levels, "low": self.low, "high": self.high, "sharpness": self.sharpness}
        return {**super().get_config(), **own}


@registered("thermometer")
@dataclass(frozen=True, kw_only=True)
class Thermometer(Conversion):
    """Encodes pixels as thermometers, and widens the first convolution or dense layer, which reads them.

    The widened kernel reads the middle of a level out of its code, so that the model answers nearly as before: half a
    level is what a pixel loses. What stands before that layer may pad, flatten, rescale or drop, and defend. Defences
    in front of the model come before the encoding.

    Args:
        levels: From 2 to 256; the paper has 16.
        sharpness: Of the sigmoids that an attacker differentiates in the place of the steps, above 0.
        low: Smallest value of a pixel; that of the model's by default.
        high: Largest value of a pixel.

    Raises:
        SettingError: A setting out of its range.
    """

    levels: int = 16
    sharpness: float = _SHARPNESS
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        ThermometerEncoding(levels=self.levels, sharpness=self.sharpness, low=self.low, high=self.high)

    def convert(self, model: keras.Model) -> keras.Model:
        first, low, high = self._first(model)

        def make(name: str) -> ThermometerEncoding:
            return ThermometerEncoding(levels=self.levels, low=low, high=high, sharpness=self.sharpness, name=name)

        def weights(layer: Any) -> list[Any]:
            arrays = list(layer.get_weights())
            if layer is first:
                arrays[0] = _widened(arrays[0], self.levels, low, high)
            return arrays

        return between(model, {id(first): "before"}, make, stem="thermometer", weights=weights)

    def _first(self, model: keras.Model) -> tuple[Any, float, float]:
        """The layer that is to be widened, and the bounds of what it reads."""
        low, high = self.low, self.high
        for layer in layers_of(model):
            if isinstance(layer, _WIDENED) and getattr(layer, "groups", 1) == 1:
                if getattr(layer, "data_format", "channels_last") != "channels_last":
                    break
                return layer, low, high
            if isinstance(layer, layers.Rescaling) and np.size(layer.scale) == np.size(layer.offset) == 1:
                low, high = sorted(float(each * layer.scale + layer.offset) for each in (low, high))
            elif not isinstance(layer, (*_SHAPES, layers.Dropout, Defence)):
                break
        raise ModelError(
            f"Expected a model whose input is read by a convolution with channels last, or by a dense layer, for "
            f"thermometer; that of {model.name!r} is read by {_reader(model)}."
        )


def _reader(model: keras.Model) -> str:
    layer = next((each for each in layers_of(model) if not isinstance(each, _SHAPES)), None)
    return "nothing" if layer is None else f"{layer.name!r}, {an(type(layer).__name__)}"


def _widened(kernel: np.ndarray, levels: int, low: float, high: float) -> np.ndarray:
    """A kernel (..., channels, units) for codes (..., channels * levels, units), each read as its level's middle."""
    step = (high - low) / levels
    parts = np.full(levels, step)
    parts[0] = low + step / 2.0
    shape = (*kernel.shape[:-2], kernel.shape[-2] * levels, kernel.shape[-1])
    return (kernel[..., None, :] * parts[:, None]).reshape(shape).astype(kernel.dtype)
