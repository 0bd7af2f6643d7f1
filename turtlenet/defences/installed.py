"""Defences of other packages, made known to Keras, so that a model that was saved with them loads."""

import inspect
from typing import Any

import keras

from turtlenet.defences.base import Defence, defences
from turtlenet.errors import SpecError


def register_installed() -> list[str]:
    """Imports the entry points of `turtlenet.defences`, and registers their layers with Keras.

    Which code runs is up to what is installed, never to a model's file: that is looked up by registered names alone. A
    layer that its own package did not register goes by `package>Class`. A package that cannot be imported is left out
    here; it says why when its name is asked for.

    Returns:
        The names under which Keras knows the layers.
    """
    found = []
    for name in defences.installed():
        try:
            kind: Any = defences.factory(name)
        except SpecError:
            continue
        if not inspect.isclass(kind) or not issubclass(kind, Defence):
            continue
        known = keras.saving.get_registered_name(kind)
        if keras.saving.get_registered_object(known) is not kind:
            package = kind.__module__.partition(".")[0]
            known = f"{package}>{kind.__name__}"
            if keras.saving.get_registered_object(known) is None:
                keras.saving.register_keras_serializable(package)(kind)
        found.append(known)
    return found
