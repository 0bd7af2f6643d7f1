"""A Keras model taken apart into steps, in the order in which they are computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from turtlenet.certification.rules import is_reachable, reachable, rule_of, steps_of_operation
from turtlenet.certification.steps import Movement, Step
from turtlenet.errors import ModelError


@dataclass(frozen=True)
class Node:
    """A step, and where its inputs come from.

    Attributes:
        step: What is computed.
        sources: Places of its inputs: 0 is the network's input, n the output of the n-th node.
        layer: The name of the layer that it belongs to.
        shape: Of its output, without the batch.
    """

    step: Step
    sources: tuple[int, ...]
    layer: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Network:
    """Nodes, each behind those that it reads; the last one gives the logits.

    Attributes:
        nodes: The nodes.
        input_shape: Of an input, without the batch.
    """

    nodes: tuple[Node, ...]
    input_shape: tuple[int, ...]

    def shape(self, place: int) -> tuple[int, ...]:
        """Of the values at a place, without the batch."""
        return self.nodes[place - 1].shape if place else self.input_shape


def network_of(model: keras.Model, *, narrow: bool = False) -> Network:
    """Takes a model apart; the steps read its weights whenever they are called.

    Args:
        model: A functional or sequential model of one float32 input and one output, with models in it or without.
        narrow: Whether layers may compute in less than float32. The bounds are computed in float32 all the same: good
            to train on, and no certificate.

    Raises:
        ModelError: Several inputs or outputs, sides that are left open, or a layer that draws random numbers, that has
            no rule, or that does not compute in float32.
    """
    taken = _Taken(narrow)
    sources, outputs = _ends(model)
    if len(sources) != 1 or len(outputs) != 1:
        raise ModelError(
            f"Expected a model of one input and one output to bound it; got {len(sources)} and {len(outputs)}."
        )
    (source,), (output,) = sources, outputs
    last = taken.walk(model, {id(source): 0})[id(output)]
    if last != len(taken.nodes):
        taken.add([Movement(lambda x: x)], (last,), model.name, output.shape)
    return Network(tuple(taken.nodes), tuple(source.shape[1:]))


class _Taken:
    """The nodes that were found so far."""

    def __init__(self, narrow: bool) -> None:
        self.narrow = narrow
        self.nodes: list[Node] = []

    def add(self, steps: Any, sources: tuple[int, ...], layer: str, shape: Any) -> int:
        for step in steps:
            # Every step of a layer behind its first works on values of the layer's output shape.
            self.nodes.append(Node(step, sources, layer, tuple(shape[1:])))
            sources = (len(self.nodes),)
        return sources[0]

    def walk(self, model: Any, places: dict[int, int]) -> dict[int, int]:
        """Goes through a model's graph; gives the places of its tensors, by their `id`."""
        for node in _in_order(model):
            operation = node.operation
            sources = tuple(places[id(part)] for part in node.input_tensors)
            if isinstance(operation, keras.Model):
                inputs, outputs = _ends(operation)
                inner = dict(zip(map(id, inputs), sources, strict=True))
                found = self.walk(operation, inner)
                places |= {id(mine): found[id(theirs)] for mine, theirs in zip(node.outputs, outputs, strict=True)}
            else:
                steps = _steps(operation, node, self.narrow)
                places[id(node.outputs[0])] = self.add(steps, sources, operation.name, node.outputs[0].shape)
        return places


def _ends(model: Any) -> tuple[list[Any], list[Any]]:
    owner = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    if not owner.__module__.startswith("keras."):
        raise ModelError(
            f"Expected layers with a rule to bound them; {model.name!r} is a model of class {type(model).__name__} "
            "with code of its own, so nothing is certified."
        )
    return list(model.inputs), list(model.outputs)


def _in_order(model: Any) -> Iterator[Any]:
    """The calls of a model's layers, each behind those that it reads."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def _steps(operation: Any, node: Any, narrow: bool) -> Any:
    if getattr(operation, "stochastic", False):
        raise ModelError(
            f"Expected layers that answer the same each time; {operation.name!r} ({type(operation).__name__}) draws "
            "random numbers, so its bounds would hold for no answer: method=smoothing is for such models."
        )
    for part in (*node.input_tensors, *node.outputs):
        if None in part.shape[1:]:
            raise ModelError(
                f"Expected a model with fixed sides to bound it; {operation.name!r} has {tuple(part.shape[1:])}."
            )
        if not narrow and str(part.dtype) != "float32":
            raise ModelError(
                f"Expected a model that computes in float32 to bound it; {operation.name!r} has {part.dtype}."
            )
    if not isinstance(operation, keras.layers.Layer):
        found = steps_of_operation(operation, _with_arguments(operation, node), len(node.input_tensors))
    elif not narrow and operation.compute_dtype != "float32":
        raise ModelError(
            f"Expected a model that computes in float32 to bound it; {operation.name!r} has {operation.compute_dtype}."
        )
    else:
        rule = rule_of(operation)
        found = rule(operation) if rule else reachable(operation) if is_reachable(operation) else None
    if found is None:
        raise ModelError(
            f"Expected layers with a rule to bound them; {operation.name!r} ({type(operation).__name__}) has none, so "
            "nothing is certified."
        )
    return found


def _with_arguments(operation: Any, node: Any) -> Any:
    """An operation as a function of its tensors alone."""

    def call(*tensors: Any) -> Any:
        values = {id(part): tensor for part, tensor in zip(node.input_tensors, tensors, strict=True)}
        args, kwargs = node.arguments.fill_in(values)
        return operation.call(*args, **kwargs)

    return call
