"""A model's twin, and what tells one model from another."""

import contextlib
import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.saving.serialization_lib import SafeModeScope

from turtlenet.errors import ModelError
from turtlenet.keras_files.compiled.live import compile_like
from turtlenet.keras_files.quiet import quiet


class NoTwinError(ModelError):
    """A model that Keras cannot rebuild from its own description."""


def copy(model: keras.Model) -> keras.Model:
    """A model with the same architecture, weights and compiled state, and variables of its own.

    Variables are paired by the names of the layers that hold them. Classes and functions that the model in hand
    uses need not be registered.

    Raises:
        NoTwinError: A model that Keras cannot describe and rebuild, such as a subclass without `get_config`.
        ModelError: An optimizer that Keras cannot make again.
    """
    try:
        with keras.saving.custom_object_scope(_own_objects(model)), _own_modules(model):
            twin = _rebuilt(model)
        pairs = _counterparts(model, twin)
        for variable, counterpart in pairs:
            # An array of its own: a step of JAX's gives away those that it is given.
            counterpart.assign(keras.ops.convert_to_numpy(variable))
        for layer in twin._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                # What it works out from its weights once is to be worked out from these.
                layer.finalize_state()
    except Exception as error:  # A class of the user's own raises what it likes.
        reason = " ".join(str(error).partition("\n")[0].split())[:200].rstrip(".") or type(error).__name__
        raise NoTwinError(f"Expected a model that Keras can rebuild from its config; got: {reason}.") from None
    compile_like(twin, model, pairs)
    return twin


def _own_modules(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """Lets modules of PyTorch be rebuilt: they are pickled, but by the model in hand and by no file."""
    held = any(isinstance(layer, keras.layers.TorchModuleWrapper) for layer in model._flatten_layers())
    return SafeModeScope(safe_mode=False) if held else contextlib.nullcontext()


def _rebuilt(model: keras.Model) -> keras.Model:
    kind, config = type(model), model.get_config()
    # Keras gives a class its name, too, whether it takes one or not.
    twin = kind.from_config(config) if inspect.signature(kind).parameters else kind()
    if model.weights and not twin.weights:
        # A subclass has no variables before it knows the shape of its input.
        with quiet():
            twin.build_from_config(model.get_build_config())
    return twin


def _own_objects(model: keras.Model) -> dict[str, Any]:
    """Classes and functions that the layers of a model use and that are not Keras's, by their names."""
    layers = model._flatten_layers()
    held = [each for layer in layers for each in (layer, *vars(layer).values())]
    named = [
        each if inspect.isfunction(each) else type(each)
        for each in held
        if hasattr(each, "get_config") or inspect.isfunction(each)
    ]
    return {each.__name__: each for each in named if not each.__module__.startswith("keras.")}


def _counterparts(model: keras.Model, twin: keras.Model) -> list[tuple[Any, Any]]:
    """Each weight of a model with that of its twin.

    Raises:
        ValueError: Other weights than the model has.
    """
    own, twins = list(_placed(model)), list(_placed(twin))
    here, there = dict(own), dict(twins)
    if len(here) == len(own) == len(there) == len(twins) and here.keys() == there.keys():
        pairs = [(each, there[place]) for place, each in own]
    else:
        # Two layers of one name in a subclass: then their order tells them apart.
        pairs = list(zip(model.weights, twin.weights, strict=True))
    if any(tuple(one.shape) != tuple(other.shape) for one, other in pairs):
        raise ValueError("its config describes layers of other shapes")
    return pairs


def _placed(layer: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The weights of a model by the names of the layers down to the one that holds them, and their number there."""
    inner = list(layer.layers) if isinstance(layer, keras.Model) else []
    for each in inner:
        yield from _placed(each, (*path, each.name))
    held = {id(weight) for each in inner for weight in each.weights}
    own = [weight for weight in layer.weights if id(weight) not in held]
    yield from (((*path, number), weight) for number, weight in enumerate(own))


def file_sha256(path: Path) -> str:
    """A hash of a file's bytes; of a folder's, those of all files in it in the order of their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for part in sorted(each for each in path.rglob("*") if each.is_file()):
            digest.update(str(part.relative_to(path)).encode() + file_sha256(part).encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(model: keras.Model) -> str:
    """A hash of all weights: the identity of a model in memory."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
