"""Recurrent layers that keep their state from batch to batch.

Keras makes the state as it builds the layer, which it cannot where variables have no values yet: it is made after
that. No file holds one; it starts with zeros.
"""

from typing import Any

import keras

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.rules import Json

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_LARGEST_BATCH = 100_000


def take_states(config: Json) -> set[str]:
    """Makes every layer of a description stateless, in place; gives the names of those that were not."""
    names = set()
    waiting: list[Any] = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            inner = node.get("config")
            if node.get("class_name") in _RECURRENT and isinstance(inner, dict) and inner.get("stateful") is True:
                inner["stateful"] = False
                names.add(str(inner.get("name")))
            waiting.extend(node.values())
    return names


def give_states(model: keras.Model, names: set[str]) -> None:
    """Gives these layers a state of zeros.

    Raises:
        ModelError: A model that does not say the size of its batches.
    """
    if not names:
        return
    sizes = {tensor.shape[0] for tensor in model.inputs}
    size = sizes.pop()
    if sizes or size is None or size > _LARGEST_BATCH:
        raise ModelError(f"Expected batches of one size, up to {_LARGEST_BATCH:,}, for stateful layers; got {size}.")
    # `Bidirectional` calls the two layers that it makes of one so.
    known = names | {f"{way}_{name.removeprefix('forward_')}" for name in names for way in ("forward", "backward")}
    for layer in model._flatten_layers():
        if layer.name in known and isinstance(layer, keras.layers.RNN):
            layer.stateful = True
            layer._create_state_variables(size)
            layer._expected_batch_size = size
