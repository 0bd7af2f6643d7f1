"""Brings a model's description from any era to Keras 3: JSON in, JSON out; nothing is built or looked up by name
outside Keras, the registered classes and our own tables.
"""

import copy
import importlib
from dataclasses import dataclass, field
from typing import Any

import keras

from turtlenet.errors import ModelError, an
from turtlenet.keras_files.legacy import calls, keras1, keras2, removed_layers, theano
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.nodes import modern_graph
from turtlenet.keras_files.legacy.rules import RULES, Json, dicts

# Rules apply in the order in which these modules are imported.
_ORDER = (keras1, keras2, theano, removed_layers)
_MODELS = ("Sequential", "Functional", "Model")
_CALLS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer")


@dataclass
class Upgraded:
    """A description in the form of Keras 3, and how it came about.

    Attributes:
        config: The model, as `keras.saving.deserialize_keras_object` takes it.
        applied: For each rule that changed something, the names of the layers that it changed.
        reasons: For each of these rules, what was different.
        renamed: New name of a layer to the one in the file, where Keras 3 does not take the old one.
        nameless: Models within the model that the file does not name, as they are called now.
        doubts: What the file does not say, and what was assumed.
        written: The class and config of each layer as the file has them, by the path of names from the model down.
    """

    config: Json
    applied: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    nameless: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    written: dict[tuple[str, ...], Json] = field(default_factory=dict)


def upgrade(config: Json, era: KerasVersion) -> Upgraded:
    """Upgrades a whole model.

    Args:
        config: The model as its file describes it: `class_name` and `config`.
        era: Who wrote it.

    Raises:
        ModelError: A description that is no model's, or that says what Keras 3 cannot.
    """
    result = Upgraded({})
    result.config = _Walk(era, result, _has_masks(config)).thing(copy.deepcopy(config), ())
    if era.backend is None and era.major < 3 and _convolves(result.config):
        result.doubts.append(
            "The file does not say which backend wrote it: its convolutions' kernels are taken as TensorFlow writes "
            "them. If Theano wrote it, pass --written-by theano."
        )
    return result


