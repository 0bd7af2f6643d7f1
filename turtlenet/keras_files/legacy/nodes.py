"""Brings the graph of a functional model to the form that Keras 3 writes.

Before Keras 3, a node was a list of `[layer, node, tensor, arguments]`, or one such list where the first argument is
the only tensor, or a dict of them. A tensor inside the arguments was a bare `[layer, node, tensor]`. Keras 3 says
`{"args": [...], "kwargs": {...}}` and marks each tensor. A nested functional model had a node of its own before its
first call, so its calls were counted from 1.
"""

from collections.abc import Iterator
from typing import Any

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.rules import Json

_CONSTANT = "_CONSTANT_VALUE"
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"}
# Keras writes layers in their order, and is through in a few rounds.
_MOST_TRIED = 100_000
_NESTED = {"Functional", "Sequential", "Model"}
# Keras 2 recorded these where the caller passed nothing.
_IDLE = {"name", "mask", "training", "initial_state", "constants"}


def modern_graph(config: Json) -> Json:
    """The description of a functional model with every node and end in the form of Keras 3.

    Args:
        config: `layers`, each with `name`, `class_name` and `inbound_nodes`; `input_layers`, `output_layers`.

    Raises:
        ModelError: A graph that names a layer it does not have, or is no graph.
    """
    layers = config["layers"]
    kinds = {layer["name"]: str(layer.get("class_name")) for layer in layers}
    first = _first_calls(config, kinds)
    result = dict(config)
    result["layers"] = [
        layer | {"inbound_nodes": [_node(node, layer, kinds, first) for node in layer.get("inbound_nodes") or []]}
        for layer in layers
    ]
    for key in ("input_layers", "output_layers"):
        result[key] = _ends(config.get(key), kinds, first)
    _check_order(result["layers"])
    return result


def _check_order(layers: list[Json]) -> None:
    """Refuses an order of layers in which Keras would search for the next one forever.

    Keras goes over all layers again and again, and calls those whose inputs are there by then.
    """
    waiting = {layer["name"]: [list(_histories(node)) for node in layer["inbound_nodes"]] for layer in layers}
    called = {layer["name"]: int(layer.get("class_name") == "InputLayer") for layer in layers}
    tried = 0
    while waiting:
        before = sum(called.values())
        for name, nodes in list(waiting.items()):
            while nodes and all(called.get(source, 0) > index for source, index in nodes[0]):
                del nodes[0]
                called[name] += 1
            if not nodes:
                del waiting[name]
        tried += len(waiting)
        if tried > _MOST_TRIED:
            raise ModelError("Expected a graph whose layers come about in the order in which they are called.")
        if sum(called.values()) == before:
            return


def _histories(value: Any) -> Iterator[tuple[str, int]]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            history = value.get("keras_history")
            if isinstance(history, list) and len(history) == 3 and type(history[1]) is int:
                yield str(history[0]), history[1]
            waiting.extend(value.values())


def _first_calls(config: Json, kinds: dict[str, str]) -> dict[str, int]:
    """From which number each layer's calls are counted: 0, but 1 for a nested model with a node of its own."""
    least: dict[str, int] = {}
    nodes = [layer.get("inbound_nodes") for layer in config["layers"]]
    for name, index, _ in _references([nodes, config.get("output_layers")], kinds):
        least[name] = min(index, least.get(name, index))
    return {name: 1 if kinds[name] in _NESTED and least.get(name, 0) >= 1 else 0 for name in kinds}


def _references(value: Any, kinds: dict[str, str]) -> Iterator[tuple[str, int, int]]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if _is_reference(value, kinds):
            yield value[0], value[1], value[2]
            waiting.extend(value[3:])
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())


def _is_reference(value: Any, kinds: dict[str, str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in kinds
        and all(type(part) is int for part in value[1:3])
    )


def _node(node: Any, layer: Json, kinds: dict[str, str], first: dict[str, int]) -> Json:
    if isinstance(node, dict) and "args" in node and "kwargs" in node:
        return node
    if not isinstance(node, (list, dict)):
        raise ModelError(f"Expected a node of layer {layer['name']!r} as a list; got {node!r}.")
    if isinstance(node, dict):
        return {"args": [{key: _part(item, kinds, first) for key, item in node.items()}], "kwargs": {}}
    if node and isinstance(node[0], str):
        # The form of `tf.some_function(x, ...)`: one tensor, the rest in the arguments.
        kwargs = _kwargs(node[3:], kinds, first)
        return {"args": [_part(node, kinds, first)], "kwargs": kwargs}
    tensors = [_part(item, kinds, first) for item in node]
    kwargs = {}
    for item in node:
        if isinstance(item, list):
            kwargs |= _kwargs(item[3:], kinds, first)
    if layer.get("class_name") in _RECURRENT and len(tensors) > 1:
        # Keras 2 listed the initial states behind the sequence.
        return {"args": [tensors[0]], "kwargs": kwargs | {"initial_state": tensors[1:]}}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}


def _part(item: Any, kinds: dict[str, str], first: dict[str, int]) -> Any:
    """One tensor, a constant in its place, or a nest of them."""
    if isinstance(item, list) and len(item) >= 3 and item[0] == _CONSTANT:
        return item[2]
    if _is_reference(item, kinds):
        return _tensor(item[0], item[1] - first[item[0]], item[2])
    if isinstance(item, list) and item and isinstance(item[0], list):
        return [_part(each, kinds, first) for each in item]
    raise ModelError(f"Expected a graph whose nodes name its layers; got {str(item)[:80]}.")


def _kwargs(rest: list[Any], kinds: dict[str, str], first: dict[str, int]) -> Json:
    given = rest[0] if rest else {}
    if not isinstance(given, dict):
        raise ModelError(f"Expected the arguments of a node as a dict; got {str(given)[:80]}.")
    return {
        key: _inner(value, kinds, first)
        for key, value in given.items()
        if not (value is None and key in _IDLE) and key != "name"
    }


def _inner(value: Any, kinds: dict[str, str], first: dict[str, int]) -> Any:
    """An argument, in which a tensor stands as a bare `[layer, node, tensor]`."""
    if _is_reference(value, kinds):
        return _tensor(value[0], value[1] - first[value[0]], value[2])
    if isinstance(value, list):
        return [_inner(each, kinds, first) for each in value]
    if isinstance(value, dict):
        return {key: _inner(each, kinds, first) for key, each in value.items()}
    return value


def _tensor(name: str, node: int, index: int) -> Json:
    # Keras looks at the history only; the shape and the type are found out anew.
    inner = {"shape": [None], "dtype": "float32", "keras_history": [name, node, index]}
    return {"class_name": "__keras_tensor__", "config": inner}


def _ends(ends: Any, kinds: dict[str, str], first: dict[str, int]) -> Any:
    """The inputs or outputs: one reference, or a list or dict of them; a list of one means that one."""
    if isinstance(ends, dict):
        return {key: _ends(value, kinds, first) for key, value in ends.items()}
    if _is_reference(ends, kinds):
        name, node, index = ends[:3]
        # Keras 3 counts the calls of a nested functional model from 1 here, and here only.
        return [name, node - first[name] + (kinds[name] in ("Functional", "Model")), index]
    if not isinstance(ends, list) or not ends:
        raise ModelError(f"Expected inputs and outputs that name layers of the model; got {str(ends)[:80]}.")
    while isinstance(ends, list) and len(ends) == 1:
        ends = ends[0]
        if _is_reference(ends, kinds):
            return _ends(ends, kinds, first)
    return [_ends(each, kinds, first) for each in ends]
