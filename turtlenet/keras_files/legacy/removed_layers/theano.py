"""Convolutions and pooling with the `same` padding of Keras on Theano.

There, a convolution has half a kernel of padding on each side, whatever the stride. TensorFlow pads as much as the
stride leaves over, the smaller part first. They agree where the kernel is odd and the stride 1.
"""

from typing import Any

import keras
from keras import layers, ops

from turtlenet.keras_files.legacy.removed_layers.bias import CHANNELS_FIRST


class _Convolution:
    """Pads before it convolves, and is `valid` itself; its config says `same`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"padding": "valid"})

    def call(self, inputs: Any) -> Any:
        return super().call(ops.pad(inputs, self._margins()))  # type: ignore[misc]

    def compute_output_shape(self, input_shape: Any) -> Any:
        pairs = zip(input_shape, self._margins(), strict=True)
        padded = tuple(size if size is None else size + sum(margin) for size, margin in pairs)
        return super().compute_output_shape(padded)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"padding": "same"}  # type: ignore[misc]

    def _margins(self) -> list[tuple[int, int]]:
        own: Any = self
        reaches = [(size - 1) * step for size, step in zip(own.kernel_size, own.dilation_rate, strict=True)]
        return _axes(own, [((reach + 1) // 2, reach // 2) for reach in reaches], (0, 0))


class _Transposed:
    """Undoes such a convolution: its output begins half a kernel within the whole one."""

    def call(self, inputs: Any) -> Any:
        own: Any = self
        outputs = ops.conv_transpose(inputs, own.kernel, own.strides, "valid", data_format=own.data_format)
        extra = [step - 1 for step in own.strides] if own.output_padding is None else own.output_padding
        slices, margins = [], []
        for size, step, more in zip(own.kernel_size, own.strides, extra, strict=True):
            beyond = max(size, step) - size // 2 - 1 - more
            slices.append(slice(size // 2, -beyond if beyond > 0 else None))
            margins.append((0, max(-beyond, 0)))
        outputs = ops.pad(outputs[tuple(_axes(own, slices, slice(None)))], _axes(own, margins, (0, 0)))
        if own.use_bias:
            # The bias first: as the second, `ops.add` may take it for one of the last axis.
            outputs = ops.add(ops.reshape(own.bias, _axes(own, [1] * len(slices), 1, -1)), outputs)
        return outputs if own.activation is None else own.activation(outputs)


class _Pooling:
    """Windows begin up to a pool's size before the input; what is beyond its end is dropped."""

    def call(self, inputs: Any) -> Any:
        own: Any = self
        shape = ops.shape(inputs)
        axes = range(2, len(shape)) if own.data_format == "channels_first" else range(1, len(shape) - 1)
        sides = [size - 2 if size > 2 and size % 2 else size - 1 for size in own.pool_size]
        outputs = self._pooled(inputs, _axes(own, [(side, side) for side in sides], (0, 0)))
        ends = [slice(-(-shape[axis] // step)) for axis, step in zip(axes, own.strides, strict=True)]
        return outputs[tuple(_axes(own, ends, slice(None)))]

    def _pooled(self, inputs: Any, margins: list[tuple[int, int]]) -> Any:
        own: Any = self
        padded = ops.pad(inputs, margins, constant_values=float("-inf"))
        return ops.max_pool(padded, own.pool_size, own.strides, "valid", own.data_format)


class _Average(_Pooling):
    """Averages over what is not padding.

    Args:
        count_padding: Whether padding counts as zeros, as in Keras 2.0.4 to 2.1.4.
    """

    def __init__(self, count_padding: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count_padding = count_padding

    def _pooled(self, inputs: Any, margins: list[tuple[int, int]]) -> Any:
        own: Any = self
        settings = (own.pool_size, own.strides, "valid", own.data_format)
        averages = ops.average_pool(ops.pad(inputs, margins), *settings)
        if self.count_padding:
            return averages
        return averages / ops.average_pool(ops.pad(ops.ones_like(inputs), margins), *settings)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"count_padding": self.count_padding}  # type: ignore[misc]


def _axes(layer: Any, space: list[Any], batch: Any, channels: Any = None) -> list[Any]:
    """One entry for each axis of a layer's input, in its order of dimensions; the channels get that of the batch."""
    channels = batch if channels is None else channels
    return [batch, channels, *space] if layer.data_format == "channels_first" else [batch, *space, channels]


def _made(mixin: type, kind: type) -> str:
    """Registers a stand-in; one of a stand-in has a name made of both."""
    known = keras.saving.get_registered_name(kind).removeprefix("turtlenet>")
    # Weights in a `.keras` archive go by the class's own name: that stays.
    made = type(kind.__name__, (mixin, kind), {"__doc__": mixin.__doc__})
    keras.saving.register_keras_serializable(package="turtlenet", name=f"Theano{known}")(made)
    return f"turtlenet>Theano{known}"


_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
_TRANSPOSED = ("Conv2DTranspose", "Conv3DTranspose")

# The name under which a stand-in is registered, by the class that it stands for.
HALF_PADDED = {
    **{name: _made(_Convolution, getattr(layers, name)) for name in _CONVOLUTIONS},
    **{name: _made(_Transposed, getattr(layers, name)) for name in _TRANSPOSED},
    **{name: _made(_Pooling, getattr(layers, name)) for name in ("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")},
    **{name: _made(_Average, getattr(layers, name)) for name in ("AveragePooling1D", "AveragePooling2D")},
    "AveragePooling3D": _made(_Average, layers.AveragePooling3D),
}
HALF_PADDED |= {
    CHANNELS_FIRST[name]: _made(_Convolution, keras.saving.get_registered_object(CHANNELS_FIRST[name]))
    for name in _CONVOLUTIONS
}
HALF_PADDED |= {CHANNELS_FIRST[name]: HALF_PADDED[name] for name in _TRANSPOSED}
