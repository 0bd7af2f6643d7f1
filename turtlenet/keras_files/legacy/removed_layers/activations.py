"""Activations of Keras 1 and 2 that Keras 3 has dropped or changed."""

from typing import Any

import keras
from keras import initializers, layers, ops

_registered = keras.saving.register_keras_serializable(package="turtlenet")


@_registered
def keras2_hard_sigmoid(x: Any) -> Any:
    """`clip(0.2 x + 0.5, 0, 1)`: the hard sigmoid of Keras 1 and 2; Keras 3 has another slope, 1/6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


class _Learned(layers.Layer):
    """An activation whose parameters have one value a feature, or one for all along `shared_axes`."""

    # Names of the weights, in the order in which they were saved, and of their default initializers.
    parameters: dict[str, Any] = {}

    def __init__(self, shared_axes: Any = None, **kwargs: Any) -> None:
        chosen = {name: kwargs.pop(f"{name}_initializer", default) for name, default in self.parameters.items()}
        super().__init__(**kwargs)
        self.supports_masking = True
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else list(shared_axes or [])
        self._initializers = {name: initializers.get(each) for name, each in chosen.items()}

    def build(self, input_shape: Any) -> None:
        shape = [1 if axis in self.shared_axes else size for axis, size in enumerate(input_shape)][1:]
        for name, initializer in self._initializers.items():
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        chosen = {f"{name}_initializer": initializers.serialize(each) for name, each in self._initializers.items()}
        return {**super().get_config(), **chosen, "shared_axes": self.shared_axes or None}


@_registered
class SReLU(_Learned):
    """The S-shaped rectifier of Keras 1 (Jin et al., 2016): three lines that meet at two learned places.

    Args:
        t_left_initializer, a_left_initializer: Place and slope of the left bend.
        t_right_initializer, a_right_initializer: Distance to the right bend, whose sign is ignored, and its slope.
        shared_axes: Axes along which all features share their parameters; the batch is axis 0.
        bounded: Whether the left line ends at the height of the right bend, as on Theano: it rises so far where its
            slope is negative.

    The output has the shape of the input.
    """

    parameters = {"t_left": "zeros", "a_left": "glorot_uniform", "t_right": "glorot_uniform", "a_right": "ones"}

    def __init__(self, bounded: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bounded = bounded

    def call(self, inputs: Any) -> Any:
        width = ops.abs(self.t_right)
        past = inputs - self.t_left
        left = -self.a_left * ops.relu(-past)
        if self.bounded:
            left = ops.minimum(left, width)
        return self.t_left + left + ops.minimum(ops.relu(past), width) + self.a_right * ops.relu(past - width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bounded": self.bounded}


@_registered
class ParametricSoftplus(_Learned):
    """`alpha log(1 + exp(beta x))` of Keras 1 with learned alpha and beta; the output has the shape of the input.

    Args:
        alphas_initializer, betas_initializer: Where alpha and beta start; 0.2 and 5 by default.
        shared_axes: Axes along which all features share their parameters; the batch is axis 0.
    """

    parameters = {"alphas": initializers.Constant(0.2), "betas": initializers.Constant(5.0)}

    def call(self, inputs: Any) -> Any:
        return self.alphas * ops.softplus(self.betas * inputs)
