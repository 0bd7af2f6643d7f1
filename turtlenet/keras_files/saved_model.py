"""SavedModel folders, read as plain data: the Keras model that one describes, and its weights by layer.

`model.save(folder)` wrote them from TensorFlow 2.0 on. The graph in the folder is neither run nor read: what counts is
the JSON that Keras left beside it, and the tree of objects, which says which array of the checkpoint belongs to which
layer. Both are protocol buffers, of which this reads the few fields that it needs, by their numbers.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.errors import ModelError, one_line
from turtlenet.keras_files.protobuf import MOST_BYTES, MalformedError, Message

_MODELS = ("_tf_keras_network", "_tf_keras_model", "_tf_keras_sequential")
_LISTS = ("trackable_list_wrapper", "trackable_tuple_wrapper", "trackable_dict_wrapper")
_TREE = "_CHECKPOINTABLE_OBJECT_GRAPH"
# No model's tree of objects comes near.
_MOST_TREE_BYTES = 1 << 27


@dataclass(frozen=True)
class SavedModel:
    """The description in a SavedModel.

    Attributes:
        config: The architecture, `class_name` and `config`, as Keras writes it into an HDF5 file.
        training: Optimizer, loss and metrics, as Keras wrote them; None where the model was not compiled.
        keras_version: The Keras that wrote it, where it says so.
        backend: The backend that Keras ran on, where it says so.
    """

    config: dict[str, Any]
    training: dict[str, Any] | None
    keras_version: str | None
    backend: str | None


def describe(folder: Path) -> SavedModel:
    """Reads the description of the Keras model in a SavedModel folder.

    Raises:
        ModelError: No SavedModel, a damaged one, or a graph without the description of a model.
    """
    with _whole(folder):
        about = _notes(folder)[0].about
    name, config = about.get("class_name"), about.get("config")
    if not isinstance(name, str) or not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise ModelError(
            f"Expected a functional or sequential model; {folder} holds the graph of {name!r} without its layers: "
            "build it in Python, load its weights and save it as .keras."
        )
    training, version, framework = (about.get(key) for key in ("training_config", "keras_version", "backend"))
    return SavedModel(
        {"class_name": name, "config": config},
        training if isinstance(training, dict) else None,
        version if isinstance(version, str) else None,
        framework if isinstance(framework, str) else None,
    )


def arrays(folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Reads the weights in a SavedModel folder as an HDF5 file of the same model would list them.

    Returns:
        For each layer that has any, in the model's order, the names of its weights (`conv2d/kernel:0`) and their
        arrays, those that train first. A model within the model is one layer; what the model itself owns comes last,
        under the name that HDF5 files have for it, `top_level_model_weights`.

    Raises:
        ModelError: No SavedModel, a damaged one, or a graph without the description of a model.
    """
    prefix = str(folder / "variables" / "variables")
    with _whole(folder):
        objects = _objects(folder)
        listed = _Tree(objects, _notes(folder, objects)).weights()
        stored = _stored(objects, backend.checkpoint_arrays(prefix, [_TREE])[_TREE])
        if lacking := [name for name, weights in listed.items() if not stored.keys() >= set(weights)]:
            raise MalformedError(f"its checkpoint lacks weights of {lacking[0]!r}")
    values = backend.checkpoint_arrays(prefix, {stored[one][1] for weights in listed.values() for one in weights})
    return {
        name: [(f"{stored[one][0]}:0", values[stored[one][1]]) for one in weights] for name, weights in listed.items()
    }


@dataclass(frozen=True)
class _Object:
    """A node in the tree of objects: a layer, a list, a variable, or something that is of no interest here."""

    children: dict[str, int]
    identifier: str
    note: str
    is_variable: bool
    trains: bool


@dataclass(frozen=True)
class _Note:
    """What Keras noted about one of its objects."""

    identifier: str
    about: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.about.get("name"))

    @property
    def trains(self) -> bool:
        return self.about.get("trainable") is not False


@dataclass(frozen=True)
class _Split:
    """A layer's variables, as objects: those that train, those that do not, and all as in `layer.weights`."""

    training: list[int]
    fixed: list[int]
    all: list[int]


