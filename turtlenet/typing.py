"""Names for what annotations cannot say yet: Keras has no type for a tensor that every backend shares.

The docstring of a function gives shapes and dtypes; these names say what kind of thing stands there.
"""

from typing import Any, TypeAlias

__all__ = ["Interval", "Keys", "Labels", "Shape", "State", "Tensor"]

Tensor: TypeAlias = Any
"""A tensor of Keras's backend, or what it makes one of: an array or a number."""

Labels: TypeAlias = Any
"""Class numbers, an int32 tensor of shape (batch,)."""

Keys: TypeAlias = Any
"""The examples' keys for `turtlenet.random`, a uint32 tensor of shape (batch, 2)."""

State: TypeAlias = tuple[Any, ...]
"""What a loop carries from one iteration to the next: tensors, each of shape (batch, ...)."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of an input, without its batch."""

Interval: TypeAlias = tuple[float, float]
"""The lower and the upper end of a 95 % interval."""
