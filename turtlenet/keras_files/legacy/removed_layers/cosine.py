"""The cosine that Keras 1 merged by."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="turtlenet")
class Cosine(layers.Layer):
    """The cosine of the angle between two vectors. Takes two (batch, features), gives (batch, 1, 1)."""

    def build(self, input_shape: Any) -> None:
        if [len(shape) for shape in input_shape] != [2, 2]:
            raise ValueError(f"Expected two vectors to merge by their cosine; got {input_shape}")

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        lengths = ops.sqrt(_dot(first, first) * _dot(second, second))
        return ops.expand_dims(_dot(first, second) / ops.maximum(lengths, keras.config.epsilon()), 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0][0], 1, 1)


def _dot(a: Any, b: Any) -> Any:
    return ops.sum(a * b, axis=1, keepdims=True)
