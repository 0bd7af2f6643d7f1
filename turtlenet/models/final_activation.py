"""Sees how a model ends, and takes the last softmax or sigmoid away.

Keras remembers how each symbolic tensor was made: an operation, and which of its calls. The walk goes backwards
along that memory. What is taken away is taken from a *shadow*: an object that shares every variable of a layer and
differs in its activation only, so that the model itself stays as it was.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from turtlenet import gradient_mode, random
from turtlenet.keras_files.quiet import quiet

_ACTIVATIONS = {
    keras.activations.softmax: "softmax",
    keras.activations.sigmoid: "sigmoid",
    keras.activations.linear: "linear",
    keras.activations.relu: "relu",
    # The softmax of log-probabilities is the probabilities: they are logits.
    keras.activations.log_softmax: "linear",
}
# These hand each score on as it is, outside training.
_PASSING = (layers.Flatten, layers.Reshape, layers.Dropout, layers.Identity)
# These end in numbers without limits, unless they mix probabilities.
_MIXING = (
    layers.Add,
    layers.Average,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.LayerNormalization,
    layers.Multiply,
    layers.Rescaling,
    layers.Subtract,
)
_MIXING_OPS = {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Matmul", "Mean", "Negative", "Concatenate"}


def graph_of(model: keras.Model) -> tuple[list[Any], list[Any]] | None:
    """The symbolic inputs and outputs of a model whose layers Keras can see; None for any other."""
    owner = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    if not owner.__module__.startswith("keras."):
        return None
    try:
        return list(model.inputs), list(model.outputs)
    except (AttributeError, TypeError, ValueError):
        return None


def activation_of(tensor: Any) -> str:
    """How a tensor ends: `softmax`, `sigmoid`, `linear`, `relu`, or `unseen` where that cannot be told."""
    operation, node = _made_by(tensor)
    if isinstance(operation, keras.Model):
        graph = graph_of(operation)
        return activation_of(graph[1][0]) if graph and len(graph[1]) == 1 else "unseen"
    if _passes(operation):
        name = activation_of(node.input_tensors[0])
        return "unseen" if name == "softmax" and not _one_row(node.input_tensors[0]) else name
    if _is_op(operation, "Softmax"):
        lone = len(node.input_tensors) == 1 and operation.axis in (-1, len(tensor.shape) - 1)
        return "softmax" if lone else "unseen"
    if _is_op(operation, "Sigmoid"):
        return "sigmoid"
    if isinstance(operation, layers.ReLU) or _is_op(operation, "Relu"):
        return "relu"
    if hasattr(operation, "activation"):
        return _fused(operation, node)
    if isinstance(operation, _MIXING) or _is_op(operation, *_MIXING_OPS):
        mixed = {activation_of(part) for part in node.input_tensors}
        return "linear" if mixed.isdisjoint({"softmax", "sigmoid"}) else "unseen"
    return "unseen"


def without_activation(tensor: Any) -> Any:
    """The same tensor before its softmax or sigmoid, as `activation_of` saw it."""
    operation, node = _made_by(tensor)
    args, kwargs = node.arguments.args, node.arguments.kwargs
    if isinstance(operation, keras.Model):
        inputs, outputs = graph_of(operation) or ([], [])
        bare = keras.Model(inputs, without_activation(outputs[0]), name=operation.name)
        return bare(*args, **kwargs)
    if _passes(operation):
        return _shadow(operation)(without_activation(node.input_tensors[0]))
    if isinstance(operation, layers.Activation) or _is_op(operation, "Softmax", "Sigmoid"):
        return node.input_tensors[0]
    return _shadow(operation, activation=keras.activations.linear)(*args, **kwargs)


def _made_by(tensor: Any) -> tuple[Any, Any]:
    operation, index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[index]


def _passes(operation: Any) -> bool:
    plain = isinstance(operation, layers.Activation) and operation.activation is keras.activations.linear
    return plain or isinstance(operation, _PASSING) or _is_op(operation, "Cast", "Identity")


def _is_op(operation: Any, *names: str) -> bool:
    kind = type(operation)
    return kind.__name__ in names and kind.__module__.startswith("keras.")


def _one_row(tensor: Any) -> bool:
    """Whether a tensor has its classes along the last axis and nothing else beside the batch."""
    return all(size == 1 for size in tensor.shape[1:-1])


def _fused(operation: Any, node: Any) -> str:
    """The activation inside a layer, if it is the last thing that the layer does."""
    try:
        name = _ACTIVATIONS.get(operation.activation, "unseen")
    except TypeError:
        return "unseen"
    if name in ("softmax", "sigmoid") and not _is_last_step(operation, node):
        return "unseen"
    return name


def _is_last_step(layer: Any, node: Any) -> bool:
    """Tries it out: a recurrent layer, or somebody's subclass of `Dense`, may use its activation anywhere."""
    if isinstance(layer, layers.Activation):
        return True
    bare = _shadow(layer, activation=keras.activations.linear)
    draw = np.random.default_rng(0)
    parts = [draw.normal(size=[size or 2 for size in part.shape]).astype("float32") for part in node.input_tensors]
    if len(parts) != 1:
        return False
    # A layer that draws random numbers draws the same ones twice.
    keys = random.keys(0, np.arange(len(parts[0])))
    with quiet(), gradient_mode.taken("adaptive", keys):
        whole, scores = (keras.ops.cast(each(parts[0], training=False), "float32") for each in (_shadow(layer), bare))
        gap = keras.ops.convert_to_numpy(layer.activation(scores)) - keras.ops.convert_to_numpy(whole)
    return bool(np.max(np.abs(gap)) < (1e-5 if layer.compute_dtype in ("float32", "float64") else 1e-2))


def _shadow(layer: Any, **changes: Any) -> Any:
    """A layer that shares everything with another but its place in the graph, and what is changed.

    `copy.copy` would not do: Keras copies a layer by saving it and loading it, with variables of its own.
    """
    shadow = object.__new__(type(layer))
    own: dict[str, Any] = {"_inbound_nodes": [], "_outbound_nodes": [], "_losses": []}
    # Straight into the dictionary: Keras and TensorFlow track what is set the usual way.
    vars(shadow).update({**vars(layer), **own, **changes})
    return shadow
