"""Squares within images, each example's at a place of its own.

An image is (batch, height, width, channels) here. Inputs of other ranks are seen as one: a vector as the squarest
rectangle of its values.
"""

import math

import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.typing import Keys, Shape, Tensor


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of inputs of a shape without its batch."""
    if len(shape) == 1:
        height = next(side for side in range(math.isqrt(shape[0]), 0, -1) if shape[0] % side == 0)
        return height, shape[0] // height, 1
    return shape[0], shape[1], math.prod(shape[2:])


def as_image(x: Tensor) -> Tensor:
    """Inputs as images."""
    return ops.reshape(x, (-1, *image_shape(x.shape[1:])))


def window(draws: Tensor, side: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """A square at a uniform place: the paper's corners reach the last row, which its code leaves out.

    Args:
        draws: Uniform in [0, 1), float32 (batch, 2).
        side: Of the square, int32; a side that the image does not have is cut to it.
        shape: Height, width and channels.

    Returns:
        1 within and 0 outside, float32 (batch, height, width, 1), and where each pixel lies in the square: its row
        (batch, height) and column (batch, width), int32.
    """
    lines = []
    for axis in (0, 1):
        free = ops.cast(ops.maximum(shape[axis] - side, 0) + 1, "float32")
        corner = ops.cast(ops.floor(draws[:, axis : axis + 1] * free), "int32")
        lines.append(ops.arange(shape[axis], dtype="int32")[None, :] - corner)
    rows, columns = (ops.cast(ops.logical_and(line >= 0, line < side), "float32") for line in lines)
    return (rows[:, :, None] * columns[:, None, :])[..., None], tuple(lines)


def signs(draws: Tensor) -> Tensor:
    """-1 or +1 for each channel, (batch, 1, 1, channels), from uniform draws (batch, channels)."""
    return (2.0 * ops.cast(draws < 0.5, "float32") - 1.0)[:, None, None, :]


def bumps(sizes: np.ndarray, norm: str) -> np.ndarray:
    """The pattern of a square for each size: one half up, one half down; float32 (sizes, widest, widest)."""
    widest = int(max(sizes))
    table = np.zeros((len(sizes), widest, widest), "float32")
    for number, side in enumerate(sizes):
        table[number, :side, :side] = _bump(int(side), norm)
    return table


def placed(table: np.ndarray, stage: Tensor, corner: tuple[Tensor, Tensor], turned: Tensor, shape: Shape) -> Tensor:
    """Each example's pattern at its place, float32 (batch, height, width, 1); only its square is of any use.

    Args:
        table: See `bumps`.
        stage: Which of them, int32.
        corner: See `window`.
        turned: Whether rows and columns change places, booleans (batch,).
        shape: Height, width and channels.
    """
    widest = table.shape[1]
    rows, columns = (ops.clip(line, 0, widest - 1) for line in corner)
    rows, columns = rows[:, :, None], columns[:, None, :]
    place = ops.where(turned[:, None, None], columns * widest + rows, rows * widest + columns)
    pattern = ops.take(ops.reshape(ops.convert_to_tensor(table), (len(table), -1)), stage, axis=0)
    return ops.take(pattern, place)[..., None]


def tiles(key: Keys, shape: Shape, norm: str) -> Tensor:
    """Five by five bumps over the whole image, each turned and signed at random; (batch, height, width, channels)."""
    height, width, channels = shape
    side = max(min(height, width) // 5, 1)
    down, across = height // side, width // side
    number = np.full((height, width), down * across, "int32")
    top, left = (height - down * side) // 2, (width - across * side) // 2
    grid = np.arange(down * across, dtype="int32").reshape(down, across)
    number[top : top + down * side, left : left + across * side] = np.kron(grid, np.ones((side, side), "int32"))
    bump = _bump(side, norm)
    upright, turned = (_tiled(pattern, number, top, left, down, across) for pattern in (bump, bump.T))
    draws = random.uniform(key, (down * across + 1, 1 + channels))
    each = ops.take(draws, ops.convert_to_tensor(number), axis=1)
    pattern = ops.where(each[..., :1] > 0.5, turned[..., None], upright[..., None])
    return pattern * (2.0 * ops.cast(each[..., 1:] < 0.5, "float32") - 1.0)


def _tiled(bump: np.ndarray, number: np.ndarray, top: int, left: int, down: int, across: int) -> np.ndarray:
    whole = np.zeros(number.shape, "float32")
    side = len(bump)
    whole[top : top + down * side, left : left + across * side] = np.tile(bump, (down, across))
    return whole


def _bump(side: int, norm: str) -> np.ndarray:
    """One half of a square up and one half down, of length 1 (Andriushchenko et al., 2020, section 3.3)."""
    upper = side // 2
    whole = np.zeros((side, side))
    whole[:upper], whole[upper:] = _hill(upper, side, norm), -_hill(side - upper, side, norm)
    return (whole / _norm(whole, norm)).astype("float32")


def _hill(height: int, width: int, norm: str) -> np.ndarray:
    """A rectangle whose values fall from its middle in steps, of length 1."""
    # In L1 the hill is steeper: most of it is in few pixels.
    power = 2 if norm == "l2" else 4
    steps = np.append(np.cumsum(1.0 / np.arange(max(height, width) // 2 + 1, 0, -1) ** power)[::-1], 0.0)
    rows, columns = np.abs(np.arange(height) - height // 2), np.abs(np.arange(width) - width // 2)
    hill = steps[np.maximum(rows[:, None], columns[None, :])]
    return hill / _norm(hill, norm) if height else hill


def _norm(values: np.ndarray, norm: str) -> float:
    return float(np.abs(values).sum() if norm == "l1" else np.sqrt(np.square(values).sum()))
