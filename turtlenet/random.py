"""Random draws that belong to an example, not to its batch.

Threefry-2x32 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") turns a key and a counter into bits.
An example's key comes from the seed and the example's index; so batch size, order, sharding and resumption change
nothing, and every backend draws the same numbers. Keys are uint32 tensors of shape (batch, 2).

>>> first, both = keys(0, [5]), keys(0, [4, 5])  # Example 5 draws the same, alone or in a batch.
>>> bool(ops.all(uniform(first, (3,))[0] == uniform(both, (3,))[1]))
True
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.typing import Keys, Shape, Tensor

__all__ = ["bits", "fold_in", "following", "keys", "normal", "rademacher", "root", "signs", "uniform"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
# The second word of a counter: draws and derived keys never share a counter.
_DRAW, _FOLD = 0, 1


def keys(seed: Any, index: Tensor) -> Tensor:
    """Gives each example its key.

    Args:
        seed: The run's seed: an int, or the two words that `root` makes of one.
        index: Integer tensor of shape (batch,): the examples' places in the data set.

    Returns:
        uint32 tensor of shape (batch, 2).
    """
    words = root(seed) if isinstance(seed, int) else seed
    counter = ops.cast(index, "uint32")
    return ops.stack(_threefry(_word(words[0]), _word(words[1]), counter, ops.zeros_like(counter)), axis=-1)


def root(seed: int) -> np.ndarray:
    """Splits a seed of up to 64 bits into two uint32 words, so that it can be an argument of a compiled function."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], "uint32")


def fold_in(key: Keys, number: Tensor) -> Tensor:
    """Derives other keys, one for each number.

    Args:
        key: Keys, uint32 (batch, 2).
        number: An integer, or an integer tensor of shape (batch,).

    Returns:
        Keys, uint32 (batch, 2).
    """
    word = ops.zeros_like(key[:, 0]) + _word(number)
    return ops.stack(_threefry(key[:, 0], key[:, 1], word, ops.full_like(word, _FOLD)), axis=-1)


def following(key: Keys) -> Tensor:
    """The keys of the next attempt after the one that `key` was for."""
    return fold_in(key, 0x6E657874)


def bits(key: Keys, shape: Shape) -> Tensor:
    """Draws random bits; the other draws are made of these.

    Args:
        key: The examples' keys, uint32 (batch, 2).
        shape: What to draw for each example.

    Returns:
        Words, uint32 (batch, *shape).
    """
    count = math.prod(shape)
    half = (count + 1) // 2
    counter = ops.cast(ops.arange(half, dtype="int32"), "uint32")[None, :]
    words = _threefry(key[:, :1], key[:, 1:], counter, ops.full_like(counter, _DRAW))
    return ops.reshape(ops.concatenate(words, axis=1)[:, :count], (-1, *shape))


def uniform(key: Keys, shape: Shape, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draws float32 numbers of shape (batch, *shape), uniform in [low, high)."""
    # 24 bits fill a float32's mantissa exactly, so 1 is never reached.
    unit = ops.cast(ops.right_shift(bits(key, shape), _word(8)), "float32") * 2.0**-24
    return low + (high - low) * unit


def normal(key: Keys, shape: Shape) -> Tensor:
    """Draws standard normal float32 numbers of shape (batch, *shape)."""
    # Half a step away from 0 and 1, where the inverse of the distribution is infinite. TensorFlow adds 1 before it
    # inverts, which rounds the last number below 1 to it.
    centered = ops.minimum(2.0 * uniform(key, shape) - 1.0 + 2.0**-24, 1.0 - 2.0**-23)
    return math.sqrt(2.0) * ops.erfinv(centered)


def rademacher(key: Keys, shape: Shape) -> Tensor:
    """Draws -1 or +1 as float32 of shape (batch, *shape)."""
    return 2.0 * ops.cast(ops.right_shift(bits(key, shape), _word(31)), "float32") - 1.0


def signs(key: Keys, shape: Shape) -> Tensor:
    """Draws -1 or +1 as float32 of shape (batch, *shape), 32 of a word: a tenth of what `rademacher` costs."""
    count = math.prod(shape)
    words = bits(key, (-(-count // 32),))[:, :, None]
    places = ops.cast(ops.arange(32, dtype="int32"), "uint32")
    tosses = ops.bitwise_and(ops.right_shift(words, places), _word(1))
    flat = ops.reshape(tosses, (-1, words.shape[1] * 32))[:, :count]
    return ops.reshape(2.0 * ops.cast(flat, "float32") - 1.0, (-1, *shape))


def _word(value: Any) -> Tensor:
    return ops.cast(value, "uint32")


def _rotate(word: Tensor, places: int) -> Tensor:
    return ops.bitwise_or(backend.word(ops.left_shift(word, _word(places))), ops.right_shift(word, _word(32 - places)))


def _rounds(key0: Tensor, key1: Tensor, count0: Tensor, count1: Tensor) -> tuple[Tensor, Tensor]:
    """Twenty rounds of Threefry-2x32; arguments are uint32 and broadcast."""
    schedule = (key0, key1, ops.bitwise_xor(ops.bitwise_xor(key0, key1), _word(_PARITY)))
    x0, x1 = backend.word(count0 + key0), backend.word(count1 + key1)
    for group in range(5):
        for places in _ROTATIONS[group % 2]:
            x0 = backend.word(x0 + x1)
            x1 = ops.bitwise_xor(_rotate(x1, places), x0)
        x0 = backend.word(x0 + schedule[(group + 1) % 3])
        x1 = backend.word(x1 + schedule[(group + 2) % 3] + _word(group + 1))
    return x0, x1


@functools.cache
def _one_operation() -> Callable[..., Any]:
    # Not at the import: Keras, while the seam imports it, has the defences imported, and these import this file.
    return backend.elementwise(_rounds)


def _threefry(*words: Tensor) -> Any:
    """Threefry-2x32 of a key and a counter, two words each; see `_rounds`."""
    return _one_operation()(*words)
