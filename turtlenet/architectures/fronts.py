"""Networks that clean an image before a model sees it, for images of any size: pixels in, pixels out.

Each is built of a shape, the bounds of pixels, and the `width` of its first layer. Within, pixels are in [0, 1].
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from turtlenet.architectures.gan import block, check_shape, enlarged


def denoiser(shape: Sequence[int], *, bounds: tuple[float, float], width: int = 64, seed: int = 0) -> keras.Model:
    """APE-GAN's generator (Shen et al., 2017): two 4x4 convolutions of stride 2, and transposed back.

    Instances are normalized where the original normalizes batches.

    Args:
        shape: Of one image; see `turtlenet.architectures.gan.check_shape`.
        bounds: Smallest and largest value of a pixel.
        width: Filters of the first layer; the second has twice as many.
        seed: Repeats the first weights.

    Returns:
        A model from images float32 (batch, *shape) to images of the same shape, within the bounds.

    Raises:
        ModelError: A shape that is no picture's.
    """
    sides = check_shape(shape)
    image, whole = _opened(shape, bounds)
    half = block(whole, width, 2, kernel=4)
    x = block(half, 2 * width, 2, kernel=4)
    x = enlarged(enlarged(x, width, half.shape[1:3]), max(width // 2, 1), whole.shape[1:3])
    x = layers.Conv2D(sides[2], 3, padding="same", activation="sigmoid")(x)
    return _closed(image, x, shape, bounds, seed)


def reformer(shape: Sequence[int], *, bounds: tuple[float, float], width: int = 0, seed: int = 0) -> keras.Model:
    """MagNet's autoencoder (Meng & Chen, 2017, table 1): 3x3 convolutions with sigmoids.

    For gray images it averages 2x2 pixels after the first layer and repeats them before the last but one; color images
    keep their size.

    Args:
        shape: Of one image; see `turtlenet.architectures.gan.check_shape`.
        bounds: Smallest and largest value of a pixel.
        width: Filters of a layer; 0 for 3 for gray images, else 32.
        seed: Repeats the first weights.

    Returns:
        See `denoiser`.

    Raises:
        ModelError: A shape that is no picture's.
    """
    sides = check_shape(shape)
    image, x = _opened(shape, bounds)
    gray = sides[2] == 1
    widths = reformer_widths(sides[2], width or (3 if gray else 32), halved=gray)
    return _closed(image, reformed(x, [_sigmoids(each) for each in widths]), shape, bounds, seed)


def reformer_widths(channels: int, width: int, halved: bool) -> list[int]:
    """The filters of each convolution of `reformed`."""
    return [width] * (4 if halved else 2) + [channels]


def reformed(x: Any, convolutions: Sequence[Callable[[Any], Any]]) -> Any:
    """What MagNet's autoencoder makes of images: layers, or functions of `keras.ops`, one after the other.

    Args:
        x: Pixels in [0, 1], (batch, height, width, channels).
        convolutions: Three that keep the size; or five, of which the second and third work on half of it: 2x2 pixels
            are averaged before them, and repeated after.
    """
    height, width = x.shape[1:3]
    first, *inner, before, last = convolutions
    x = first(x)
    if inner:
        x = ops.average_pool(x, 2, strides=2, padding="same", data_format="channels_last")
        for each in inner:
            x = each(x)
        x = ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)[:, :height, :width]
    return last(before(x))


def contractive(shape: Sequence[int], *, bounds: tuple[float, float], width: int = 256, seed: int = 0) -> keras.Model:
    """A deep autoencoder of dense sigmoid layers: `width`, half as many, `width`, and the image (Gu & Rigazio, 2014).

    Its encoder's layers are called `encoder` and `encoder_1`: the contractive penalty is on those.

    Args:
        shape: Of one input, of any rank.
        bounds: Smallest and largest value of a pixel.
        width: Units of the first layer.
        seed: Repeats the first weights.

    Returns:
        See `denoiser`.
    """
    low, high = bounds
    image = keras.Input(tuple(shape), name="image")
    x = layers.Flatten()(image) if len(shape) > 1 else image
    x = layers.Rescaling(1 / (high - low), -low / (high - low))(x)
    size = int(np.prod(shape))
    names = ("encoder", "encoder_1", "decoder", "decoder_1")
    for name, units in zip(names, (width, max(width // 2, 1), width, size), strict=True):
        x = layers.Dense(units, activation="sigmoid", name=name)(x)
    # A slope of a quarter at most: with weights of the usual size all codes are alike at first, and stay so.
    return _closed(image, x, shape, bounds, seed, gain=4.0)


def latent_generator(
    shape: Sequence[int], *, bounds: tuple[float, float], width: int = 64, latent: int = 128, seed: int = 0
) -> keras.Model:
    """A generator of images from noise, as of WGAN-GP (Gulrajani et al., 2017), with two transposed convolutions.

    Args:
        shape: Of one image; see `turtlenet.architectures.gan.check_shape`.
        bounds: Smallest and largest value of a pixel.
        width: Filters of the last layer but one; those before have twice as many.
        latent: Numbers of the noise.
        seed: Repeats the first weights.

    Returns:
        A model from noise float32 (batch, latent) to images (batch, *shape), within the bounds.

    Raises:
        ModelError: A shape that is no picture's.
    """
    height, wide, channels = check_shape(shape)
    half, quarter = (tuple(-(-side // part) for side in (height, wide)) for part in (2, 4))
    noise = keras.Input((latent,), name="noise")
    x = layers.Dense(quarter[0] * quarter[1] * 2 * width, activation="relu")(noise)
    x = layers.Reshape((*quarter, 2 * width))(x)
    for filters, size in ((width, half), (max(width // 2, 1), (height, wide))):
        x = enlarged(x, filters, size, normal=False)
    x = layers.Conv2D(channels, 3, padding="same", activation="sigmoid")(x)
    return _closed(noise, x, shape, bounds, seed)


def _opened(shape: Sequence[int], bounds: tuple[float, float]) -> tuple[Any, Any]:
    """The symbolic image, and its pixels in [0, 1], (batch, height, width, channels)."""
    low, high = bounds
    image = keras.Input(tuple(shape), name="image")
    x = layers.Reshape(check_shape(shape))(image)
    return image, layers.Rescaling(1 / (high - low), -low / (high - low))(x)


def _closed(
    source: Any, x: Any, shape: Sequence[int], bounds: tuple[float, float], seed: int, gain: float = 1.0
) -> keras.Model:
    """The model, back in pixels, with fresh weights (Glorot & Bengio, 2010) that belong to the seed."""
    low, high = bounds
    x = layers.Rescaling(high - low, low)(layers.Reshape(tuple(shape))(x))
    model = keras.Model(source, x, name="front")
    draw = np.random.default_rng([seed, len(model.weights)])
    for variable in model.trainable_variables:
        sizes = tuple(variable.shape)
        if len(sizes) > 1:
            reach = gain * np.sqrt(6 / (np.prod(sizes[:-2]) * (sizes[-2] + sizes[-1])))
            variable.assign(draw.uniform(-reach, reach, sizes).astype("float32"))
    return model


def _sigmoids(filters: int) -> Any:
    return layers.Conv2D(filters, 3, padding="same", activation="sigmoid")
