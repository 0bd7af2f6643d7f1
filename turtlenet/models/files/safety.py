"""Finds what in a model's description would run code, by reading names only.

Keras rebuilds a model by looking names up. A name is fine where it stands for something that Keras itself has, or
that the running program has registered (`keras.saving.register_keras_serializable`). Anything else is a finding: a
`Lambda`, whose code travels in the file; a layer that opens another file; a class that nobody here knows.
"""

import sys
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.api_export import get_symbol_from_name

__all__ = ["findings"]

_RUN_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_READ_FILES = ("StringLookup", "IntegerLookup", "TextVectorization")
_DATA = {
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__bytes__",
    "__ellipsis__",
    "__slice__",
    "__tuple__",
    "TensorShape",
}
_MODELS = {"Functional", "Model", "Sequential"}
_KERAS = {"keras", "tf_keras", "tensorflow"}
# They stand beside the functions of Keras, and make objects of descriptions.
_MAKERS = ("deserialize", "get", "serialize")
_CLASS_SPACES = (
    keras.layers,
    keras.initializers,
    keras.regularizers,
    keras.constraints,
    keras.losses,
    keras.metrics,
    keras.optimizers,
    keras.optimizers.schedules,
    keras.dtype_policies,
    keras.quantizers,
    keras.random,
)
_FUNCTION_SPACES = (
    keras.activations,
    keras.losses,
    keras.metrics,
    keras.ops,
    keras.initializers,
    keras.regularizers,
)


_OPTIMIZERS = {each.lower(): each for each in dir(keras.optimizers) if each[0].isupper()}


def findings(config: Any) -> tuple[str, ...]:
    """What in a description is not known to be safe, one phrase each; empty where all is well.

    Args:
        config: A model's or a compiled state's description: dicts, lists, strings and numbers.
    """
    found: dict[str, None] = {}
    # A stack of its own: a file may nest deeper than Python recurses.
    waiting: list[tuple[Any, str]] = [(config, "the model")]
    while waiting:
        node, owner = waiting.pop()
        if isinstance(node, dict):
            owner = _owner(node, owner)
            verdicts = list(_judge(node, owner))
            found.update(dict.fromkeys(verdicts))
            if not verdicts:
                waiting.extend((value, owner) for value in reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend((item, owner) for item in reversed(node))
    return tuple(found)


def _owner(node: dict[str, Any], owner: str) -> str:
    """The innermost named thing that a node belongs to."""
    inner = node.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return f"{node.get('class_name')} {name!r}" if isinstance(name, str) else owner


def _judge(node: dict[str, Any], owner: str) -> Iterator[str]:
    """Phrases for what is wrong with one node, its children left out."""
    if "class_name" not in node:
        return
    name, module = node["class_name"], node.get("module") or "keras"
    if name == "Lambda" and _calls_known(node):
        return
    if name in ("__lambda__", "Lambda"):
        yield f"{owner}, which carries Python code{_called(node)}"
    elif not isinstance(name, str) or not isinstance(module, str):
        yield f"{owner}, whose class name is no text"
    elif name == "function":
        if not _knows_function(node, module):
            yield f"{owner} with the function {node.get('config')!r}, which neither Keras nor this program has"
    elif name not in _DATA:
        yield from _judge_class(node, name, module, owner)


def _calls_known(node: dict[str, Any]) -> bool:
    """Whether a `Lambda` names a function that Keras or this program has, instead of bringing one."""
    inner = node.get("config")
    function = inner.get("function") if isinstance(inner, dict) else None
    if not isinstance(function, dict) or function.get("class_name") != "function":
        return False
    rest = [inner.get(key) for key in ("output_shape", "mask")] if isinstance(inner, dict) else []
    return _knows_function(function, function.get("module") or "builtins") and not any(map(_is_code, rest))


def _is_code(value: Any) -> bool:
    return isinstance(value, (dict, str)) or (isinstance(value, list) and bool(value) and isinstance(value[0], str))


def _called(node: dict[str, Any]) -> str:
    """The name of the function that a `Lambda` asks for, where it says one."""
    inner = node.get("config")
    function = inner.get("function") if isinstance(inner, dict) else None
    if isinstance(function, dict):
        function = function.get("config")
    return f" (it calls {function!r})" if isinstance(function, str) and function.isidentifier() else ""


def _judge_class(node: dict[str, Any], name: str, module: str, owner: str) -> Iterator[str]:
    # Keras's two loaders prefer different ones of these; so each of them has to be fine.
    candidates = (_registered(node.get("registered_name")), _registered(name), _builtin(name, module))
    bases = {base for cls in candidates for base in getattr(cls, "__mro__", ())}
    # On JAX every layer of Keras descends from a mixin of the backend that is called JaxLayer too.
    lineage = {base.__name__ for base in bases if not base.__module__.startswith("keras.src.backend")}
    who = owner if owner.startswith(name) else f"{name} in {owner}"
    if not any(candidates):
        yield f"{who}, a class that neither Keras nor this program has"
    elif not lineage.isdisjoint(_RUN_CODE):
        yield f"{who}, which carries Python code"
    elif not lineage.isdisjoint(_READ_FILES) and _names_a_file(node.get("config")):
        yield f"{who}, which reads another file"


def _registered(name: Any) -> Any:
    return keras.saving.get_registered_object(name) if isinstance(name, str) else None


def _builtin(name: str, module: str) -> type | None:
    """The Keras class of that name, looked up without an import."""
    if module.partition(".")[0] not in _KERAS:
        return None
    if name in _MODELS:
        return keras.Model
    # Keras 2 wrote its own optimizers as `Custom>Adam`, and Keras 1 as `adam`.
    name = _OPTIMIZERS.get(name, name.removeprefix("Custom>"))
    for space in _CLASS_SPACES:
        if isinstance(found := getattr(space, name, None), type):
            return found
    # Arithmetic in a functional model is an operation: `keras.src.ops.numpy`, `Multiply`.
    found = getattr(sys.modules.get(module), name, None) if module.startswith("keras.src.") else None
    return found if isinstance(found, type) and issubclass(found, keras.Operation) else None


def _knows_function(node: dict[str, Any], module: str) -> bool:
    name = node.get("config")
    if not isinstance(name, str):
        return False
    if _registered(name) is not None or _registered(node.get("registered_name")) is not None:
        return True
    home = module.partition(".")[0]
    # Keras looks into the module that is named, whichever it is: nothing but these functions may be there.
    known = {id(found) for space in _FUNCTION_SPACES if callable(found := getattr(space, name, None))}
    there = get_symbol_from_name(f"{module}.{name}")
    return home in _KERAS | {"builtins"} and name not in _MAKERS and bool(known) and (not there or id(there) in known)


def _names_a_file(config: Any) -> bool:
    return isinstance(config, dict) and isinstance(config.get("vocabulary"), str)
