"""The list of what a description may name, against all that Keras has: what is new is read by a person first."""

import inspect
import re
import sys
from pathlib import Path

import keras
import pytest
from keras.src.api_export import get_name_from_symbol, get_symbol_from_name
from keras.src.saving import serialization_lib
from keras.src.saving.keras_saveable import KerasSaveable

import turtlenet
from turtlenet.keras_files.safety.allowed import NAMES, allowed, by_name
from turtlenet.keras_files.safety.findings import findings

FOREIGN = "turtlenet>UnitClip"
assert turtlenet and keras.saving.get_registered_object(FOREIGN), "the test needs a registered name"


def refused():
    """The names in the list beside this file."""
    text = re.sub(r"\n +", " ", (Path(__file__).parent / "refused_names.txt").read_text())
    lines = (line.partition(": ") for line in text.splitlines() if not line.startswith("#"))
    return {f"{space}.{name}" for space, _, names in lines for name in names.split()}


def known_as(thing):
    """The name under which Keras's files would have it."""
    try:
        name = get_name_from_symbol(thing)
    except TypeError:
        name = None
    return name or f"{thing.__module__}.{thing.__qualname__}"


def callables(*, public):
    """Module, name and object of all that can be called in Keras's modules, those of `keras.src` or the others."""
    for module, held in sorted(sys.modules.items()):
        if module.partition(".")[0] == "keras" and held is not None and module.startswith("keras.src") != public:
            for name, thing in list(vars(held).items()):
                if callable(thing) and not inspect.ismodule(thing):
                    yield module, name, thing


def savable(kind=KerasSaveable):
    """Every class that Keras's loader would build from its module and name."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("keras.") and not each.__module__.startswith("keras.src.backend."):
            yield each
        yield from savable(each)


def test_each_name_of_keras_was_read():
    found = {known_as(thing): thing for _, _, thing in callables(public=True)}
    found |= {known_as(thing): thing for thing in savable()}
    new = {name for name, thing in found.items() if not allowed(thing)} - refused()
    assert not new, "read these, and add each to `allowed.py` or to `refused_names.txt`"
    assert not {name for name, thing in found.items() if allowed(thing)} & refused()
    assert len(found) > 1000


def test_each_name_of_the_list_is_there():
    missing = [
        f"{space}.{name}"
        for space, names in NAMES.items()
        for name in names
        if get_symbol_from_name(f"{space}.{name}") is None and not hasattr(sys.modules.get(space), name)
    ]
    assert not missing


def nodes(module, name, registered):
    """A class and a function of that name, as a description would ask for them."""
    yield {"class_name": name, "module": module, "registered_name": registered, "config": {}}
    yield {"class_name": "function", "module": module, "registered_name": registered, "config": name}


@pytest.mark.parametrize("registered", [None, FOREIGN])
@pytest.mark.parametrize("public", [True, False])
def test_nothing_passes_but_what_is_on_the_list(public, registered):
    passed = 0
    for module, name, thing in callables(public=public):
        for node in nodes(module, name, registered):
            function = node["class_name"] == "function"
            verdict = findings({"class_name": "Activation", "config": {"activation": node}})
            if not allowed(thing) or (function and isinstance(thing, type)):
                assert verdict, node
            elif function or isinstance(thing, type):
                assert not verdict, node
            if not verdict:
                found = looked_up(node, name)
                assert found is None or allowed(found), node
                passed += 1
    assert passed > 500


def looked_up(node, name):
    """What Keras's own loader finds; None where it refuses."""
    kind = "function" if node["class_name"] == "function" else "class"
    try:
        return serialization_lib._retrieve_class_or_fn(
            name, None, node["module"], kind, {**node, "registered_name": None}, {}
        )
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize(
    "module", [None, "", "builtins", "keras", "keras.src", "keras._tf_keras.keras", "tensorflow.keras"]
)
def test_no_name_passes_under_another_module(module):
    """Nor a name with its module in front, which Keras would put together: `keras` and `layers.TFSMLayer`."""
    for full in refused():
        short = full.rpartition(".")[2]
        for name in (full, full.removeprefix("keras."), *(() if short in by_name() else (short,))):
            for node in nodes(module, name, FOREIGN):
                assert findings(node), node


def test_what_may_stand_without_a_module():
    """Files of HDF5 leave it out, and Keras looks among the layers and whatever else is there."""
    for full in refused():
        name = full.rpartition(".")[2]
        node = {"class_name": name, "config": {}}
        assert findings(node) or any(isinstance(thing, type) for thing in by_name()[name]), name
    for name, things in by_name().items():
        if any(isinstance(thing, type) for thing in things):
            beside = getattr(keras.src.layers, name, None)
            assert bool(findings({"class_name": name, "config": {}})) == (callable(beside) and not allowed(beside))
