"""Finds what in a model's description would run code or read files, by reading names only.

Keras rebuilds a model by looking names up, and has several ways to do so: in what the running program registered, by
module and name, by name alone. Whatever any of them would find has to be on the list of what models are made of
(`allowed.py`), or registered by the running program (`keras.saving.register_keras_serializable`, `custom_objects`).
Anything else is a finding. Nothing is imported, built or called to find out.
"""

import builtins
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras.src import layers as keras_layers
from keras.src.api_export import get_symbol_from_name
from keras.src.backend.common import global_state

from turtlenet.keras_files.safety.allowed import allowed, by_name


class UnsafeEntry(NamedTuple):
    """Something in a description that is not known to be safe.

    Attributes:
        phrase: What it is, in words that go on after "has".
        suppliable: Whether the user can supply what it needs.
        trustable: Whether trusting the file makes it load, by running or reading what it names.
        harmful: Whether it runs code or reads files for whoever opens the file without looking.
    """

    phrase: str
    suppliable: bool = False
    trustable: bool = False
    harmful: bool = True


# What Keras has and no file may name, and what would happen.
_DANGERS = {
    "Lambda": "carries Python code",
    "TFSMLayer": "loads and runs a graph from another file",
    "TorchModuleWrapper": "carries a pickle, which is Python code",
    "JaxLayer": "carries Python code",
    "FlaxLayer": "carries Python code",
}
_READ_FILES = frozenset(("IndexLookup", "StringLookup", "IntegerLookup", "TextVectorization"))
_DATA = frozenset(
    (
        *("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"),
        "TensorShape",
    )
)
_MODELS = ("Functional", "Model", "Sequential")
# Modules of these packages are where older files have what is Keras's own.
_KERAS = ("keras", "tf_keras", "tensorflow", "builtins")
# Keras imports from these when a file says so.
_PACKAGES = ("keras", "keras_hub", "keras_cv", "keras_nlp")
_FAMILIES = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers")
# They stand beside the layers of Keras, and make objects of descriptions.
_MAKERS = ("deserialize", "serialize")
# Keras before 3.9 imported whatever module a file named.
_NO_MODELS_OWN = sys.stdlib_module_names | {"tensorflow", "keras", "numpy", "torch", "jax"}


def findings(config: Any) -> tuple[str, ...]:
    """What in a description is not known to be safe, one phrase each; empty where all is well.

    Args:
        config: A model's or a compiled state's description: dicts, lists, strings and numbers.
    """
    return tuple(found.phrase for found in judge(config))


