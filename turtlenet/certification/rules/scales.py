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
        apply,
        lambda radius: radius * ops.abs(numbers()[0]),
        terms=_TERMS,
        bias=lambda: ops.abs(numbers()[1]),
        stretch=lambda order: 1.00001 * ops.max(ops.abs(numbers()[0])),
    )


class Normalized(Affine):
    """Batch normalization by some statistics: the moving ones, as the model has it outside of training.

    Args:
        layer: The Keras layer.
        statistics: Gives mean and variance of each channel; the moving ones by default.
    """

    def __init__(self, layer: Any, statistics: Callable[[], tuple[Any, Any]] | None = None):
        self.layer = layer
        self.statistics = statistics or (
            lambda: (ops.convert_to_tensor(layer.moving_mean), ops.convert_to_tensor(layer.moving_variance))
        )
        super().__init__(
            self._apply,
            lambda radius: radius * ops.abs(self._numbers()[0]),
            terms=_TERMS,
            bias=self._bias,
            stretch=lambda order: 1.00001 * ops.max(ops.abs(self._numbers()[0])),
        )

    def of_batch(self, x: Any, *, update: bool) -> "Normalized":
        """The normalization by the statistics of a batch, as the model has it in training.

        Args:
            x: What the layer is given, float32 (batch, ...).
            update: Whether the moving statistics take a step towards those of the batch.
        """
        layer = self.layer
        mean, variance = ops.moments(x, axes=layer._reduction_axes, synchronized=layer.synchronized)
        if update:
            for moving, new in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
                moving.assign(moving * layer.momentum + new * (1.0 - layer.momentum))
        return Normalized(layer, lambda: (mean, variance))

    def _apply(self, x: Any) -> Any:
        scale, shift = self._numbers()
        return x * scale + shift

    def _numbers(self) -> tuple[Any, Any]:
        """Scale and shift, shaped to broadcast to the inputs."""
        mean, variance = self.statistics()
        scale = ops.rsqrt(variance + self.layer.epsilon)
        if self.layer.scale:
            scale = scale * self.layer.gamma
        shift = -mean * scale
        if self.layer.center:
            shift = shift + self.layer.beta
        return self._shaped(scale), self._shaped(shift)

    def _bias(self) -> Any:
        scale, shift = self._numbers()
        # The mean and the offset may cancel in the shift, but not in how it is rounded.
        return ops.abs(shift) + ops.abs(scale * self._shaped(self.statistics()[0]))

    def _shaped(self, numbers: Any) -> Any:
        shape = [1] * self.layer.input_spec.ndim
        shape[self.layer.axis] = -1
        return ops.reshape(numbers, shape)


@rule(layers.BatchNormalization)
def _batch_normalization(layer: Any) -> list[Step]:
    return [Normalized(layer)]


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
