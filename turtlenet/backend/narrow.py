"""Gradients at an input through a network that computes in float16.

Float16 ends at 6e-8: the slope of a confident answer rounds to 0, and a pixel with a slope of 0 is not attacked. So
each example's slope at the logits is scaled up before it goes back through the network, and down again in float32
(loss scaling, Micikevicius et al., 2018, section 3.2, but for each example and by what the example needs).
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from turtlenet.backend.tensorflow import loop, pullback
elif keras.backend.backend() == "jax":
    from turtlenet.backend.jax import loop, pullback
else:
    from turtlenet.backend.torch import loop, pullback

_SIZE = 2.0**10
"""The largest slope at the logits after scaling: 6 powers of 2 are left above it, and 34 below."""
_SHRINK = 2.0**-6
_TRIES = 4


def wide_gradient(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same function, with a gradient at its input that neither vanishes nor overflows in float16.

    Args:
        fn: Maps float32 inputs (batch, ...) to float32 logits (batch, classes); called while a gradient is taken.
    """

    @ops.custom_gradient
    def call(x: Any) -> Any:
        y, back = pullback(fn, x)

        def gradient(*args: Any, upstream: Any = None, variables: Any = None) -> Any:
            slope = args[0] if upstream is None else upstream
            found = _scaled_back(fn, x, back, slope)
            # Nobody asks for the slope of weights here: training does not come this way.
            return (found, [None] * len(variables)) if variables else found

        return y, gradient

    return lambda x: call(ops.convert_to_tensor(x))


def _scaled_back(fn: Callable[[Any], Any], x: Any, back: Callable[[Any], Any], slope: Any) -> Any:
    largest = ops.max(ops.abs(slope), axis=-1, keepdims=True)
    unit = slope / ops.where(largest > 0, largest, ops.ones_like(largest))

    def again(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        found, size = state
        size = ops.where(_finite(found), size, size * _SHRINK)
        return pullback(fn, x)[1](unit * size), size

    first = ops.full_like(largest, _SIZE)
    state = (back(unit * first), first)
    _, (found, size) = loop(_TRIES, again, state, lambda state: ops.all(_finite(state[0])))
    return found * ops.reshape(largest / size, (-1,) + (1,) * (len(x.shape) - 1))


def _finite(slope: Any) -> Any:
    """Whether an example's slope is finite throughout, (batch, 1)."""
    flat = ops.reshape(slope, (ops.shape(slope)[0], -1))
    return ops.all(ops.isfinite(flat), axis=1, keepdims=True)
