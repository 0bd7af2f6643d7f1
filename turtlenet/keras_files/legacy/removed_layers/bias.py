"""Convolutions with the channels first, whose bias goes to the channels.

Keras 3 adds it with `ops.add`, which on TensorFlow takes the last axis for that of the channels where that happens to
be as long: a convolution of 32x32 images to 32 channels would shift columns, not channels.
"""

from typing import Any

import keras
from keras import layers, ops


class _BiasOfChannels:
    """Any convolution: what it does without a bias and an activation, then these."""

    def call(self, inputs: Any) -> Any:
        # Straight into the dictionary: a built layer may not be given layers, which an activation can be.
        own = vars(self)
        bare = {"use_bias": False, "activation": None}
        kept = {key: own[key] for key in bare}
        own.update(bare)
        try:
            outputs = super().call(inputs)  # type: ignore[misc]
        finally:
            own.update(kept)
        if kept["use_bias"]:
            bias = ops.reshape(own["bias"], (1, -1, *[1] * (len(outputs.shape) - 2)))
            outputs = ops.add(bias, outputs)
        return outputs if kept["activation"] is None else kept["activation"](outputs)


def _made(name: str) -> str:
    made = type(name, (_BiasOfChannels, getattr(layers, name)), {"__doc__": _BiasOfChannels.__doc__})
    keras.saving.register_keras_serializable(package="turtlenet", name=f"ChannelsFirst{name}")(made)
    return f"turtlenet>ChannelsFirst{name}"


# The name under which a stand-in is registered, by the class that it stands for.
CHANNELS_FIRST = {
    name: _made(name)
    for name in (
        *("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    )
}
