"""Gives a model's logits, whatever its file ends in.

Attacks climb a loss of the logits. Probabilities hide the slope: a softmax that says 1 has no gradient in float32. So
the last softmax or sigmoid is taken away, and what is left shares every variable with the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from turtlenet.errors import ModelError, SettingError
from turtlenet.models.final_activation import activation_of, graph_of, without_activation
from turtlenet.models.output_kind import OutputKind, judge

# Below this a float32 has no logarithm that is a number.
_TINY = 1e-37


@dataclass(frozen=True)
class Head:
    """How a model ends.

    Attributes:
        kind: `softmax`, `sigmoid` or `logits`: what its outputs are.
        how: What was decided, and why, in a sentence.
        num_classes: How many classes the logits have; one sigmoid decides between two.
    """

    kind: str
    how: str
    num_classes: int


def logits_model(model: keras.Model, head: str = "auto") -> tuple[keras.Model, Head]:
    """Makes a model of logits that shares every variable with a classifier.

    Args:
        model: A built classifier with one image-like input and one output (batch, classes).
        head: What the model's outputs are: `softmax`, `sigmoid`, `logits`, or `auto` to find out.

    Returns:
        A functional model that maps the same input to float32 logits (batch, num_classes), and what was decided.
        Training it trains the classifier. `softmax(logits)` is what the classifier says (where its head is several
        sigmoids, `sigmoid(logits)` is).

    Raises:
        ModelError: A model that is no classifier of one continuous input, or whose outputs cannot be told.
        SettingError: Another head.
    """
    if head not in ("auto", "softmax", "sigmoid", "logits"):
        raise SettingError(f"Expected a head of auto, softmax, sigmoid or logits; got {head!r}.")
    source, output = ends_of(model)
    _check_input(model, source)
    scores, found = scores_of(model, output, head)
    return keras.Model(source, scores, name=f"{model.name}_logits"), found


def scores_of(model: keras.Model, output: Any, head: str, output_name: str = "") -> tuple[Any, Head]:
    """Float32 logits (batch, classes) behind a symbolic output of a model, and what was decided.

    Args:
        model: The model, for its name and its compiled loss.
        output: One of its outputs.
        head: See `logits_model`.
        output_name: The output's name, of a model with several.

    Raises:
        ModelError, SettingError: See `logits_model`.
    """
    if head not in ("auto", "softmax", "sigmoid", "logits"):
        raise SettingError(f"Expected a head of auto, softmax, sigmoid or logits; got {head!r}.")
    _check_output(output)
    units = int(output.shape[-1])
    verdict = judge(model, activation_of(output), units, head, output_name)
    scores = ops.cast(_scores(output, verdict), "float32")
    if units == 1:
        scores = ops.concatenate([ops.zeros_like(scores), scores], axis=-1)
    return scores, Head(verdict.kind, verdict.how, max(units, 2))


def _scores(output: Any, verdict: OutputKind) -> Any:
    """Logits (batch, units): the output before its activation, or recovered from probabilities."""
    if verdict.cut:
        return without_activation(output)
    if verdict.kind == "logits":
        return output
    chance = ops.cast(output, "float32")
    logarithm = ops.log(ops.maximum(chance, _TINY))
    if verdict.kind == "softmax":
        return logarithm
    return logarithm - ops.log(ops.maximum(1.0 - chance, _TINY))


def ends_of(model: keras.Model) -> tuple[Any, Any]:
    """The one symbolic input and the one symbolic output of a model."""
    graph = graph_of(model)
    if graph is None:
        source = _new_input(model)
        outputs = model(source, training=False)
        graph = [source], list(outputs.values() if isinstance(outputs, dict) else _listed(outputs))
    inputs, outputs = graph
    for what, several in (("input", inputs), ("output", outputs)):
        if len(several) != 1:
            raise ModelError(f"Expected a model with one {what}; {model.name!r} has {len(several)}.")
    return inputs[0], outputs[0]


def _new_input(model: keras.Model) -> Any:
    """An input for a subclassed model, as it was built."""
    shape = (model.get_build_config() or {}).get("input_shape") if model.built else None
    if not isinstance(shape, (list, tuple)) or not all(size is None or isinstance(size, int) for size in shape):
        raise ModelError(
            f"Expected a model that was built for one input; {model.name!r} was not: call it on data first."
        )
    return keras.Input(tuple(shape[1:]))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _check_input(model: keras.Model, source: Any) -> None:
    dtype = str(source.dtype)
    if not dtype.startswith(("float", "bfloat")):
        raise ModelError(
            f"Expected a model of continuous inputs, such as pixels or lengths; {model.name!r} takes {dtype} inputs."
        )
    shape = tuple(source.shape[1:])
    if not shape or None in shape:
        raise ModelError(f"Expected a model of a fixed input shape; {model.name!r} takes {shape}: build it with one.")
    if name := read_as_indices(model, [source]):
        raise ModelError(
            f"Expected a model of continuous inputs, such as pixels or lengths; {name!r} reads them as indices."
        )


def read_as_indices(model: keras.Model, inputs: Sequence[Any]) -> str | None:
    """The `Embedding` that reads one of these symbolic inputs of a model, if there is one."""
    sources = {id(source) for source in inputs} if graph_of(model) else set()
    for layer in model.layers:
        reads = any(id(part) in sources for node in layer._inbound_nodes for part in node.input_tensors)
        if reads and isinstance(layer, layers.Embedding):
            return layer.name
        if reads and isinstance(layer, keras.Model):
            graph = graph_of(layer)
            if graph and (name := read_as_indices(layer, graph[0])):
                return name
    return None


def _check_output(output: Any) -> None:
    shape = tuple(output.shape)
    if len(shape) != 2 or shape[-1] is None:
        raise ModelError(
            f"Expected a classifier with outputs (batch, classes); got {shape}, such as a dense prediction."
        )