@dataclass
class _Tree:
    """The objects of a model, and the order in which Keras lists its weights."""

    objects: list[_Object]
    notes: dict[int, _Note]
    known: dict[int, _Split] = field(default_factory=dict)

    def weights(self) -> dict[str, list[int]]:
        """The variables of each layer in the order of an HDF5 file. The layers are `layer-0`, `layer-1`, ..."""
        root = self.objects[0].children
        layers = [root[f"layer-{n}"] for n in range(len(root)) if f"layer-{n}" in root]
        names = [self.notes[layer].name for layer in layers if layer in self.notes]
        if len(set(names)) < len(layers):
            raise MalformedError("its layers do not have a name each")
        splits = [*(self.split(layer) for layer in layers), _Split(*self.own(0), [])]
        listed = zip([*names, "top_level_model_weights"], splits, strict=True)
        return {name: _once(split.training + split.fixed) for name, split in listed if split.training or split.fixed}

    def split(self, layer: int) -> _Split:
        if layer not in self.known:
            # A damaged file may call a layer its own part.
            self.known[layer] = _Split([], [], [])
            split = self.listed(layer) or self.gathered(layer)
            self.known[layer] = _Split(_once(split.training), _once(split.fixed), _once(split.all))
        return self.known[layer]

    def listed(self, layer: int) -> _Split | None:
        """The lists that Keras wrote together with a layer's functions."""
        api = self.objects[layer].children.get("keras_api")
        lists = {} if api is None else self.objects[api].children
        keys = ("trainable_variables", "non_trainable_variables", "variables")
        if not all(key in lists for key in keys):
            return None
        numbered = [self.objects[lists[key]].children for key in keys]
        if any(str(n) not in items for items in numbered for n in range(len(items))):
            raise MalformedError("a list of weights has a gap")
        return _Split(*([items[str(n)] for n in range(len(items))] for items in numbered))

    def gathered(self, layer: int) -> _Split:
        """A layer's variables by Keras's rules; one of preprocessing or under `save_traces=False` has no lists."""
        note = self.notes[layer]
        training, fixed = self.own(layer)
        parts = [self.split(part) for part in self.parts(layer)]
        inner_training = [one for part in parts for one in part.training]
        inner_fixed = [one for part in parts for one in part.fixed]
        inner = [one for part in parts for one in part.all]
        if note.identifier in _MODELS:
            # A model lists its layers before what it owns, and freezes in another order than a layer does.
            everything = inner + training + fixed
            training, fixed = inner_training + training, inner_fixed + fixed
            return _Split(training, fixed, everything) if note.trains else _Split([], training + fixed, everything)
        if not note.trains:
            return _Split([], training + fixed + inner, training + fixed + inner)
        training, fixed = training + inner_training, fixed + inner_fixed
        return _Split(training, fixed, training + fixed)

    def own(self, layer: int) -> tuple[list[int], list[int]]:
        """The variables that hang on a layer itself: those that train, and those that do not."""
        own = [child for child in self.objects[layer].children.values() if self.objects[child].is_variable]
        return [one for one in own if self.objects[one].trains], [one for one in own if not self.objects[one].trains]

    def parts(self, layer: int) -> list[int]:
        """The layers within a layer, also those in its lists."""
        inner, waiting, seen = [], [layer], {layer}
        for node in waiting:
            for child in self.objects[node].children.values():
                if child not in seen and child in self.notes:
                    inner.append(child)
                elif child not in seen and self.objects[child].identifier in _LISTS:
                    waiting.append(child)
                seen.add(child)
        return inner


def _notes(folder: Path, objects: list[_Object] | None = None) -> dict[int, _Note]:
    """What Keras noted, by object; from TensorFlow 2.5 on in a file of its own, before that in the tree of objects."""
    beside = folder / "keras_metadata.pb"
    if beside.is_file():
        texts = {it.number(2): (it.text(4), it.text(5)) for it in Message(_bytes(beside)).messages(1)}
    else:
        texts = {n: (one.identifier, one.note) for n, one in enumerate(objects or _objects(folder))}
    notes = {
        n: _Note(kind, _json(text)) for n, (kind, text) in texts.items() if kind.startswith("_tf_keras_") and text
    }
    if 0 not in notes or notes[0].identifier not in _MODELS:
        raise ModelError(
            f"Expected a Keras model; {folder} holds a graph without one: save the model from Keras as .h5 or .keras."
        )
    return notes


def _objects(folder: Path) -> list[_Object]:
    """The tree of objects in `saved_model.pb`, from its root on."""
    graph = Message(_bytes(folder / "saved_model.pb")).message(2)
    tree = graph.message(7, _MOST_TREE_BYTES)
    objects = []
    for node in tree.messages(1):
        user, variable = node.message(4), node.message(7)
        objects.append(_Object(_children(node), user.text(1), user.text(3), node.has(7), variable.number(3) == 1))
    _check_tree([one.children for one in objects])
    return objects


def _stored(objects: list[_Object], checkpoint: bytes) -> dict[int, tuple[str, str]]:
    """Name and checkpoint key of each variable: the checkpoint has a tree of its own, with the same branches."""
    nodes = list(Message(memoryview(checkpoint)).messages(1))
    children = [_children(node) for node in nodes]
    _check_tree(children)
    stored = {}
    waiting, seen = [(0, 0)], {0}
    for place, saved_node in waiting:
        for value in nodes[saved_node].messages(2):
            if value.text(1) == "VARIABLE_VALUE":
                stored[place] = value.text(2), value.text(3)
        for name, child in objects[place].children.items():
            if child not in seen and name in children[saved_node]:
                seen.add(child)
                waiting.append((child, children[saved_node][name]))
    return stored


def _children(node: Message) -> dict[str, int]:
    return {child.text(2): child.number(1) for child in node.messages(1)}


def _check_tree(children: list[dict[str, int]]) -> None:
    if not children or not all(0 <= child < len(children) for those in children for child in those.values()):
        raise MalformedError("its objects make no tree")


def _once(items: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(items))


def _json(text: str) -> dict[str, Any]:
    # HDF5 files have lists for tuples and shapes.
    plain = ("__tuple__", "TensorShape")
    parsed = json.loads(text, object_hook=lambda it: it.get("items") if it.get("class_name") in plain else it)
    if not isinstance(parsed, dict):
        raise MalformedError("a description is no JSON object")
    return parsed


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Says in one line what is wrong with a folder that is no SavedModel of Keras."""
    if not (folder / "saved_model.pb").is_file():
        raise ModelError(f"Expected a SavedModel; {folder} has no saved_model.pb.")
    try:
        yield
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"Expected a readable SavedModel; {folder}: {error.strerror or error}.") from None
    except (MalformedError, ValueError, RecursionError) as error:
        reason = one_line(error, 160)
        raise ModelError(f"Expected a whole SavedModel; {folder} is damaged or cut short: {reason}.") from None


def _bytes(path: Path) -> memoryview:
    if path.stat().st_size > MOST_BYTES:
        raise MalformedError(f"{path.name} is too large")
    return memoryview(path.read_bytes())
