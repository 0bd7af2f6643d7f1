"""Brings the compiled state of a file back: optimizer, loss, metrics, of any era.

Keras 3.15 does this itself, but starts the optimizer of an HDF5 file afresh (it builds it for no weights at all),
gives an optimizer of Keras 2 the default learning rate, and cannot read names and settings of older Kerases.
"""

import copy
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import keras
from keras.src.backend.common import global_state

from turtlenet.errors import ModelError
from turtlenet.files import hdf5
from turtlenet.keras_files.build import put
from turtlenet.keras_files.compiled.optimizers import build
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.rules import Json
from turtlenet.keras_files.model_description import ModelDescription
from turtlenet.keras_files.save import OPTIMIZER_STATE
from turtlenet.keras_files.weights.hdf5_arrays import attribute_list
from turtlenet.keras_files.weights.match import Pair

# What these mean depends on the shape of the output, so `compile` alone can read them.
_BY_OUTPUT = ("accuracy", "acc", "crossentropy", "ce")
# Settings of older optimizers that Keras 3 lacks; none of them changes a step. `decay` is translated.
_GONE = ("jit_compile", "is_legacy_optimizer", "schedule_decay", "initial_decay", "decay")
_NAMES = {
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "KLD": "kl_divergence",
    "logcosh": "log_cosh",
    "cosine_proximity": "cosine_similarity",
    "cosine": "cosine_similarity",
}
_CLASSES = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adadelta": "Adadelta"}
_CLASSES |= {"adamax": "Adamax", "nadam": "Nadam", "ftrl": "Ftrl"}


def compile_from(model: keras.Model, description: ModelDescription) -> None:
    """Compiles a model as its file says, and continues its optimizer where Keras 3 wrote the file.

    What cannot be read is left out: metrics alone, or the whole state; the model stays uncompiled then.

    Args:
        model: The model with its weights, not compiled.
        description: Its file; it has a compiled state, and that state is known to be safe.
    """
    training = copy.deepcopy(description.training or {})
    if _meant_another_loss(description):
        return
    try:
        optimizer = _optimizer(training.get("optimizer_config") or training["optimizer"])
        loss = _each(training.get("loss"), keras.losses)
    except Exception:  # Whatever Keras raises at a name or a setting that it does not know.
        return
    if optimizer is None:
        return
    rest: Json = {"loss_weights": training.get("loss_weights")}
    for key in ("metrics", "weighted_metrics"):
        try:
            rest[key] = _metrics(training.get(key))
        except Exception:
            rest[key] = None
    try:
        model.compile(optimizer=optimizer, loss=loss, **rest)
        if (description.keras_version or "").startswith("3."):
            _resume(model.optimizer, model.trainable_variables, description)
    except Exception:
        # `compile` keeps what it was given before it checks it.
        model.compiled = False


def _meant_another_loss(description: ModelDescription) -> bool:
    """Whether the loss had another scale or sign: the cosine, averaged over features up to Keras 2.0.8, and positive
    in TensorFlow 1.14 and 1.15 alone, which gave their version as their neighbors did.
    """
    told = json.dumps((description.training or {}).get("loss"))
    if not any(f'"{name}"' in told for name in ("cosine_proximity", "cosine")):
        return False
    version = description.keras_version
    return version == "2.2.4-tf" or KerasVersion.of(version, None, otherwise=1).version < (2, 0, 9)


def _optimizer(config: Any) -> Any:
    """Reads an optimizer; Keras 2 wrote its own as `Custom>Adam`, with names and settings that Keras 3 lacks."""
    if isinstance(config, str):
        return keras.optimizers.get(config)
    name, settings = config["class_name"].rpartition(">")[2], dict(config["config"])
    if name == "LossScaleOptimizer":
        inner = settings.get("inner_optimizer") or settings.get("optimizer")
        made = _optimizer(inner)
        scale = {key: settings[key] for key in ("dynamic_growth_steps", "name") if settings.get(key) is not None}
        return keras.optimizers.LossScaleOptimizer(
            made, initial_scale=settings.get("initial_scale") or 2.0**15, **scale
        )
    if "lr" in settings:
        settings["learning_rate"] = settings.pop("lr")
    decay = settings.get("decay") or 0.0
    for key in _GONE:
        settings.pop(key, None)
    for key, value in list(settings.items()):
        if isinstance(value, dict) and value.get("type") == "ndarray":
            settings[key] = value["value"]
    if settings.get("epsilon", 0) is None:
        del settings["epsilon"]
    if decay and isinstance(settings.get("learning_rate"), (int, float)):
        # Keras 2 divided the rate by 1 + decay * step.
        settings["learning_rate"] = keras.optimizers.schedules.serialize(
            keras.optimizers.schedules.InverseTimeDecay(float(settings["learning_rate"]), 1, float(decay))
        )
    described = {"class_name": _CLASSES.get(name, name), "config": settings}
    if config.get("module") not in (None, "builtins") or config.get("registered_name"):
        described |= {key: config[key] for key in ("module", "registered_name") if key in config}
        if str(described.get("registered_name")).startswith("Custom>"):
            described |= {"registered_name": None, "module": "keras.optimizers"}
    if hasattr(keras.optimizers, described["class_name"]) and described.get("module") in (None, "keras.optimizers"):
        # `keras.optimizers.deserialize` does not know all of Keras's own.
        own = described | {"module": "keras.optimizers", "registered_name": None}
        return keras.saving.deserialize_keras_object(own)
    return keras.optimizers.deserialize(described)