class _Walk:
    """One pass over a description, from the model down."""

    def __init__(self, era: KerasVersion, result: Upgraded, masks: bool):
        self.era = era
        self.result = result
        self.masks = masks

    def thing(self, node: Json, path: tuple[str, ...]) -> Json:
        """A model, a layer, or anything else with a class and a config."""
        if node.get("class_name") in _CALLS:
            self._note("tensorflow-call", "a TensorFlow function in the graph", node)
            return node | calls.call_of(node)
        node = self._apply(node, path)
        inner = node["config"]
        if isinstance(inner, dict) and isinstance(inner.get("layers"), list) and self._is_model(node, inner):
            inner = self._model(node, inner, path)
        elif isinstance(inner, dict):
            inner = {key: self._value(value, path) for key, value in inner.items()}
        node = node | {"config": inner}
        self._rename(node)
        return _located(node, self.era)

    def _apply(self, node: Json, path: tuple[str, ...]) -> Json:
        if not isinstance(node.get("class_name"), str):
            raise ModelError(f"Expected a class name as text in the model; got {str(node.get('class_name'))[:60]!r}.")
        if node["class_name"] == "Sequential":
            node = self._sequential(node)
        inner = node.get("config")
        if not isinstance(inner, dict):
            raise ModelError(f"Expected the settings of {_called(node)} as a dict; got {an(type(inner).__name__)}.")
        if path:
            self.result.written[path] = {"class_name": node["class_name"], "config": copy.deepcopy(inner)}
        if self.masks:
            node = node | {"masks": True}
        for each in RULES:
            changed = each(node, self.era)
            if changed is not None:
                self._note(each.name, each.reason, node)
                node = changed
        return {key: value for key, value in node.items() if key != "masks"}

    def _note(self, name: str, reason: str, node: Json) -> None:
        self.result.reasons[name] = reason
        self.result.applied.setdefault(name, []).append(_name_of(node))

    def _is_model(self, node: Json, inner: Json) -> bool:
        return node["class_name"] in _MODELS or "input_layers" in inner

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        """A setting: a layer inside (`Bidirectional`), a list of cells, or plain data."""
        if isinstance(value, list):
            return [self._value(each, path) for each in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("config"), (dict, list)) and _is_layer(value.get("class_name"), self.era):
            value = self._with_name(value)
            return self.thing(value, (*path, _name_of(value)))
        return value

    def _sequential(self, node: Json) -> Json:
        inner = node.get("config")
        if isinstance(inner, list):
            self._note("bare-list", "the layers of a Sequential were a bare list, and its name was nowhere", node)
            name = node.get("name") or "sequential"
            return node | {"config": {"name": name, "layers": inner}}
        if isinstance(inner, dict) and not isinstance(inner.get("layers"), list):
            raise ModelError(f"Expected the layers of {_called(node)} as a list; got none.")
        if isinstance(inner, dict) and "name" not in inner:
            return node | {"config": inner | {"name": node.get("name") or "sequential"}}
        return node

    def _with_name(self, node: Json) -> Json:
        """Names a Sequential that is a bare list, as Keras 1 and 2.0 wrote it, where its model does not."""
        if node.get("class_name") != "Sequential" or not isinstance(node.get("config"), list) or node.get("name"):
            return node
        self.result.nameless.append(f"unnamed_{len(self.result.nameless) + 1}")
        return node | {"name": self.result.nameless[-1]}

    def _model(self, node: Json, inner: Json, path: tuple[str, ...]) -> Json:
        listed = inner["layers"]
        for layer in listed:
            if not isinstance(layer, dict) or not isinstance(layer.get("config"), (dict, list)):
                raise ModelError(f"Expected the layers of {_called(node)} as dicts; got {str(layer)[:60]}.")
        inner = dict(inner)
        listed = [self._with_name(layer) for layer in listed]
        inner["layers"] = listed
        if node["class_name"] == "Sequential":
            inner["layers"] = self._with_input(listed)
            if not isinstance(inner.get("build_input_shape"), list):
                inner.pop("build_input_shape", None)
        inner["layers"] = [self.thing(layer, (*path, _name_of(layer))) for layer in inner["layers"]]
        if node["class_name"] != "Sequential":
            self._refer(inner)
            for layer in inner["layers"]:
                layer.setdefault("name", _name_of(layer))
            inner = modern_graph(inner)
        if self.era.major < 3:
            inner = {key: inner[key] for key in _KEPT if key in inner}
        return inner

    def _with_input(self, listed: list[Json]) -> list[Json]:
        """Says the input's shape in a layer of its own, where the first layer carries it."""
        if self.era.major >= 3 or not listed or listed[0].get("class_name") == "InputLayer":
            return listed
        shape, dtype = _input_of(listed[0])
        if shape is None:
            return listed
        first = listed[0]
        if "batch_input_shape" in (first["config"] if isinstance(first["config"], dict) else {}):
            self._note("first-shape", "the first layer of a Sequential carried the shape of its input", first)
        config = {"name": f"input_of_{_name_of(first)}".replace("/", "."), "batch_shape": shape}
        return [{"class_name": "InputLayer", "config": config | ({"dtype": dtype} if dtype else {})}, *listed]

    def _rename(self, node: Json) -> None:
        """Keras 3 takes no slash in a name."""
        old = _name_of(node)
        if "/" not in old:
            return
        new = old.replace("/", ".")
        self._note("slash", "a name held a slash", node)
        self.result.renamed[new] = old
        node["config"]["name"] = new
        if "name" in node:
            node["name"] = new

    def _refer(self, inner: Json) -> None:
        """Names the layers of a graph as they are called now."""
        back = {old: new for new, old in self.result.renamed.items()}
        for key in ("input_layers", "output_layers"):
            inner[key] = _exchanged(inner.get(key), back)
        for layer in inner["layers"]:
            if "inbound_nodes" in layer:
                layer["inbound_nodes"] = _exchanged(layer["inbound_nodes"], back)


def _convolves(config: Any) -> bool:
    inner = (node.get("config") for node in dicts(config))
    return any(isinstance(each, dict) and "kernel_size" in each and "filters" in each for each in inner)


_KEPT = ("name", "trainable", "layers", "input_layers", "output_layers", "build_input_shape")


