"""Brings the compiled state of an HDF5 file back: optimizer, loss, metrics.

Keras 3.15 does this itself, but starts the optimizer afresh (it builds it for no weights at all), gives an optimizer
of Keras 2 the default learning rate, and cannot read a loss that was named by a short name such as `mse`.
"""

from typing import Any

import h5py
import keras
import numpy as np

from turtlenet.models.files.blueprint import Blueprint

__all__ = ["compile_from_hdf5"]

# What these mean depends on the shape of the output, so `compile` alone can read them.
_BY_OUTPUT = ("accuracy", "acc", "crossentropy", "ce")
_KERAS_2_ONLY = ("jit_compile", "is_legacy_optimizer")


def compile_from_hdf5(model: keras.Model, blueprint: Blueprint) -> None:
    """Compiles a model as its file says, and continues its optimizer where Keras 3 wrote the file.

    Args:
        model: The model with its weights, not compiled.
        blueprint: Its file; it has a compiled state, and that state is known to be safe.

    Raises:
        Exception: Whatever Keras raises at a state that it cannot read.
    """
    training = blueprint.training or {}
    model.compile(
        optimizer=_optimizer(training["optimizer_config"]),
        loss=_each(training.get("loss"), keras.losses),
        metrics=_each(training.get("metrics"), keras.metrics),
        weighted_metrics=_each(training.get("weighted_metrics"), keras.metrics),
        loss_weights=training.get("loss_weights"),
    )
    model.optimizer.build(model.trainable_variables)
    if (blueprint.keras_version or "").startswith("3."):
        _resume(model.optimizer, _optimizer_values(blueprint))


def _optimizer(config: dict[str, Any]) -> Any:
    """Reads an optimizer; Keras 2 wrote its own as `Custom>Adam`, with two settings that Keras 3 lacks."""
    settings = {key: value for key, value in config["config"].items() if key not in _KERAS_2_ONLY}
    return keras.optimizers.deserialize(
        {"class_name": config["class_name"].removeprefix("Custom>"), "config": settings}
    )


def _each(config: Any, family: Any) -> Any:
    """Reads the objects in a nest of lists and dicts; a name stays a name, which `compile` understands."""
    if isinstance(config, dict) and "class_name" not in config:
        return {key: _each(value, family) for key, value in config.items()}
    if isinstance(config, list):
        return [_each(value, family) for value in config]
    if isinstance(config, str) and config not in _BY_OUTPUT:
        # Keras would look the name up at the first batch only; a name that it does not know has to show now.
        family.get(config)
    return family.deserialize(config) if isinstance(config, dict) else config


def _resume(optimizer: Any, saved: list[np.ndarray]) -> None:
    variables = optimizer.variables
    if [value.shape for value in saved] == [tuple(variable.shape) for variable in variables]:
        for variable, value in zip(variables, saved, strict=True):
            variable.assign(value)


def _optimizer_values(blueprint: Blueprint) -> list[np.ndarray]:
    """The optimizer's arrays in their order; Keras splits a list of names that is too long for one attribute."""
    with h5py.File(blueprint.path, "r") as file:
        group = file.get("optimizer_weights")
        if group is None:
            return []
        numbered = [f"weight_names{index}" for index in range(len(group.attrs))]
        parts = [group.attrs[key] for key in ("weight_names", *numbered) if key in group.attrs]
        names = [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
        return [np.asarray(group[name][()]) for name in names]
