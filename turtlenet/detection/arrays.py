"""Arrays as texts, so that a detector with learned weights stays frozen data that goes to JSON."""

import base64
import binascii
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

_MOST = 2**26


def pack(array: Any) -> str:
    """An array as its shape and the base64 of its float32 values, little-endian.

    >>> pack([[1.0, 2.0]])
    '1x2:AACAPwAAAEA='
    """
    values = np.asarray(array, "<f4")
    return f"{'x'.join(map(str, values.shape))}:{base64.b64encode(values.tobytes()).decode()}"


def unpack(text: str) -> np.ndarray:
    """The array of a text, float32.

    Raises:
        ValueError: No such text, another number of values than the shape says, or one that is not finite.

    >>> unpack("1x2:AACAPwAAAEA=").tolist()
    [[1.0, 2.0]]
    """
    sides, colon, code = str(text).partition(":")
    try:
        shape = tuple(int(side) for side in sides.split("x")) if sides else ()
        values = np.frombuffer(base64.b64decode(code, validate=True), "<f4").astype("float32")
    except (ValueError, binascii.Error):
        raise ValueError("an array of the detector that cannot be read") from None
    if not colon or min(shape, default=1) < 1 or math.prod(shape) != len(values) or len(values) > _MOST:
        raise ValueError(f"an array of shape {sides[:40]} of the detector with {len(values):,} values")
    if not np.isfinite(values).all():
        raise ValueError("numbers of the detector that are not finite")
    return values.reshape(shape)


def packed(arrays: Iterable[Any]) -> tuple[str, ...]:
    """Several arrays as texts."""
    return tuple(map(pack, arrays))


def unpacked(texts: Iterable[str]) -> list[np.ndarray]:
    """The arrays of several texts; see `unpack`."""
    return [unpack(text) for text in texts]


def shapes_of(texts: Iterable[str]) -> list[tuple[int, ...]]:
    """The shapes of the arrays of several texts."""
    return [each.shape for each in unpacked(texts)]
