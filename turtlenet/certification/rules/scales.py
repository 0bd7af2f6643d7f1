"""Layers that multiply each value by a number and add one: normalization at inference, rescaling."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from turtlenet.certification.rules.base import rule
from turtlenet.certification.steps import Affine, Step
from turtlenet.errors import ModelError

# Square roots and quotients round a few times, and a shift may be summed in another order.
_TERMS = 12


def scaled(numbers: Callable[[], tuple[Any, Any]]) -> Affine:
    """A step x * scale + shift, given the two as tensors that broadcast to its input."""

    def apply(x: Any) -> Any:
        scale, shift = numbers()
        return x * scale + shift

    return Affine(
        apply, lambda radius: radius * ops.abs(numbers()[0]), terms=_TERMS, bias=lambda: ops.abs(numbers()[1])
    )


@rule(layers.BatchNormalization)
def _batch_normalization(layer: Any) -> list[Step]:
    """By the moving statistics, as the model does outside of training."""
    rank = layer.input_spec.ndim
    shape = [1] * rank
    shape[layer.axis] = -1

    def numbers() -> tuple[Any, Any]:
        scale = ops.rsqrt(ops.convert_to_tensor(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * layer.gamma
        shift = -ops.convert_to_tensor(layer.moving_mean) * scale
        if layer.center:
            shift = shift + layer.beta
        return ops.reshape(scale, shape), ops.reshape(shift, shape)

    def bias() -> Any:
        scale, shift = numbers()
        # The mean and the offset may cancel in the shift, but not in how it is rounded.
        return ops.abs(shift) + ops.abs(scale * ops.reshape(ops.convert_to_tensor(layer.moving_mean), shape))

    step = scaled(numbers)
    step.bias = bias
    return [step]


@rule(layers.Normalization)
def _normalization(layer: Any) -> list[Step]:
    def numbers() -> tuple[Any, Any]:
        mean, deviation = ops.cast(layer.mean, "float32"), ops.sqrt(ops.cast(layer.variance, "float32"))
        deviation = ops.maximum(deviation, keras.backend.epsilon())
        return (deviation, mean) if layer.invert else (1.0 / deviation, -mean / deviation)

    return [scaled(numbers)]


@rule(layers.Rescaling)
def _rescaling(layer: Any) -> list[Step]:
    for numbers in (layer.scale, layer.offset):
        if getattr(numbers, "ndim", 0) and keras.backend.image_data_format() == "channels_first":
            raise ModelError(f"Expected channels last to bound {layer.name!r}, which rescales each channel.")

    def numbers_of() -> tuple[Any, Any]:
        return ops.convert_to_tensor(layer.scale, "float32"), ops.convert_to_tensor(layer.offset, "float32")

    return [scaled(numbers_of)]