def _each(config: Any, family: Any) -> Any:
    """Reads the objects in a nest of lists and dicts; a name stays a name, which `compile` understands."""
    if isinstance(config, dict) and "class_name" not in config:
        return {key: _each(value, family) for key, value in config.items()}
    if isinstance(config, list):
        return [_each(value, family) for value in config]
    if isinstance(config, str):
        config = _NAMES.get(config, config)
        if config not in _BY_OUTPUT:
            # Keras would look the name up at the first batch only; a name that it does not know has to show now.
            family.get(config)
        return config
    if isinstance(config, dict):
        return _object(config, family)
    return config


def _object(config: Json, family: Any) -> Any:
    inner = config.get("config")
    if isinstance(inner, dict):
        if inner.get("reduction") in ("auto", "AUTO"):
            inner["reduction"] = "sum_over_batch_size"
        if config["class_name"] == "MeanMetricWrapper" and isinstance(inner.get("fn"), str):
            name = _NAMES.get(inner["fn"], inner["fn"])
            return keras.metrics.MeanMetricWrapper(keras.metrics.get(name), name=inner.get("name"))
    if config["class_name"] == "function" and isinstance(inner, str):
        config = config | {"config": _NAMES.get(inner, inner)}
    return family.deserialize(config)


def _metrics(config: Any) -> Any:
    """Reads metrics; one that would count in more than ten million numbers is no metric."""
    with keras.StatelessScope():
        found = _each(config, keras.metrics)
        held = [each.variables for each in keras.tree.flatten(found) if isinstance(each, keras.Metric)]
        if sum(math.prod(variable.shape) for variables in held for variable in variables) > 10_000_000:
            global_state.set_global_attribute("uninitialized_variables", [])
            raise ModelError("Expected metrics of at most 10,000,000 numbers; got more.")
    return found


def _resume(optimizer: Any, weights: list[Any], description: ModelDescription) -> None:
    with _optimizer_arrays(description) as saved:
        # Not within a scope of shapes alone: some optimizers give their variables values as they make them.
        build(optimizer, weights)
        # Nothing is read before all of it is known to fit.
        put(_paired(optimizer.variables, saved))


def _paired(variables: list[Any], saved: list[tuple[str, Any]]) -> list[Pair]:
    """Each variable of an optimizer with its array: by name where the names are the same, else by their order."""
    arrays, names = dict(saved), [variable.path for variable in variables]
    if len(arrays) == len(saved) == len(set(names)) == len(names) and arrays.keys() == set(names):
        pairs = [(variable, arrays[name]) for variable, name in zip(variables, names, strict=True)]
    else:
        pairs = list(zip(variables, [array for _, array in saved], strict=len(variables) == len(saved)))
    fit = len(variables) == len(saved) and all(tuple(variable.shape) == array.shape for variable, array in pairs)
    return pairs if fit else []


@contextmanager
def _optimizer_arrays(description: ModelDescription) -> Iterator[list[tuple[str, h5py.Dataset]]]:
    """The optimizer's arrays in their order, by names or numbers, while the file is open."""
    if description.format == "hdf5":
        with hdf5.opened(description.path) as file:
            group = file.get(OPTIMIZER_STATE, file.get("optimizer_weights"))
            names = attribute_list(group, "weight_names") if group is not None else []
            yield [(name, group[name]) for name in names]
    elif description.path.is_dir():
        with hdf5.opened(description.path / "model.weights.h5") as file:
            yield _numbered(file)
    elif not (hdf5.is_trusted() or hdf5.is_known(description.path)):
        # Its weights have been looked at before, so it is another file by now.
        raise ModelError(f"Expected {description.path} to stay as it is while it is loaded; it has changed.")
    else:
        with (
            zipfile.ZipFile(description.path) as archive,
            archive.open("model.weights.h5") as stream,
            h5py.File(stream, "r") as file,
        ):
            yield _numbered(file)


def _numbered(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    group = file.get("optimizer/vars")
    return [(str(index), group[str(index)]) for index in range(len(group))] if group is not None else []