def judge(config: Any) -> tuple[UnsafeEntry, ...]:
    """What is unsafe in a description, as `findings` says, each with what can be done about it."""
    judged: dict[UnsafeEntry, None] = {}
    # A stack of its own: a file may nest deeper than Python recurses.
    waiting: list[tuple[Any, str]] = [(config, "the model")]
    while waiting:
        node, owner = waiting.pop()
        if isinstance(node, dict):
            owner = _owner(node, owner)
            verdicts = list(_judge(node, owner))
            judged.update(dict.fromkeys(verdicts))
            if not verdicts:
                waiting.extend((value, owner) for value in reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend((item, owner) for item in reversed(node))
    return tuple(judged)


def _owner(node: dict[str, Any], owner: str) -> str:
    """The innermost named thing that a node belongs to."""
    inner = node.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return f"{node.get('class_name')} {name!r}" if isinstance(name, str) else owner


def _judge(node: dict[str, Any], owner: str) -> Iterator[UnsafeEntry]:
    """Findings about one node, its children left out."""
    if "class_name" not in node:
        return
    name = node["class_name"]
    named = (name, node.get("module") or "keras", node.get("registered_name") or "")
    if not all(isinstance(each, str) for each in named):
        yield UnsafeEntry(f"{owner}, whose class name, module or registered name is no text")
    elif name in ("Lambda", "__lambda__"):
        if name != "Lambda" or not _calls_known(node) or node.get("registered_name") not in (None, "Lambda"):
            yield _of_lambda(node, owner)
    elif name == "function":
        if (verdict := _judge_function(node, owner)) is not None:
            yield verdict
    elif name not in _DATA and (verdict := _judge_class(node, name, owner)) is not None:
        yield verdict
    elif not node.get("module") and (maker := _maker(node.get("config"))):
        yield UnsafeEntry(f"{owner} with {maker!r}, which makes objects of descriptions")


def _calls_known(node: dict[str, Any]) -> bool:
    """Whether a `Lambda` names a function that Keras or this program has, instead of bringing one."""
    inner = node.get("config")
    function = inner.get("function") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(function, dict) or function.get("class_name") != "function":
        return False
    code = any(_is_code(inner.get(key)) for key in ("output_shape", "mask"))
    return not code and _judge_function({"module": "builtins", **function}, "") is None


def _of_lambda(node: dict[str, Any], owner: str) -> UnsafeEntry:
    called = _called(node)
    if called and not all(map(_is_known, _of_keras(node["config"]["function"], called))):
        return UnsafeEntry(f"{owner}, which calls {called!r} of Keras, as no model does", suppliable=True)
    more = f" (it calls {called!r})" if called else ""
    return UnsafeEntry(f"{owner}, which carries Python code{more}", suppliable=True, trustable=True)


def _is_code(value: Any) -> bool:
    return isinstance(value, (dict, str)) or (isinstance(value, list) and bool(value) and isinstance(value[0], str))


def _called(node: dict[str, Any]) -> str:
    """The name of the function that a `Lambda` asks for, where it says one."""
    inner = node.get("config")
    function = inner.get("function") if isinstance(inner, dict) else None
    name = function.get("config") if isinstance(function, dict) else function
    return name if isinstance(name, str) and name.isidentifier() else ""


def _judge_class(node: dict[str, Any], name: str, owner: str) -> UnsafeEntry | None:
    registered, of_keras = _registered(node.get("registered_name"), name), list(_of_keras(node, name))
    if name in _MODELS and _root(node) in _KERAS:
        of_keras.append(keras.Model)
    reached = [*registered.values(), *of_keras]
    # On JAX every layer of Keras descends from a mixin of the backend that is called JaxLayer too.
    bases = {base for cls in reached for base in getattr(cls, "__mro__", ())}
    lineage = {base.__name__ for base in bases if not base.__module__.startswith("keras.src.backend")}
    who = owner if owner.startswith(name) else f"{name} in {owner}"
    if danger := next((words for known, words in _DANGERS.items() if known in lineage), None):
        return UnsafeEntry(f"{who}, which {danger}", trustable=True)
    if not all(map(_is_known, reached)):
        return UnsafeEntry(f"{who}, which Keras has, but no model is made of")
    # What it says to be registered as counts for nothing where that is another thing's name.
    own = any(_is_name_of(key, thing, name) for key, thing in registered.items())
    if not own and not any(isinstance(each, type) for each in of_keras):
        phrase = f"{who}, a class that neither Keras nor this program has"
        return UnsafeEntry(phrase, suppliable=True, harmful=_runs_in_old_keras(node, name))
    if not lineage.isdisjoint(_READ_FILES) and _names_a_file(node.get("config")):
        return UnsafeEntry(f"{who}, which reads another file", trustable=True)
    return None


def _is_name_of(key: str, thing: Any, name: str) -> bool:
    return name in (key, key.rpartition(">")[2], getattr(thing, "__name__", None))


def _judge_function(node: dict[str, Any], owner: str) -> UnsafeEntry | None:
    name, module = node.get("config"), node.get("module") or "builtins"
    what = f"{owner} with the function {str(name)[:60]!r}"
    if not isinstance(name, str):
        return UnsafeEntry(f"{what}, which is no name")
    # What it says to be registered as counts for nothing: Keras looks at the name.
    reached = [*_registered(name).values(), *_by_ending(name, module), *_of_keras(node, name)]
    if not all(map(_is_known, reached)):
        return UnsafeEntry(f"{what}, which Keras has, but no model calls")
    if not reached or any(isinstance(each, type) for each in reached):
        phrase = f"{what}, which neither Keras nor this program has"
        return UnsafeEntry(phrase, suppliable=True, harmful=_runs_in_old_keras(node, name))
    return None


def _runs_in_old_keras(node: dict[str, Any], name: str) -> bool:
    """Whether a name that means nothing here is code elsewhere, as `os` and `system` are."""
    module = str(node.get("module") or "builtins")
    if module == "builtins":
        return hasattr(builtins, name)
    return module.partition(".")[0] in _NO_MODELS_OWN


def _is_known(thing: Any) -> bool:
    return allowed(thing) or any(thing is each for each in _supplied().values())


def _supplied() -> dict[str, Any]:
    """What the running program registered, and what it supplies at this point."""
    here = global_state.get_global_attribute("custom_objects_scope_dict", {})
    return {**keras.saving.get_custom_objects(), **here}


def _registered(*names: Any) -> dict[str, Any]:
    objects = {name: keras.saving.get_registered_object(name) for name in names if isinstance(name, str)}
    return {name: thing for name, thing in objects.items() if thing is not None}


def _by_ending(name: str, module: str) -> list[Any]:
    """Keras up to 3.6 wrote a registered function without its package."""
    if module != "builtins" or ">" in name:
        return []
    return [thing for key, thing in _supplied().items() if key.endswith(f">{name}")][:1]


def _root(node: dict[str, Any]) -> str:
    return str(node.get("module") or "keras").partition(".")[0]


def _of_keras(node: Any, name: str) -> Iterator[Any]:
    """What each of Keras's ways to look a name up would find, callable things alone."""
    node = node if isinstance(node, dict) else {"module": "builtins", "class_name": "function"}
    module = str(node.get("module") or "")
    candidates = [get_symbol_from_name(f"{module}.{name}")]
    if module == "builtins":
        candidates += [get_symbol_from_name(f"keras.{family}.{name}") for family in _FAMILIES]
    if _root(node) in _PACKAGES and module in sys.modules:
        candidates.append(vars(sys.modules[module]).get(name))
    if not module:
        # The loader of HDF5 files looks among the layers, and at whatever else stands beside them.
        candidates += [vars(place).get(name) for place in (keras_layers, keras.layers)]
    if _root(node) in _KERAS:
        # Keras 2 wrote its own optimizers as `Custom>Adam`.
        wanted = types.FunctionType if node.get("class_name") == "function" else type
        short = name.removeprefix("Custom>")
        candidates += [each for each in by_name().get(short, ()) if isinstance(each, wanted)]
    return (each for each in candidates if callable(each))


def _maker(config: Any) -> str | None:
    """A text that the loader of HDF5 files would take for a function which makes objects."""
    values = config.items() if isinstance(config, dict) else ()
    return next((value for key, value in values if key != "name" and value in _MAKERS), None)


def _names_a_file(config: Any) -> bool:
    """Whether a vocabulary is anything but a list of words, such as the path of one."""
    given = [config.get(key) for key in ("vocabulary", "idf_weights")] if isinstance(config, dict) else []
    return not all(each is None or (isinstance(each, list) and not _nests(each)) for each in given)


def _nests(words: list[Any]) -> bool:
    return any(isinstance(word, (dict, list)) for word in words)
