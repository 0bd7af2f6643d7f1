"""The networks of AdvGAN: a generator of perturbations and a discriminator, for images of any size.

`residual` is the generator of Xiao et al. (2018), which paper 003 took: c3s1-8, c3s2-16, c3s2-32, four residual
blocks, and transposed back. `unet` has connections from each scale down to the same scale up, and more channels, for
color images. Instances are normalized, never batches: an image's example is its own, whatever stands beside it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from turtlenet.errors import ModelError, SpecError, did_you_mean

_LEAK, _SPREAD = 0.2, 0.02


def generator(
    shape: Sequence[int],
    network: str = "residual",
    *,
    bounds: tuple[float, float],
    reach: float,
    noise: int = 0,
    seed: int = 0,
) -> keras.Model:
    """Builds a generator with fresh weights.

    Args:
        shape: Of one image: (height, width, channels) or (height, width), or a flat one of a square image.
        network: One of `NETWORKS`.
        bounds: Smallest and largest value of a pixel.
        reach: The most that a pixel may be changed by, in input units: the output is this times a tanh.
        noise: Numbers of the noise that the output depends on besides; 0 for an output of the image alone.
        seed: Repeats the first weights.

    Returns:
        A model from images float32 (batch, *shape), or from `[images, noise (batch, noise)]`, to perturbations
        (batch, *shape) in input units.

    Raises:
        SpecError: An unknown network.
        ModelError: A shape that is no picture's.
    """
    if network not in NETWORKS:
        raise SpecError(f"Unknown network {network!r} of a generator.{did_you_mean(network, NETWORKS)}")
    height, width, channels = check_shape(shape)
    image = keras.Input(tuple(shape), name="image")
    low, high = bounds
    x = layers.Reshape((height, width, channels))(image)
    x = layers.Rescaling(2 / (high - low), -(high + low) / (high - low))(x)
    inputs: Any = image
    if noise:
        draw = keras.Input((noise,), name="noise")
        inputs = [image, draw]
        # The same numbers at every pixel: what differs is what the network makes of them there.
        wide = layers.UpSampling2D((height, width))(layers.Reshape((1, 1, noise))(draw))
        x = layers.Concatenate()([x, wide])
    x = NETWORKS[network](x)
    x = layers.Conv2D(channels, 3, padding="same", activation="tanh")(x)
    x = layers.Rescaling(reach)(layers.Reshape(tuple(shape))(x))
    return _begin(keras.Model(inputs, x, name="generator"), seed)


def discriminator(
    shape: Sequence[int], *, bounds: tuple[float, float], filters: int = 8, normal: bool = True, seed: int = 0
) -> keras.Model:
    """Builds the discriminator c4s2-8, c4s2-16, c4s2-32 with fresh weights.

    Args:
        shape: Of one image; see `check_shape`.
        bounds: Smallest and largest value of a pixel.
        filters: Of the first layer; the second has twice, the third four times as many.
        normal: Whether instances are normalized in the second and third.
        seed: Repeats the first weights.

    Returns:
        A model from images float32 (batch, *shape) to logits (batch, 1): above 0 for an image that looks untouched.

    Raises:
        ModelError: A shape that is no picture's.
    """
    low, high = bounds
    image = keras.Input(tuple(shape), name="image")
    x = layers.Reshape(check_shape(shape))(image)
    x = layers.Rescaling(2 / (high - low), -(high + low) / (high - low))(x)
    for place in range(3):
        x = layers.Conv2D(filters * 2**place, 4, strides=2, padding="same")(x)
        # None at the first, as published: there it would hide how far an image as a whole was moved.
        x = layers.LeakyReLU(negative_slope=_LEAK)(_normalized(x) if place and normal else x)
    x = layers.Dense(1)(layers.Flatten()(x))
    return _begin(keras.Model(image, x, name="discriminator"), seed)


def check_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """The height, width and channels of an image.

    Raises:
        ModelError: Too small, or a flat input that is no square of pixels.
    """
    sides = tuple(int(side) for side in shape)
    if len(sides) == 1 and round(sides[0] ** 0.5) ** 2 == sides[0]:
        sides = (round(sides[0] ** 0.5),) * 2
    if len(sides) == 2:
        sides = (*sides, 1)
    if len(sides) != 3 or min(sides[:2]) < 4:
        raise ModelError(f"Expected images of 4x4 pixels or more for a generator; got inputs of shape {tuple(shape)}.")
    return sides


def _residual(x: Any, filters: int = 8, blocks: int = 4) -> Any:
    """Xiao et al. (2018): down twice, residual blocks, up twice."""
    sizes = []
    for factor, strides in ((1, 1), (2, 2), (4, 2)):
        x = block(x, filters * factor, strides)
        sizes.append(x.shape[1:3])
    whole, half, _ = sizes
    for _ in range(blocks):
        inner = block(x, filters * 4)
        inner = _normalized(_convolution(inner, filters * 4))
        x = layers.Add()([x, inner])
    return enlarged(enlarged(x, filters * 2, half), filters, whole)


def _unet(x: Any, filters: int = 32, scales: int = 3) -> Any:
    """Ronneberger et al. (2015), with as many scales as the image has halves."""
    before = []
    x = block(x, filters)
    for scale in range(scales):
        if min(x.shape[1:3]) < 4:
            break
        before.append(x)
        x = block(block(x, filters * 2 ** (scale + 1), 2), filters * 2 ** (scale + 1))
    for beside in reversed(before):
        x = enlarged(x, beside.shape[-1], beside.shape[1:3])
        x = block(layers.Concatenate()([x, beside]), beside.shape[-1])
    return x


NETWORKS: dict[str, Callable[[Any], Any]] = {"residual": _residual, "unet": _unet}
"""What lies between an image and its perturbation, by name."""


def enlarged(x: Any, filters: int, size: Sequence[int], normal: bool = True) -> Any:
    """Twice the size, cut to that of the scale it meets: an odd one was rounded up on the way down."""
    x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
    over = [have - want for have, want in zip(x.shape[1:3], size, strict=True)]
    if any(over):
        x = layers.Cropping2D(((0, over[0]), (0, over[1])))(x)
    return layers.ReLU()(_normalized(x) if normal else x)


def block(x: Any, filters: int, strides: int = 1, kernel: int = 3) -> Any:
    """A convolution, normalized, with a ReLU."""
    return layers.ReLU()(_normalized(_convolution(x, filters, strides, kernel)))


def _convolution(x: Any, filters: int, strides: int = 1, kernel: int = 3) -> Any:
    return layers.Conv2D(filters, kernel, strides=strides, padding="same")(x)


def _normalized(x: Any) -> Any:
    """Instance normalization (Ulyanov et al., 2016): a group for each channel."""
    if x.shape[1] * x.shape[2] < 4:
        # Of one value nothing would be left.
        return x
    # A channel that is the same all over an image multiplies its slope by 1 / sqrt(epsilon), layer after layer: with
    # the usual 1e-5 it overflows.
    return layers.GroupNormalization(groups=-1, epsilon=1e-3)(x)


def _begin(model: keras.Model, seed: int) -> keras.Model:
    """Gives every kernel its first values, near 0 as in public code: a tanh must not start where it is flat."""
    draw = np.random.default_rng([seed, len(model.weights)])
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(draw.normal(0.0, _SPREAD, variable.shape).astype("float32"))
    return model
