"""Layers that move values, average them or take the largest."""

import math
from typing import Any

from keras import layers, ops

from turtlenet.certification.rules.base import input_shapes, most_inputs, rule
from turtlenet.certification.steps import Affine, Maximum, Movement, Step


@rule(
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.RandomBrightness,
    layers.RandomContrast,
    layers.RandomErasing,
    layers.RandomFlip,
    layers.RandomRotation,
    layers.RandomShear,
    layers.RandomTranslation,
    layers.RandomZoom,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
)
def _nothing(layer: Any) -> list[Step]:
    """They do nothing outside of training, dropout and augmentation among them."""
    return [Movement(lambda x: x, once=True)]


@rule(
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.Flatten,
    layers.Permute,
    layers.Reshape,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
)
def _moved(layer: Any) -> list[Step]:
    return [Movement(layer.call, once=True)]


@rule(layers.RepeatVector)
def _copied(layer: Any) -> list[Step]:
    return [Movement(layer.call)]


@rule(layers.Concatenate)
def _joined(layer: Any) -> list[Step]:
    return [Movement(lambda *parts: layer.call(list(parts)))]


@rule(layers.Add)
def _added(layer: Any) -> list[Step]:
    def total(*parts: Any) -> Any:
        return layer.call(list(parts))

    return [Affine(total, total, terms=most_inputs(layer))]


@rule(layers.Average)
def _mean(layer: Any) -> list[Step]:
    def mean(*parts: Any) -> Any:
        return layer.call(list(parts))

    return [Affine(mean, mean, terms=most_inputs(layer) + 1)]


@rule(layers.Subtract)
def _difference(layer: Any) -> list[Step]:
    return [Affine(lambda one, other: layer.call([one, other]), lambda one, other: one + other, terms=2)]


@rule(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
def _averaged(layer: Any) -> list[Step]:
    return [Affine(layer.call, layer.call, terms=math.prod(_each(layer.pool_size, layer)) + 1)]


@rule(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
def _averaged_over_all(layer: Any) -> list[Step]:
    axes = _places(layer)

    def mean(x: Any) -> Any:
        return ops.mean(x, axis=axes, keepdims=layer.keepdims)

    return [
        Affine(mean, mean, terms=max(math.prod(shape[axis] for axis in axes) for shape in input_shapes(layer)) + 1)
    ]


@rule(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)
def _largest(layer: Any) -> list[Step]:
    apart = all(
        stride >= size for stride, size in zip(_each(layer.strides, layer), _each(layer.pool_size, layer), strict=True)
    )
    return [Maximum(layer.call, apart=apart)]


@rule(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)
def _largest_of_all(layer: Any) -> list[Step]:
    return [Maximum(layer.call, apart=True)]


def _each(value: Any, layer: Any) -> tuple[int, ...]:
    """A setting for each axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * (layer.input_spec.ndim - 2)


def _places(layer: Any) -> tuple[int, ...]:
    """The axes of a global pooling layer's input that it pools over."""
    rank = layer.input_spec.ndim
    return tuple(range(2, rank)) if layer.data_format == "channels_first" else tuple(range(1, rank - 1))
