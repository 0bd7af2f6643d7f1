"""The kernels of a network as matrices, for what keeps them near orthogonal."""

from typing import Any

import keras
from keras import ops

from turtlenet.errors import SettingError

_KINDS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def kernels_of(network: keras.Model) -> list[Any]:
    """The trainable kernels of dense layers and convolutions, without depthwise ones, in the order of the layers."""
    layers = [each for each in network._flatten_layers() if isinstance(each, _KINDS)]
    # What Keras itself quantized, or adapts by LoRA, has no variable for a kernel.
    kernels = [layer.kernel for layer in layers if layer.built and isinstance(layer.kernel, keras.Variable)]
    return list({id(kernel): kernel for kernel in kernels if kernel.trainable}.values())


def check_kernels(network: keras.Model, wrapper: str) -> list[Any]:
    """The kernels of `kernels_of`, of which there must be some.

    Raises:
        SettingError: The network has no such kernel.
    """
    found = kernels_of(network)
    if not found:
        raise SettingError(f"Expected a dense layer or a convolution to train for {wrapper}; got none.")
    return found


def as_matrix(kernel: Any) -> Any:
    """The values (inputs of a unit, units), float32: W' of the equation y = W x."""
    return ops.reshape(ops.cast(kernel.value, "float32"), (-1, kernel.shape[-1]))


def gram(matrix: Any) -> Any:
    """The smaller of W'W and WW': both have the same eigenvalues but for 0."""
    rows, columns = matrix.shape
    across = ops.transpose(matrix)
    return ops.matmul(across, matrix) if columns <= rows else ops.matmul(matrix, across)
