"""A layer's arrays, from the order and form of an older Keras to those of the Keras 3 layer."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.keras1 import data_format
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.rules import Json

Arrays = list[np.ndarray]
Shapes = Sequence[tuple[int, ...]]

# Theano convolves, TensorFlow and the rest correlate: the same numbers, with the kernel turned over in space. Keras 2
# turned Conv1D to 3D, Conv2DTranspose and ConvLSTM2D. It forgot Conv3DTranspose, which runs on the same gradient of a
# convolution. Not turned: a SeparableConv's and a DepthwiseConv's kernel, which Keras's Theano backend itself turned
# over before it convolved, and locally connected layers, which multiply matrices.
_CONVOLVED = frozenset(
    (
        *("Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"),
        *("AtrousConv1D", "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D"),
        *("Conv2DTranspose", "Conv3DTranspose", "Deconv2D", "Deconvolution2D"),
    )
)


def convert(class_name: str, config: Json, arrays: Sequence[np.ndarray], era: KerasVersion, shapes: Shapes) -> Arrays:
    """Brings a layer's arrays to the layer that Keras 3 builds in its place.

    Args:
        class_name: The layer's class, by the name in the file.
        config: Its config, as it stands in the file.
        arrays: Its arrays, in the order of the file. Keras 1 named a variance `running_std`; it is one in all files
            that hold a whole model (1.0.7 and later).
        era: What wrote the file.
        shapes: What the Keras 3 layer wants, in its order.

    Raises:
        ModelError: Arrays that do not fit.
    """
    given = [np.asarray(array) for array in arrays]
    inner = config.get("layer")
    if class_name in ("TimeDistributed", "Bidirectional") and isinstance(inner, dict):
        return _wrapped(class_name, inner, given, era, shapes)
    change = _CHANGES.get(class_name)
    try:
        result = change(class_name, config, given, era, shapes) if change else given
    except (IndexError, ValueError):
        result = []
    if len(result) != len(shapes) or not all(
        array.shape == tuple(shape) if change else array.size == prod(shape)
        for array, shape in zip(result, shapes, strict=True)
    ):
        raise ModelError(
            f"Expected arrays of shapes {_listed(shapes)} for the {class_name} {config.get('name')!r}; "
            f"the file has {_listed([array.shape for array in given])}."
        )
    return result


def _listed(shapes: Shapes) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes) or "none"


def _wrapped(class_name: str, inner: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    """The arrays of a wrapped layer; those of the backward layer follow those of the forward layer."""
    name, config = str(inner.get("class_name")), inner.get("config")
    config = config if isinstance(config, dict) else {}
    if class_name == "TimeDistributed":
        return convert(name, config, arrays, era, shapes)
    held, wanted = len(arrays) // 2, len(shapes) // 2
    forward = convert(name, config, arrays[:held], era, shapes[:wanted])
    return forward + convert(name, config, arrays[held:], era, shapes[wanted:])


def _convolution(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    kernel, *rest = arrays
    if era.major == 1:
        kernel = _old_kernel(class_name, config, kernel, era, shapes[0])
    return [_turned(kernel) if era.backend == "theano" and era.major < 3 else kernel, *rest]


def _old_kernel(
    class_name: str, config: Json, kernel: np.ndarray, era: KerasVersion, wanted: tuple[int, ...]
) -> np.ndarray:
    if len(wanted) == 3:
        # A dimension of one, in the middle since Keras 1.1; (filters, input, length, 1) before.
        length, depth, filters = wanted
        return (kernel if kernel.shape == (length, 1, depth, filters) else _space_first(kernel))[:, 0]
    # Keras 1 wrote the kernel of the convolution that a deconvolution undoes the wrong way round: as one of its own.
    undone = class_name in ("Deconvolution2D", "Deconv2D")
    last, first = (each.swapaxes(-1, -2) if undone else each for each in (kernel, _space_first(kernel)))
    leads = data_format(config, era) == "channels_first"
    if "dim_ordering" not in config and (first.shape == wanted) is not (last.shape == wanted):
        # The user's own architecture does not say what the file's did.
        leads = first.shape == wanted
    return first if leads else last


def _space_first(kernel: np.ndarray) -> np.ndarray:
    """Brings (filters, input, space ...) to (space ..., input, filters)."""
    return np.moveaxis(kernel, (0, 1), (-1, -2))


def _turned(kernel: np.ndarray) -> np.ndarray:
    return np.flip(kernel, tuple(range(kernel.ndim - 2)))


def _separable(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    if era.major == 1 and data_format(config, era) == "channels_first":
        return [_space_first(array) for array in arrays[:2]] + arrays[2:]
    return arrays


def _conv_lstm(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    if era.major == 1 and data_format(config, era) == "channels_first":
        # Before the gates are joined: Keras 2 joined them first, along the wrong axis.
        arrays = [_space_first(array) if array.ndim == 4 else array for array in arrays]
    kernel, recurrent, *rest = _joined(arrays, "icfo", "ifco")
    if era.backend == "theano" and era.major < 3:
        kernel, recurrent = _turned(kernel), _turned(recurrent)
    return [kernel, recurrent, *rest]


def _lstm(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    arrays = _joined(arrays, "icfo", "ifco")
    if _is_cudnn(arrays, 4):
        kernel, recurrent, bias = arrays
        return [*_from_cudnn(kernel, recurrent, 4), bias.reshape(2, -1).sum(axis=0)]
    return arrays


def _gru(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    arrays = _joined(arrays, "zrh", "zrh")
    if _is_cudnn(arrays, 3):
        kernel, recurrent, bias = arrays
        return [*_from_cudnn(kernel, recurrent, 3), bias.reshape(2, -1)]
    return arrays


def _joined(arrays: Arrays, old: str, new: str) -> Arrays:
    """Joins kernel, recurrent kernel and bias, which Keras 1 kept for each gate unless it ran for a GPU."""
    if len(arrays) != 3 * len(old):
        return arrays
    return [np.concatenate([arrays[3 * old.index(gate) + part] for gate in new], axis=-1) for part in range(3)]


def _is_cudnn(arrays: Arrays, gates: int) -> bool:
    """CuDNN has a bias for the input and one for the state, in one row."""
    return len(arrays) == 3 and arrays[2].shape == (2 * gates * arrays[1].shape[0],)


def _from_cudnn(kernel: np.ndarray, recurrent: np.ndarray, gates: int) -> Arrays:
    """CuDNN multiplies from the left: for each gate, its numbers in a row are a (units, input) matrix."""
    kernels = [gate.reshape(gate.shape[::-1]).T for gate in np.split(kernel, gates, axis=1)]
    recurrents = [gate.T for gate in np.split(recurrent, gates, axis=1)]
    return [np.concatenate(kernels, axis=1), np.concatenate(recurrents, axis=1)]


def _highway(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    """Gives W, W_carry, b, b_carry; before Keras 1.2, each bias followed its kernel."""
    if len(arrays) == 4 and arrays[1].ndim == 1:
        return [arrays[0], arrays[2], arrays[1], arrays[3]]
    return arrays


def _spread(class_name: str, config: Json, arrays: Arrays, era: KerasVersion, shapes: Shapes) -> Arrays:
    """Keras 1 did not write down `shared_axes`; arrays with ones along them are repeated there instead."""
    return [
        np.broadcast_to(array, shape).copy() if array.ndim == len(shape) else array
        for array, shape in zip(arrays, shapes, strict=True)
    ]


Change = Callable[[str, Json, Arrays, KerasVersion, Shapes], Arrays]
_CHANGES: dict[str, Change] = {
    **dict.fromkeys(_CONVOLVED, _convolution),
    **dict.fromkeys(("SeparableConvolution2D", "SeparableConv2D"), _separable),
    "ConvLSTM2D": _conv_lstm,
    **dict.fromkeys(("LSTM", "CuDNNLSTM"), _lstm),
    **dict.fromkeys(("GRU", "CuDNNGRU"), _gru),
    "Highway": _highway,
    **dict.fromkeys(("PReLU", "SReLU", "ParametricSoftplus"), _spread),
}