def _located(node: Json, era: KerasVersion) -> Json:
    """Says where Keras 3 finds the class."""
    name = node["class_name"]
    if era.major >= 3 and "module" in node:
        return node
    # What a layer of Keras 2 was built with; Keras 3 finds the shapes out anew.
    node.pop("build_config", None)
    if name in ("Functional", "Model"):
        return node | {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "registered_name": "Functional",
        }
    if name == "Sequential":
        return node | {"module": "keras", "registered_name": None}
    if keras.saving.get_registered_object(name) is not None:
        return node | {"module": None, "class_name": name.rpartition(">")[2], "registered_name": name}
    if keras.saving.get_registered_object(node.get("registered_name")) is not None:
        return node
    # The HDF5 of Keras 3 names a layer `Add` and the operation `+` alike; only a layer says whether it is trained.
    bare = era.major >= 3 and "module" not in node and not {"trainable", "dtype"} & set(node["config"])
    if bare and name not in ("InputLayer",) and (place := operation(name)):
        return node | place
    if isinstance(getattr(keras.layers, name, None), type):
        return node | {"module": "keras.layers", "registered_name": None}
    return node if "module" in node else node | {"module": None, "registered_name": name}


def operation(name: str) -> Json:
    """An operation in the graph (`x / 2`), which the HDF5 of Keras 3 names without its module."""
    for module in _OPERATIONS:
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, keras.Operation):
            return {"module": module.__name__, "registered_name": name}
    return {}


def _modules() -> tuple[Any, ...]:
    parts = ("numpy", "nn", "math", "core", "image", "linalg", "einops")
    return tuple(importlib.import_module(f"keras.src.ops.{part}") for part in parts)


_OPERATIONS = _modules()


def _has_masks(config: Any) -> bool:
    """Whether a layer of a model says that steps are to be left out: rules on masks look at such models only."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if node.get("class_name") == "Masking" or node.get("mask_zero"):
                return True
            waiting.extend(node.values())
    return False


def _is_layer(name: Any, era: KerasVersion) -> bool:
    """Whether a class inside a layer's settings is a layer, and not an initializer or the like."""
    if not isinstance(name, str):
        return False
    if name in _MODELS or name in _CALLS or isinstance(getattr(keras.layers, name, None), type):
        return True
    known = any(name in each.classes for each in RULES if era.major < each.before)
    registered = keras.saving.get_registered_object(name)
    return known or (isinstance(registered, type) and issubclass(registered, keras.layers.Layer))


def _input_of(layer: Json) -> tuple[list[Any] | None, str | None]:
    """The shape of the input that a first layer carries, and its dtype."""
    inner = layer.get("config")
    while isinstance(inner, (dict, list)):
        if isinstance(inner, list):
            if not inner or not isinstance(inner[0], dict):
                return None, None
            return _input_of(inner[0])
        for key in ("batch_input_shape", "batch_shape"):
            shape = inner.get(key)
            if isinstance(shape, list):
                dtype = inner.get("input_dtype") or (
                    inner.get("dtype") if layer["class_name"] == "InputLayer" else None
                )
                if layer["class_name"] == "Embedding" and not dtype:
                    dtype = "float32"
                return shape, dtype if isinstance(dtype, str) else None
        if isinstance(inner.get("input_shape"), list) and layer["class_name"] not in _MODELS:
            return [None, *inner["input_shape"]], None
        if isinstance(inner.get("layers"), list) and inner["layers"]:
            return _input_of(inner["layers"][0]) if isinstance(inner["layers"][0], dict) else (None, None)
        if isinstance(inner.get("layer"), dict) and "class_name" in inner["layer"]:
            shape, dtype = _input_of(inner["layer"])
            if shape is not None and layer["class_name"] == "TimeDistributed":
                shape = None
            return shape, dtype
        return None, None
    return None, None


def _exchanged(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_exchanged(each, names) for each in value]
    if isinstance(value, dict):
        return {key: _exchanged(each, names) for key, each in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


def _name_of(node: Json) -> str:
    inner = node.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return str(name or node.get("name") or node.get("class_name"))


def _called(node: Json) -> str:
    return f"{node.get('class_name')} {_name_of(node)!r}"
