"""Activation functions, with all that CROWN can use of them."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import activations, layers, ops

from turtlenet.certification.elementwise import Elementwise, Jump
from turtlenet.certification.rules.base import rule, rule_of
from turtlenet.certification.steps import Movement, Step
from turtlenet.errors import ModelError

# How far float32 may be from the true value of a smooth function; a test compares with float64.
_SMOOTH = 2e-6
_LEAST = 1e-7
_SELU, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def rectified(
    slope: float = 0.0, most: float | None = None, function: Callable[[Any], Any] | None = None
) -> Elementwise:
    """max(x, slope x), up to `most`.

    Args:
        slope: For negative inputs, within [0, 1].
        most: The largest value; None for no limit.
        function: Computes it as the model does.
    """

    def derivative(x: Any) -> Any:
        below = ops.full_like(x, slope)
        rising = ops.where(x > 0, ops.ones_like(x), below)
        return rising if most is None else ops.where(x < most, rising, ops.zeros_like(x))

    kinks = (0.0,) if most is None else (0.0, most)
    error = 0.0 if slope in (0.0, 1.0) else 2e-7
    compute = function or (lambda x: activations.relu(x, negative_slope=slope, max_value=most))
    return Elementwise(
        compute, error=error, derivative=derivative, kinks=kinks, convex=most is None, positive=slope == 0
    )


def exponential(alpha: float = 1.0, scale: float = 1.0, function: Any = activations.elu) -> Elementwise:
    """scale * x above 0, scale * alpha * (exp(x) - 1) below."""

    def derivative(x: Any) -> Any:
        return ops.where(x > 0, scale * ops.ones_like(x), scale * alpha * ops.exp(ops.minimum(x, 0.0)))

    def stationary(slope: Any) -> list[Any]:
        return [ops.minimum(ops.log(ops.maximum(slope / (scale * max(alpha, _LEAST)), _LEAST)), 0.0)]

    return Elementwise(
        function,
        error=_SMOOTH * max(1.0, alpha * scale),
        derivative=derivative,
        kinks=(0.0,),
        stationary=stationary,
        convex=alpha <= 1.0,
    )


def _logit(share: Any) -> Any:
    inside = ops.minimum(ops.maximum(share, _LEAST), 1.0 - _LEAST)
    return ops.log(inside) - ops.log(1.0 - inside)


def sigmoid() -> Elementwise:
    """1 / (1 + exp(-x)), whose derivative s (1 - s) is a slope at two points, one on each side."""

    def derivative(x: Any) -> Any:
        share = ops.sigmoid(x)
        return share * (1.0 - share)

    def stationary(slope: Any) -> list[Any]:
        point = _logit(0.5 + 0.5 * ops.sqrt(ops.maximum(1.0 - 4.0 * slope, 0.0)))
        return [point, -point]

    return Elementwise(ops.sigmoid, error=_SMOOTH, derivative=derivative, stationary=stationary)


def hyperbolic() -> Elementwise:
    """The hyperbolic tangent, 2 sigmoid(2 x) - 1."""

    def derivative(x: Any) -> Any:
        return 1.0 - ops.square(ops.tanh(x))

    def stationary(slope: Any) -> list[Any]:
        point = 0.5 * _logit(0.5 + 0.5 * ops.sqrt(ops.maximum(1.0 - slope, 0.0)))
        return [point, -point]

    return Elementwise(ops.tanh, error=_SMOOTH, derivative=derivative, stationary=stationary)


def softsign() -> Elementwise:
    """x / (1 + |x|)."""

    def stationary(slope: Any) -> list[Any]:
        # At 1e15 the function is 1 to within 1e-15: a line that is flatter still is off by no more than that.
        point = ops.rsqrt(ops.maximum(slope, 1e-30)) - 1.0
        return [ops.maximum(point, 0.0), -ops.maximum(point, 0.0)]

    return Elementwise(
        activations.softsign,
        error=_SMOOTH,
        derivative=lambda x: 1.0 / ops.square(1.0 + ops.abs(x)),
        stationary=stationary,
    )


def softplus() -> Elementwise:
    """log(1 + exp(x)), whose derivative is the sigmoid."""
    return Elementwise(
        activations.softplus,
        error=_SMOOTH,
        derivative=ops.sigmoid,
        stationary=lambda slope: [_logit(slope)],
        convex=True,
    )


def hard_sigmoid() -> Elementwise:
    """x / 6 + 1/2, within [0, 1]."""

    def derivative(x: Any) -> Any:
        return ops.where(ops.abs(x) < 3.0, ops.full_like(x, 1.0 / 6.0), ops.zeros_like(x))

    return Elementwise(activations.hard_sigmoid, error=_SMOOTH, derivative=derivative, kinks=(-3.0, 3.0))


def swish() -> Elementwise:
    """x sigmoid(x); its second derivative is largest at 0, where it is 1/2."""

    def derivative(x: Any) -> Any:
        share = ops.sigmoid(x)
        return share * (1.0 + x * (1.0 - share))

    return Elementwise(ops.silu, error=_SMOOTH, lowest=-1.2784645, derivative=derivative, curvature=0.5)


def gelu() -> Elementwise:
    """x Phi(x); its second derivative is largest at 0, where it is 2 phi(0) = 0.798."""

    def derivative(x: Any) -> Any:
        density = ops.exp(-0.5 * ops.square(x)) / math.sqrt(2.0 * math.pi)
        return 0.5 * (1.0 + ops.erf(x / math.sqrt(2.0))) + x * density

    return Elementwise(activations.gelu, error=_SMOOTH, lowest=-0.7517916, derivative=derivative, curvature=0.8)


def signs() -> Elementwise:
    """+1 where x >= 0, else -1."""
    return Elementwise(
        lambda x: ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x)),
        derivative=ops.zeros_like,
        jumps=(Jump(0.0, -1.0, 1.0),),
        levels=2,
    )


_FUNCTIONS: dict[Any, Callable[[], Elementwise]] = {
    activations.relu: rectified,
    activations.relu6: lambda: rectified(most=6.0),
    activations.leaky_relu: lambda: rectified(0.2, function=activations.leaky_relu),
    activations.elu: exponential,
    activations.selu: lambda: exponential(_SELU_ALPHA, _SELU, activations.selu),
    activations.softplus: softplus,
    activations.softsign: softsign,
    activations.sigmoid: sigmoid,
    activations.hard_sigmoid: hard_sigmoid,
    activations.tanh: hyperbolic,
    activations.silu: swish,
    activations.gelu: gelu,
}


def steps_of_activation(layer: Any, function: Any) -> list[Step]:
    """The steps of an activation function; none for a linear one.

    Raises:
        ModelError: One without a rule.
    """
    if function in (None, activations.linear):
        return []
    if isinstance(function, keras.layers.Layer):
        found = rule_of(function)
        if found is not None:
            return list(found(function))
    elif function in _FUNCTIONS:
        return [_FUNCTIONS[function]()]
    name = getattr(function, "__name__", type(function).__name__)
    raise ModelError(
        f"Expected activations with a rule to bound them; {layer.name!r} has {name}, which has none, so nothing is "
        "certified."
    )


@rule(layers.Activation)
def _activation(layer: Any) -> list[Step]:
    return steps_of_activation(layer, layer.activation) or [Movement(lambda x: x)]


@rule(layers.ReLU)
def _relu(layer: Any) -> list[Step]:
    slope, most = float(layer.negative_slope), layer.max_value
    if layer.threshold != 0 or not 0 <= slope <= 1:
        raise ModelError(
            f"Expected a ReLU with a threshold of 0 and a slope from 0 to 1 to bound it; {layer.name!r} has "
            f"{layer.threshold} and {slope}."
        )
    return [rectified(slope, None if most is None else float(most), layer.call)]


@rule(layers.LeakyReLU)
def _leaky(layer: Any) -> list[Step]:
    if not 0 <= layer.negative_slope <= 1:
        raise ModelError(f"Expected a slope from 0 to 1 to bound {layer.name!r}; got {layer.negative_slope}.")
    return [rectified(float(layer.negative_slope), function=layer.call)]


@rule(layers.ELU)
def _elu(layer: Any) -> list[Step]:
    if layer.alpha < 0:
        raise ModelError(f"Expected alpha >= 0 to bound {layer.name!r}; got {layer.alpha}.")
    return [exponential(float(layer.alpha), function=layer.call)]
