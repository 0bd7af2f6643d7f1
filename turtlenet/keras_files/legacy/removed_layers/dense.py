"""Dense layers of Keras 1."""

from typing import Any

import keras
from keras import activations, initializers, layers, ops

from turtlenet.keras_files.legacy.removed_layers.weighted import Weighted

_registered = keras.saving.register_keras_serializable(package="turtlenet")


@_registered
class MaxoutDense(Weighted):
    """The largest of several dense layers, feature by feature (Goodfellow et al., 2013).

    Weights: kernel (num_features, inputs, units), bias (num_features, units). Takes (batch, inputs), gives
    (batch, units).

    Args:
        units: Number of outputs.
        num_features: Number of dense layers to choose from.
    """

    def __init__(self, units: int, num_features: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = layers.InputSpec(ndim=2)
        self.units = units
        self.num_features = num_features

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_kernel((self.num_features, input_shape[-1], self.units))
        self.bias = self.add_bias((self.num_features, self.units)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        choices = ops.einsum("bi,kio->bko", inputs, self.kernel)
        return ops.max(choices if self.bias is None else choices + self.bias, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "num_features": self.num_features}


@_registered
class Highway(Weighted):
    """A dense layer with a gate that lets the input pass (Srivastava et al., 2015): `T H(x) + (1 - T) x`.

    Weights, as Keras 1.2 saved them: kernel, carry_kernel (inputs, inputs), then bias, carry_bias (inputs,). Takes and
    gives (batch, inputs).

    Args:
        activation: That of H; linear by default.
        transform_bias: Where the bias of the gate starts: the lower, the more passes at first.
    """

    def __init__(self, activation: Any = None, transform_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = layers.InputSpec(ndim=2)
        self.activation = activations.get(activation)
        self.transform_bias = transform_bias

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel = self.add_kernel((size, size))
        # The same initializer twice would draw the same numbers.
        again = initializers.deserialize(initializers.serialize(self.kernel_initializer))
        self.carry_kernel = self.add_weight(shape=(size, size), initializer=again, name="carry_kernel")
        self.bias = self.carry_bias = None
        if self.use_bias:
            start = initializers.Constant(self.transform_bias)
            self.bias = self.add_bias((size,))
            self.carry_bias = self.add_weight(shape=(size,), initializer=start, name="carry_bias")

    def call(self, inputs: Any) -> Any:
        gate, inner = ops.matmul(inputs, self.carry_kernel), ops.matmul(inputs, self.kernel)
        if self.use_bias:
            gate, inner = gate + self.carry_bias, inner + self.bias
        gate = ops.sigmoid(gate)
        return gate * self.activation(inner) + (1.0 - gate) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"activation": activations.serialize(self.activation), "transform_bias": self.transform_bias}
        return {**super().get_config(), **own}
