"""Locally connected layers: a convolution with a kernel of its own at every place.

Three forms of the kernel were saved, by `implementation`. Here all become one: weights (places, taps, filters) that
meet the inputs (places, taps), so that nothing is multiplied that is not connected.
"""

import itertools
from typing import Any

import keras
import numpy as np
from keras import activations, layers, ops

from turtlenet.keras_files.legacy.removed_layers.weighted import Weighted

_registered = keras.saving.register_keras_serializable(package="turtlenet")


class _LocallyConnected(Weighted):
    """Arguments as in Keras 2; takes a batch with `rank` axes in space and one of channels.

    Args:
        filters: Number of outputs at a place.
        kernel_size, strides: Numbers, or lists of `rank` numbers.
        padding: `valid`, or `same` where `implementation` is 2 or 3.
        data_format: `channels_last` or `channels_first`.
        implementation: Form of the saved kernel. 1: (places, taps, filters); 2: (*inputs, *outputs), where what is not
            connected counts as zero; 3: (connections,), sorted by output and then by input.
    """

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_bias, **kwargs)
        self.filters = filters
        self.kernel_size = _numbers(kernel_size, self.rank)
        self.strides = _numbers(strides, self.rank)
        self.padding = padding.lower()
        self.data_format = data_format or keras.config.image_data_format()
        self.activation = activations.get(activation)
        self.implementation = implementation
        self.input_spec = layers.InputSpec(ndim=self.rank + 2)
        if implementation not in (1, 2, 3) or self.padding not in ("valid", "same")[: 1 + (implementation > 1)]:
            raise ValueError(
                f"Expected implementation 1 with padding 'valid', or 2 or 3 with 'valid' or 'same'; got "
                f"implementation {implementation!r} with {padding!r}."
            )

    def build(self, input_shape: Any) -> None:
        space, channels = self._split(input_shape)
        places = self._places(space)
        inputs, outputs = self._join(space, channels), self._join(places, self.filters)
        # Where each tap reads, in the flat input; -1 outside of it.
        self._reads = self._connections(space, channels, places)
        if self.implementation == 1:
            shape: tuple[int, ...] = (*self._reads.shape, self.filters)
        elif self.implementation == 2:
            shape = (*inputs, *outputs)
        else:
            shape = (int((self._reads >= 0).sum()) * self.filters,)
        self._slots = self._kernel_slots(int(np.prod(outputs)))
        self.kernel = self.add_kernel(shape)
        self.bias = self.add_bias((*places, self.filters)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        _, *sizes = self.compute_output_shape((None, *inputs.shape[1:]))
        flat = ops.reshape(inputs, (-1, int(np.prod(inputs.shape[1:]))))
        taps = ops.take(flat, np.maximum(self._reads, 0), axis=1)
        kernel = ops.convert_to_tensor(self.kernel)
        if self.implementation > 1:
            kernel = ops.take(ops.reshape(kernel, (-1,)), np.maximum(self._slots, 0), axis=0)
            kernel = kernel * ops.cast(self._slots >= 0, kernel.dtype)
        first = self.data_format == "channels_first"
        outputs = ops.reshape(ops.einsum("bpt,pto->bop" if first else "bpt,pto->bpo", taps, kernel), (-1, *sizes))
        if self.bias is not None:
            # With the channels first, Keras 2 reshapes the bias and does not transpose it.
            outputs = outputs + ops.reshape(self.bias, (1, *sizes))
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self._join(self._places(self._split(input_shape)[0]), self.filters))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "activation": activations.serialize(self.activation),
            "implementation": self.implementation,
        }

    def _split(self, shape: Any) -> tuple[tuple[int, ...], int]:
        """The sizes in space, and the number of channels."""
        space, channels = (shape[2:], shape[1]) if self.data_format == "channels_first" else (shape[1:-1], shape[-1])
        if None in space or channels is None:
            raise ValueError(f"Expected an input of known size, each place having its own weights; got {shape}.")
        return tuple(space), channels

    def _join(self, space: tuple[Any, ...], channels: Any) -> tuple[Any, ...]:
        return (channels, *space) if self.data_format == "channels_first" else (*space, channels)

    def _places(self, space: tuple[int, ...]) -> tuple[int, ...]:
        lost = [size - 1 if self.padding == "valid" else 0 for size in self.kernel_size]
        return tuple(-(-(n - less) // step) for n, less, step in zip(space, lost, self.strides, strict=True))

    def _connections(self, space: tuple[int, ...], channels: int, places: tuple[int, ...]) -> Any:
        """Indices (places, taps) into the flat input, ascending; -1 outside."""
        numbers = np.arange(np.prod(space) * channels).reshape(self._join(space, channels))
        # `same` centers the kernel on each place times the stride, unlike a convolution.
        before = [size // 2 if self.padding == "same" else 0 for size in self.kernel_size]
        margins = [(less, size) for less, size in zip(before, self.kernel_size, strict=True)]
        numbers = np.pad(numbers, self._join(tuple(margins), (0, 0)), constant_values=-1)
        rows = []
        for place in itertools.product(*map(range, places)):
            starts = [at * step for at, step in zip(place, self.strides, strict=True)]
            window = tuple(slice(at, at + size) for at, size in zip(starts, self.kernel_size, strict=True))
            rows.append(numbers[self._join(window, slice(None))].ravel())
        return np.stack(rows)

    def _kernel_slots(self, outputs: int) -> Any:
        """Where each weight (places, taps, filters) lies in the flat saved kernel; -1 where there is none."""
        places = len(self._reads)
        numbers = np.arange(outputs)
        first = self.data_format == "channels_first"
        writes = numbers.reshape(self.filters, places).T if first else numbers.reshape(places, self.filters)
        reads, writes = np.broadcast_arrays(self._reads[:, :, None], writes[:, None, :])
        if self.implementation == 2:
            return np.where(reads >= 0, reads * outputs + writes, -1)
        slots = np.full(reads.shape, -1)
        found = np.nonzero(reads >= 0)
        order = np.lexsort((reads[found], writes[found]))
        ranks = np.empty(len(order), int)
        ranks[order] = np.arange(len(order))
        slots[found] = ranks
        return slots


@_registered
class LocallyConnected1D(_LocallyConnected):
    """A convolution of sequences with a kernel of its own at every step, of Keras 1 and 2.

    Takes (batch, steps, channels) and gives (batch, new steps, filters), or with the channels second. The bias is
    (new steps, filters) in both orders.
    """

    rank = 1


@_registered
class LocallyConnected2D(_LocallyConnected):
    """A convolution of images with a kernel of its own at every place, of Keras 1 and 2.

    Takes (batch, rows, columns, channels) and gives (batch, new rows, new columns, filters), or with the channels
    second. The bias is (new rows, new columns, filters) in both orders.
    """

    rank = 2


def _numbers(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)
