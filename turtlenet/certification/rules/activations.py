"""Activation functions: nondecreasing, or with a single lowest point."""

from typing import Any

import keras
from keras import activations, layers, ops

from turtlenet.certification.rules.base import rule
from turtlenet.certification.steps import Elementwise, Movement, Step
from turtlenet.errors import ModelError

# How far float32 may be from the true value of a smooth function; a test compares with float64.
_SMOOTH = 2e-6
_FUNCTIONS: dict[Any, Any] = {
    activations.relu: lambda: Elementwise(ops.relu),
    activations.relu6: lambda: Elementwise(ops.relu6),
    activations.leaky_relu: lambda: Elementwise(activations.leaky_relu, error=2e-7),
    activations.elu: lambda: Elementwise(activations.elu, error=_SMOOTH),
    activations.selu: lambda: Elementwise(activations.selu, error=_SMOOTH),
    activations.softplus: lambda: Elementwise(activations.softplus, error=_SMOOTH),
    activations.softsign: lambda: Elementwise(activations.softsign, error=_SMOOTH),
    activations.sigmoid: lambda: Elementwise(ops.sigmoid, error=_SMOOTH),
    activations.hard_sigmoid: lambda: Elementwise(activations.hard_sigmoid, error=_SMOOTH),
    activations.tanh: lambda: Elementwise(ops.tanh, error=_SMOOTH),
    activations.silu: lambda: Elementwise(ops.silu, error=_SMOOTH, lowest=-1.2784645),
    activations.gelu: lambda: Elementwise(activations.gelu, error=_SMOOTH, lowest=-0.7517916),
}


def steps_of_activation(layer: Any, function: Any) -> list[Step]:
    """The steps of an activation function; none for a linear one.

    Raises:
        ModelError: One without a rule.
    """
    if function in (None, activations.linear):
        return []
    if isinstance(function, keras.layers.Layer):
        from turtlenet.certification.rules.base import rule_of

        found = rule_of(function)
        if found is not None:
            return list(found(function))
    elif function in _FUNCTIONS:
        return [_FUNCTIONS[function]()]
    name = getattr(function, "__name__", type(function).__name__)
    raise ModelError(f"Expected activations with a rule to bound them; {layer.name!r} has {name}, which has none.")


@rule(layers.Activation)
def _activation(layer: Any) -> list[Step]:
    return steps_of_activation(layer, layer.activation) or [Movement(lambda x: x)]


@rule(layers.ReLU)
def _relu(layer: Any) -> list[Step]:
    if layer.threshold != 0 or layer.negative_slope < 0:
        raise ModelError(f"Expected a ReLU without a threshold to bound it; {layer.name!r} has {layer.threshold}.")
    return [Elementwise(layer.call, error=2e-7 if layer.negative_slope else 0.0)]


@rule(layers.LeakyReLU)
def _leaky(layer: Any) -> list[Step]:
    if layer.negative_slope < 0:
        raise ModelError(f"Expected a slope >= 0 to bound {layer.name!r}; got {layer.negative_slope}.")
    return [Elementwise(layer.call, error=2e-7)]


@rule(layers.ELU)
def _elu(layer: Any) -> list[Step]:
    if layer.alpha < 0:
        raise ModelError(f"Expected alpha >= 0 to bound {layer.name!r}; got {layer.alpha}.")
    return [Elementwise(layer.call, error=_SMOOTH * max(layer.alpha, 1.0))]
