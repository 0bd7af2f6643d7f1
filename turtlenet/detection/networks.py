"""Small networks that a detector learns: a function of arrays and inputs, trained on arrays and kept as arrays."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend

Function = Callable[[Sequence[Any], Any], Any]
"""Maps arrays and inputs (batch, ...) to outputs, written in `keras.ops`."""


def convolved(x: Any, kernel: Any, bias: Any) -> Any:
    """A convolution that keeps the sides of images (batch, height, width, channels)."""
    return ops.conv(x, kernel, padding="same", data_format="channels_last") + bias


def drawn(shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Weights to begin with, after Glorot, and biases of 0: the same on every backend.

    Args:
        shapes: A vector is a bias; else the last two axes are inputs and outputs.
        seed: Repeats the draws.
    """
    generator = np.random.default_rng(seed)
    arrays = []
    for shape in shapes:
        field = float(np.prod(shape[:-2]))
        edge = np.sqrt(6 / (field * (shape[-2] + shape[-1]))) if len(shape) > 1 else 0.0
        arrays.append(generator.uniform(-edge, edge, shape).astype("float32"))
    return arrays


def trained(
    function: Function,
    arrays: Sequence[np.ndarray],
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    loss: Any,
    rate: float = 0.001,
) -> list[np.ndarray]:
    """The arrays after a step of Adam on each batch.

    Args:
        function: The network.
        arrays: Where it begins.
        batches: Inputs and targets, all of the same size.
        loss: A loss of Keras.
        rate: The learning rate.
    """
    network = _Network(function, arrays)
    network.compile(keras.optimizers.Adam(rate), loss, jit_compile=backend.uses_xla())
    for x, y in batches:
        network.train_on_batch(x, y)
    return network.get_weights()


class _Network(keras.Model):
    """A function and its arrays, as a model that Keras trains."""

    def __init__(self, function: Function, arrays: Sequence[np.ndarray]):
        super().__init__(name="network")
        self.function = function
        self.parts = [self.add_weight(shape=each.shape, name=f"part_{place}") for place, each in enumerate(arrays)]
        self.built = True
        self.set_weights(arrays)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.function(self.parts, x)
