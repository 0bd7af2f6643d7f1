"""TensorFlow's functions of images: `tf.nn` and `tf.image`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from turtlenet.keras_files.legacy.calls.constants import is_integer, name_of, sizes, tensor


def _order(data_format: Any) -> str:
    return "channels_first" if str(data_format or "").startswith("NC") else "channels_last"


def _inner(value: Any, rank: int, data_format: Any) -> Any:
    """The sizes in space, of a number or a list that may have entries for batch and channels."""
    if not isinstance(value, (list, tuple)) or len(value) == 1:
        return value if not isinstance(value, (list, tuple)) else value[0]
    if len(value) == rank:
        return tuple(value)
    return tuple(value[2:] if _order(data_format) == "channels_first" else value[1:-1])


def _margins(x: Any, padding: Any) -> tuple[Any, str]:
    """Pads where a file gives the padding as numbers."""
    if isinstance(padding, str):
        return x, padding.lower()
    return ops.pad(x, padding), "valid"


def _convolution(function: Callable) -> Callable:
    def convolve(
        input: Any,
        filters: Any,
        strides: Any = 1,
        padding: Any = "VALID",
        data_format: Any = None,
        dilations: Any = None,
    ) -> Any:
        x, padding = _margins(input, padding)
        rank = len(x.shape) - 2
        return function(
            x,
            tensor(filters, x),
            strides=_inner(strides, rank, data_format),
            padding=padding,
            data_format=_order(data_format),
            dilation_rate=_inner(dilations or 1, rank, data_format),
        )

    return convolve


def _pooling(function: Callable) -> Callable:
    def pool(input: Any, ksize: Any, strides: Any, padding: str, data_format: Any = None) -> Any:
        rank = len(input.shape) - 2
        size, step = (_inner(each, rank, data_format) for each in (ksize, strides))
        return function(input, size, step, padding=padding.lower(), data_format=_order(data_format))

    return pool


def _bias_add(value: Any, bias: Any, data_format: Any = None) -> Any:
    bias = tensor(bias, value)
    if _order(data_format) == "channels_first":
        bias = ops.reshape(bias, (-1, *(1,) * (len(value.shape) - 2)))
    return value + bias


def _batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, variance_epsilon: float = 0.0
) -> Any:
    slope = ops.rsqrt(tensor(variance, x) + variance_epsilon)
    slope = slope if scale is None else slope * tensor(scale, x)
    result = (x - tensor(mean, x)) * slope
    return result if offset is None else result + tensor(offset, x)


def _moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False) -> Any:
    return ops.mean(x, axis=sizes(axes), keepdims=keepdims), ops.var(x, axis=sizes(axes), keepdims=keepdims)


def _depth_to_space(input: Any, block_size: int, data_format: Any = None) -> Any:
    first = _order(data_format) == "channels_first"
    x = ops.transpose(input, (0, 2, 3, 1)) if first else input
    _, rows, columns, channels = x.shape
    b, thin = block_size, channels // block_size**2
    x = ops.transpose(ops.reshape(x, (-1, rows, columns, b, b, thin)), (0, 1, 3, 2, 4, 5))
    x = ops.reshape(x, (-1, rows * b, columns * b, thin))
    return ops.transpose(x, (0, 3, 1, 2)) if first else x


def _space_to_depth(input: Any, block_size: int, data_format: Any = None) -> Any:
    first = _order(data_format) == "channels_first"
    x = ops.transpose(input, (0, 2, 3, 1)) if first else input
    _, rows, columns, channels = x.shape
    b = block_size
    x = ops.transpose(ops.reshape(x, (-1, rows // b, b, columns // b, b, channels)), (0, 1, 3, 2, 4, 5))
    x = ops.reshape(x, (-1, rows // b, columns // b, channels * b * b))
    return ops.transpose(x, (0, 3, 1, 2)) if first else x


def _lrn(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
) -> Any:
    channels, radius = input.shape[-1], depth_radius
    squares = ops.pad(ops.square(input), [[0, 0]] * (len(input.shape) - 1) + [[radius, radius]])
    total = sum(squares[..., at : at + channels] for at in range(2 * radius + 1))
    return input / (bias + alpha * total) ** beta


def _resize(
    images: Any, size: Any, method: str = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False
) -> Any:
    if preserve_aspect_ratio or method not in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        raise NotImplementedError(f"resizing by {method!r}, keeping the ratio of the sides {preserve_aspect_ratio}")
    x = images if method == "nearest" else ops.cast(images, "float32")
    return ops.image.resize(x, sizes(size), interpolation=method, antialias=antialias, data_format="channels_last")


def resized(x: Any, size: Any, method: str, align_corners: bool, half_pixel: bool) -> Any:
    """Resizes (batch, rows, columns, channels) by `bilinear` or `nearest` as TensorFlow 1 did, by two matrices."""
    rows, columns = (_weights(x.shape[at + 1], size[at], method, align_corners, half_pixel) for at in (0, 1))
    if method == "nearest":
        return ops.take(ops.take(x, rows.argmax(axis=1), axis=1), columns.argmax(axis=1), axis=2)
    return ops.einsum("ar,brcd,ec->baed", tensor(rows), ops.cast(x, "float32"), tensor(columns))


def _weights(old: int, new: int, method: str, align_corners: bool, half_pixel: bool) -> Any:
    if old * new > 1 << 28:
        raise NotImplementedError(f"resizing {old:,} rows or columns to {new:,}")
    scale = np.float32((old - 1) / (new - 1) if align_corners and new > 1 else old / new)
    at = np.arange(new, dtype="float32")
    at = (at + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else at * scale
    if method == "nearest":
        # With half pixels the place itself is rounded down, with the corners aligned to the nearest.
        at = np.floor(at + np.float32(0.5)) if align_corners or half_pixel else np.floor(at)
        return np.eye(old, dtype="float32")[np.clip(at, 0, old - 1).astype(int)]
    low = np.floor(at)
    share = (at - low)[:, None]
    eye = np.eye(old, dtype="float32")
    low = low.astype(int)
    return eye[np.clip(low, 0, old - 1)] * (1 - share) + eye[np.clip(low + 1, 0, old - 1)] * share


def _standardized(image: Any) -> Any:
    image = ops.cast(image, "float32")
    mean, deviation = (
        ops.mean(image, axis=(-3, -2, -1), keepdims=True),
        ops.std(image, axis=(-3, -2, -1), keepdims=True),
    )
    return (image - mean) / ops.maximum(deviation, float(np.prod(image.shape[-3:])) ** -0.5)


def _converted(image: Any, dtype: str, saturate: bool = False) -> Any:
    if "float" not in dtype:
        raise NotImplementedError(f"turning images into {dtype}")
    if is_integer(image):
        return ops.cast(image, dtype) * (1.0 / np.iinfo(name_of(image.dtype)).max)
    return ops.cast(image, dtype)


def _cropped(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    bottom, right = offset_height + target_height, offset_width + target_width
    return image[..., offset_height:bottom, offset_width:right, :]


def _padded(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    rows, columns = image.shape[-3:-1]
    high = [offset_height, target_height - offset_height - rows]
    wide = [offset_width, target_width - offset_width - columns]
    return ops.pad(image, [[0, 0]] * (len(image.shape) - 3) + [high, wide, [0, 0]])


def _patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    return ops.image.extract_patches(
        images,
        size=tuple(sizes[1:3]),
        strides=tuple(strides[1:3]),
        dilation_rate=tuple(rates[1:3]),
        padding=padding.lower(),
        data_format="channels_last",
    )


def _gray(images: Any) -> Any:
    return ops.sum(images * tensor([0.2989, 0.587, 0.114], images), axis=-1, keepdims=True)


def _contrast(images: Any, contrast_factor: Any) -> Any:
    mean = ops.mean(images, axis=(-3, -2), keepdims=True)
    return (images - mean) * contrast_factor + mean


def _depthwise(
    input: Any, filter: Any, strides: Any, padding: Any, data_format: Any = None, dilations: Any = None
) -> Any:
    return _convolution(ops.depthwise_conv)(input, filter, strides, padding, data_format, dilations)


_CONV, _MAX, _AVERAGE = _convolution(ops.conv), _pooling(ops.max_pool), _pooling(ops.average_pool)

IMAGES: dict[str, Callable] = {
    **dict.fromkeys(["nn.conv2d", "nn.conv1d", "nn.conv3d", "nn.convolution"], _CONV),
    "nn.depthwise_conv2d": _depthwise,
    **dict.fromkeys(["nn.max_pool", "nn.max_pool1d", "nn.max_pool2d", "nn.max_pool3d"], _MAX),
    **dict.fromkeys(["nn.avg_pool", "nn.avg_pool1d", "nn.avg_pool2d", "nn.avg_pool3d"], _AVERAGE),
    "nn.bias_add": _bias_add,
    "nn.batch_normalization": _batch_normalization,
    "nn.moments": _moments,
    "nn.depth_to_space": _depth_to_space,
    "nn.space_to_depth": _space_to_depth,
    "nn.local_response_normalization": _lrn,
    "image.resize": _resize,
    "image.flip_left_right": lambda image: ops.flip(image, -2),
    "image.flip_up_down": lambda image: ops.flip(image, -3),
    "image.rgb_to_grayscale": _gray,
    "image.grayscale_to_rgb": lambda images: ops.concatenate([images] * 3, axis=-1),
    "image.per_image_standardization": _standardized,
    "image.convert_image_dtype": _converted,
    "image.crop_to_bounding_box": _cropped,
    "image.pad_to_bounding_box": _padded,
    "image.extract_patches": _patches,
    "image.adjust_brightness": lambda image, delta: image + delta,
    "image.adjust_contrast": _contrast,
}
