"""The kernel method of `tf.keras.layers.experimental`."""

import math
from typing import Any

import keras
import numpy as np
from keras import constraints, initializers, layers, ops


@keras.saving.register_keras_serializable(package="turtlenet")
class RandomFourierFeatures(layers.Layer):
    """`cos(x W / s + b)` with a random W and b (Rahimi and Recht, 2007), and a scale s that can be learned.

    Weights: kernel_scale (1,), unscaled_kernel (inputs, output_dim), bias (output_dim,). Takes (batch, inputs), gives
    (batch, output_dim).

    Args:
        output_dim: Number of features.
        kernel_initializer: `gaussian`, `laplacian` or any initializer of Keras.
        scale: Where s starts; by default sqrt(inputs / 2) for `gaussian`, 1 for others.
        trainable: Whether s is learned.
    """

    def __init__(
        self,
        output_dim: int,
        kernel_initializer: Any = "gaussian",
        scale: float | None = None,
        trainable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, **kwargs)
        self.output_dim = output_dim
        named = isinstance(kernel_initializer, str) and kernel_initializer.lower() in ("gaussian", "laplacian")
        self.kernel_initializer = kernel_initializer if named else initializers.get(kernel_initializer)
        self.scale = scale
        self.input_spec = layers.InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        gaussian = isinstance(self.kernel_initializer, str) and self.kernel_initializer.lower() == "gaussian"
        scale = self.scale or (math.sqrt(size / 2) if gaussian else 1.0)
        self.unscaled_kernel = self.add_weight(
            shape=(size, self.output_dim), initializer=self._start(), trainable=False, name="unscaled_kernel"
        )
        self.bias = self.add_weight(
            shape=(self.output_dim,),
            initializer=initializers.RandomUniform(0.0, 2 * math.pi),
            trainable=False,
            name="bias",
        )
        self.kernel_scale = self.add_weight(
            shape=(1,), initializer=initializers.Constant(scale), constraint=constraints.NonNeg(), name="kernel_scale"
        )

    def call(self, inputs: Any) -> Any:
        return ops.cos(ops.matmul(inputs, self.unscaled_kernel / self.kernel_scale) + self.bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        initializer = self.kernel_initializer
        named = isinstance(initializer, str)
        own = {"kernel_initializer": initializer if named else initializers.serialize(initializer)}
        return {**super().get_config(), **own, "output_dim": self.output_dim, "scale": self.scale}

    def _start(self) -> Any:
        if not isinstance(self.kernel_initializer, str):
            return self.kernel_initializer
        if self.kernel_initializer.lower() == "gaussian":
            return initializers.RandomNormal(stddev=1.0)
        return lambda shape, dtype=None: ops.convert_to_tensor(np.random.standard_cauchy(shape), dtype)
