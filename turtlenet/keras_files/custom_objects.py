"""Puts what the user supplies in the place of code that a file carries."""

import copy
from collections.abc import Mapping
from typing import Any

from turtlenet.keras_files.legacy.rules import Json, dicts


def supplied(config: Json, custom: Mapping[str, Any], trust: bool = False) -> Json:
    """A description in which every `Lambda` that the user has a function or a layer for uses that.

    Args:
        config: A model's description, which stays as it is.
        custom: Functions and layer classes, by the name of the `Lambda` layer or of the function that it names.
        trust: Whether bytecode of Keras 1 and 2 is put in the form in which Keras 3 would run it.
    """
    config = copy.deepcopy(config)
    for node in dicts(config):
        if node.get("class_name") == "Lambda" and isinstance(node.get("config"), dict):
            _supply(node, custom, trust)
    return config


def _supply(node: Json, custom: Mapping[str, Any], trust: bool) -> None:
    inner = node["config"]
    function = inner.get("function")
    called = function.get("config") if isinstance(function, dict) else function
    key = next((name for name in (inner.get("name"), called) if isinstance(name, str) and name in custom), None)
    old = {each for each in inner if each.endswith("_type")} | {"module", "output_shape_module", "mask_module"}
    if key is not None and isinstance(custom[key], type):
        node["class_name"] = key
        node.pop("module", None)
        node.pop("registered_name", None)
        node["config"] = {"name": inner.get("name")} | (inner.get("arguments") or {})
    elif key is not None:
        for each in old & set(inner):
            del inner[each]
        inner["function"] = {
            "module": "builtins",
            "class_name": "function",
            "config": key,
            "registered_name": "function",
        }
        for each in ("output_shape", "mask"):
            if isinstance(inner.get(each), (str, dict)) or _is_code(inner.get(each)):
                inner[each] = None
    elif trust:
        for each in ("function", "output_shape", "mask"):
            if _is_code(inner.get(each)):
                code, defaults, closure = inner[each]
                settings = {"code": code, "defaults": defaults, "closure": closure}
                inner[each] = {"class_name": "__lambda__", "config": settings}
        for each in old & set(inner):
            del inner[each]


def _is_code(value: Any) -> bool:
    """Whether a value is a function as Keras 1 and 2 wrote it: bytecode, defaults, closure."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
