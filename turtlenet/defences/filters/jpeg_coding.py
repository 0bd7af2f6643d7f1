"""What JPEG does to the values of an image: colors, blocks, cosines, tables (ITU-T T.81; JFIF 1.02)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

BLOCK = 8
# Annex K of the standard: the tables that libjpeg scales.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMINANCE = np.full((BLOCK, BLOCK), 99)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# From red, green and blue to luma and the two differences of color, without the 128 that is added to these.
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])
_TO_RGB = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136286, -0.714136286], [1.0, 1.772, 0.0]])

Change = Callable[[Any], Any]


def tables(quality: int) -> tuple[np.ndarray, np.ndarray]:
    """The quantization tables of luma and chroma, int (8, 8), as libjpeg scales them for a quality from 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (np.clip((table * scale + 50) // 100, 1, 255) for table in (_LUMINANCE, _CHROMINANCE))
    return luma, chroma


def coded(x: Any, quality: int, subsampling: bool, quantized: Change, stored: Change) -> Any:
    """What is left of images when they were coded and decoded.

    Args:
        x: Float32 (batch, height, width, channels), from 0 to 255. Three channels are red, green and blue; any other
            number are gray images, each coded for itself.
        quality: From 1 to 100.
        subsampling: Whether chroma has half of the resolution (4:2:0).
        quantized: What is done to coefficients over their step: a rounding.
        stored: What is done to values that are kept as bytes.
    """
    luma, chroma = tables(quality)
    if x.shape[-1] != 3:
        return stored(_plane(stored(x), luma, quantized))
    colors = ops.matmul(stored(x), ops.cast(_TO_YCC.T, x.dtype)) + ops.cast([0.0, 128.0, 128.0], x.dtype)
    colors = stored(colors)
    bright, tint = colors[..., :1], colors[..., 1:]
    bright = stored(_plane(bright, luma, quantized))
    if subsampling:
        tint = stored(_plane(stored(_halved(tint)), chroma, quantized))
        tint = _doubled(tint)[:, : x.shape[1], : x.shape[2]]
    else:
        tint = stored(_plane(tint, chroma, quantized))
    back = ops.concatenate([bright, tint - 128.0], axis=-1)
    return stored(ops.matmul(back, ops.cast(_TO_RGB.T, x.dtype)))


def cosines(size: int) -> np.ndarray:
    """The orthonormal DCT-II as a matrix (size, size)."""
    rows, columns = np.arange(size)[:, None], np.arange(size)[None, :]
    matrix = np.cos(np.pi * (columns + 0.5) * rows / size) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def _plane(x: Any, table: np.ndarray, quantized: Change) -> Any:
    """Channels, each for itself, through the blocks of cosines and back."""
    height, width, channels = x.shape[1:]
    x = _padded(x, BLOCK) - 128.0
    rows, columns = x.shape[1] // BLOCK, x.shape[2] // BLOCK
    basis = ops.cast(cosines(BLOCK), x.dtype)
    steps = ops.cast(table[:, :, None], x.dtype)
    blocks = ops.reshape(x, (-1, rows, BLOCK, columns, BLOCK, channels))
    waves = ops.einsum("ui,nricjk,vj->nrcuvk", basis, blocks, basis)
    kept = quantized(waves / steps) * steps
    blocks = ops.einsum("ui,nrcuvk,vj->nricjk", basis, kept, basis)
    return ops.reshape(blocks, (-1, rows * BLOCK, columns * BLOCK, channels))[:, :height, :width] + 128.0


def _padded(x: Any, multiple: int) -> Any:
    """The last row and column repeated until the sides are multiples of a number."""
    for axis in (1, 2):
        side = x.shape[axis]
        if side % multiple:
            places = np.minimum(np.arange(side + (-side) % multiple), side - 1).astype("int32")
            x = ops.take(x, places, axis=axis)
    return x


def _halved(x: Any) -> Any:
    """Means of 2 x 2 values."""
    x = _padded(x, 2)
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4.0


def _doubled(x: Any) -> Any:
    """Twice as many values along both axes, three quarters of the nearest and one of the next, as libjpeg does."""
    for axis in (1, 2):
        side = x.shape[axis]
        places = np.arange(side)
        before, after = np.maximum(places - 1, 0).astype("int32"), np.minimum(places + 1, side - 1).astype("int32")
        left = 0.75 * x + 0.25 * ops.take(x, before, axis=axis)
        right = 0.75 * x + 0.25 * ops.take(x, after, axis=axis)
        shape = list(x.shape[1:])
        shape[axis - 1] *= 2
        x = ops.reshape(ops.stack([left, right], axis=axis + 1), (-1, *shape))
    return x
