"""Layers with kernels, also binarized and k-bit ones: one product with |kernel| for the radii."""

import math
from typing import Any

from keras import layers, ops

from turtlenet.certification.rules.activations import signs, steps_of_activation
from turtlenet.certification.rules.base import rule
from turtlenet.certification.steps import Affine, Step
from turtlenet.defences import (
    BinarizedConv1D,
    BinarizedConv2D,
    BinarizedDense,
    BinarizedDepthwiseConv1D,
    BinarizedDepthwiseConv2D,
    BinarizedSeparableConv1D,
    BinarizedSeparableConv2D,
    LowBitConv1D,
    LowBitConv2D,
    LowBitDense,
    LowBitDepthwiseConv1D,
    LowBitDepthwiseConv2D,
    LowBitSeparableConv1D,
    LowBitSeparableConv2D,
)
from turtlenet.defences.per_example_kernels import Convolved, Depthwise, Multiplied, Separable
from turtlenet.errors import ModelError


class _Settings:
    """A layer's settings, for the arithmetic of `per_example_kernels`, which quantized layers inherit."""

    def __init__(self, layer: Any):
        self.layer = layer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)


class _Dense(_Settings, Multiplied):
    pass


class _Convolution(_Settings, Convolved):
    pass


class _DepthwiseConvolution(_Settings, Depthwise):
    kernels = ("kernel",)


class _SeparableConvolution(_Settings, Separable):
    pass


def _steps(layer: Any, arithmetic: Any) -> list[Step]:
    if getattr(layer, "quantization_mode", None) is not None:
        raise ModelError(f"Expected float32 kernels to bound a layer; those of {layer.name!r} are quantized by Keras.")
    return [affine(arithmetic), *steps_of_activation(layer, layer.activation)]


def affine(layer: Any) -> Affine:
    """The product of a layer's kernels, as it computes with them, and its bias.

    Args:
        layer: Has `product`, `shaped_bias` and `kernels`; see `turtlenet.defences.per_example_kernels`.
    """

    def kernels() -> list[Any]:
        real = [ops.convert_to_tensor(getattr(layer, name)) for name in layer.kernels]
        seen = getattr(layer, "quantized", None)
        return [seen(kernel, number) for number, kernel in enumerate(real)] if seen else real

    def apply(x: Any) -> Any:
        outputs = layer.product(x, *kernels())
        return outputs + layer.shaped_bias() if layer.use_bias else outputs

    def magnitude(radius: Any) -> Any:
        return layer.product(radius, *map(ops.abs, kernels()))

    def reach(order: float, shape: tuple[int, ...]) -> Any:
        (kernel,) = kernels()
        ones = ops.ones((1, *shape), "float32")
        if order == 2:
            return 1.00001 * ops.sqrt(layer.product(ones, ops.square(kernel)))
        # No single value moves an output by more than its largest weight.
        taps = tuple(range(len(kernel.shape) - 1))
        largest = layer.product(ones, ops.ones_like(kernel)) * 0.0
        most = ops.max(ops.abs(kernel), axis=taps)
        first = getattr(layer, "data_format", "channels_last") == "channels_first"
        return largest + (ops.reshape(most, (1, -1) + (1,) * layer.rank) if first else most)

    bias = (lambda: ops.abs(layer.shaped_bias())) if layer.use_bias else None
    plain = not isinstance(layer, Depthwise)
    return Affine(apply, magnitude, terms=_terms(layer), bias=bias, reach=reach if plain else None)


def _terms(layer: Any) -> int:
    """How many products an output sums, over all kernels of a layer."""
    shapes = [tuple(getattr(layer, name).shape) for name in layer.kernels]
    taps = [math.prod(shape[:-2]) if isinstance(layer, Depthwise) else math.prod(shape[:-1]) for shape in shapes]
    if isinstance(layer, Separable):
        return taps[0] + math.prod(shapes[1][:-1])
    return taps[0]


@rule(layers.Dense)
def _dense(layer: Any) -> list[Step]:
    return _steps(layer, _Dense(layer))


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def _convolution(layer: Any) -> list[Step]:
    return _steps(layer, _Convolution(layer))


@rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def _depthwise(layer: Any) -> list[Step]:
    return _steps(layer, _DepthwiseConvolution(layer))


@rule(layers.SeparableConv1D, layers.SeparableConv2D)
def _separable(layer: Any) -> list[Step]:
    return _steps(layer, _SeparableConvolution(layer))


@rule(
    BinarizedDense,
    BinarizedConv1D,
    BinarizedConv2D,
    BinarizedDepthwiseConv1D,
    BinarizedDepthwiseConv2D,
    BinarizedSeparableConv1D,
    BinarizedSeparableConv2D,
)
def _binarized(layer: Any) -> list[Step]:
    return [*_quantized(layer), *([signs()] if layer.sign else [])]


@rule(
    LowBitDense,
    LowBitConv1D,
    LowBitConv2D,
    LowBitDepthwiseConv1D,
    LowBitDepthwiseConv2D,
    LowBitSeparableConv1D,
    LowBitSeparableConv2D,
)
def _quantized(layer: Any) -> list[Step]:
    return [affine(layer), *steps_of_activation(layer, layer.activation)]
