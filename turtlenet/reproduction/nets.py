"""Networks with fresh weights, as rows of papers ask for them."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from turtlenet import models
from turtlenet.errors import SpecError

__all__ = ["build_net", "lenet_with_dropout"]


def build_net(told: Mapping[str, Any], shape: tuple[int, ...]) -> keras.Model:
    """A network with fresh weights.

    Args:
        told: `name` of an architecture; `learning_rate`, where it is compiled with Adam; `dropout` and `spread` of
            `lenet_with_dropout`; `wrapped`, the defences that it is put behind before it is trained.
        shape: Of an image.

    Raises:
        SpecError: It has no name, or one of no architecture.
    """
    if "dropout" in told:
        net = lenet_with_dropout(told["dropout"], told.get("spread", False))
    elif "name" in told:
        net = models.build(told["name"], input_shape=shape)
    else:
        raise SpecError(f"Expected the name of an architecture in the net of a row; got {dict(told)}.")
    if "learning_rate" in told:
        net.compile(keras.optimizers.Adam(told["learning_rate"]), "sparse_categorical_crossentropy")
    return models.wrap(net, told.get("wrapped", ()))


def lenet_with_dropout(rate: float, spread: bool = False) -> keras.Model:
    """LeNet-5 with batch normalization and dropout after each pooling and each hidden dense layer, as paper 001 needs.

    The paper names neither. Without the normalization its binarized rows do not learn: sums of up to 400 weights of -1
    and +1 pass on through five layers and reach the softmax in tens of thousands.

    Args:
        rate: Of the dropout.
        spread: Whether weights begin spread over [-0.3, 0.3]. Those that Keras begins with are all below 0.25, which
            two bits round to 0: nothing passes through such a net, and nothing is ever learned. Of 0.3, 0.5 and 1, 0.3
            learned fastest, on 6,000 training images.
    """
    plain = models.build("lenet")
    x = plain.inputs[0]
    for layer in plain.layers[1:]:
        settings = layer.get_config()
        if spread and "kernel_initializer" in settings:
            settings["kernel_initializer"] = keras.initializers.RandomUniform(-0.3, 0.3)
        x = type(layer).from_config(settings)(x)
        hidden = isinstance(layer, layers.Dense) and layer is not plain.layers[-1]
        if hidden or isinstance(layer, layers.MaxPooling2D):
            x = layers.BatchNormalization()(x)
            x = layers.Dropout(rate)(x) if rate else x
    return keras.Model(plain.inputs, x, name="lenet_dropout")
