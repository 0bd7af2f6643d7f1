"""What a layer of a model gives, as part of the graph that asks the model."""

import copy
import math
from typing import Any

import keras
from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, did_you_mean


def outputs_of(model: Classifier, x: Any, layer: str) -> Any:
    """What a layer gives for inputs, float32 (batch, ...): the mean over the draws of a random model.

    Args:
        model: The classifier; its way with gradients and its draws hold.
        x: Inputs, float32 (batch, ...).
        layer: The layer's name; empty for what the last dense layer is given.
    """
    found = _tensor(model, layer)
    shape = tuple(found.shape[1:])
    view = copy.copy(model)
    view.num_classes = math.prod(shape)
    view.model = keras.Model(model.model.input, found)
    return ops.reshape(ops.mean(view.each(x), axis=1), (-1, *shape))


def shape_of(model: Classifier, layer: str) -> tuple[int, ...]:
    """The shape of what a layer gives, without the batch; see `outputs_of`.

    Raises:
        ModelError: No such layer, one of an unknown size, or a model without a graph of layers.
    """
    return tuple(_tensor(model, layer).shape[1:])


def convolutions_of(model: Classifier) -> tuple[str, ...]:
    """The names of a model's convolutions of images, in their order."""
    return tuple(each.name for each in _layers(model) if isinstance(each, keras.layers.Conv2D))


def _layers(model: Classifier) -> list[Any]:
    if model.question is not None or not getattr(model.model, "inputs", None):
        raise ModelError("Expected a model with a graph of layers and one input for a detector that looks into it.")
    return [layer for layer in model.model.layers if not isinstance(layer, keras.layers.InputLayer)]


def _tensor(model: Classifier, name: str) -> Any:
    layers = _layers(model)
    if name:
        known = {layer.name: layer for layer in layers}
        if name not in known:
            raise ModelError(f"Unknown layer {name!r} of {model.model.name}.{did_you_mean(name, known)}")
        layer, found = known[name], "output"
    else:
        dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
        if not dense:
            raise ModelError(f"Expected layer=... for {model.model.name}, which has no dense layer; got none.")
        layer, found = dense[-1], "input"
    try:
        tensor = getattr(layer, found)
    except (AttributeError, ValueError):
        raise ModelError(f"Expected a layer that is used once; got {layer.name!r}, which is not.") from None
    if isinstance(tensor, list) or None in tensor.shape[1:]:
        raise ModelError(f"Expected a layer with one output of a fixed size; got {layer.name!r}.")
    return tensor
