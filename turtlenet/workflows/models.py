"""Loads, saves and wraps models."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from turtlenet import models
from turtlenet.attacks.features.defaults import is_table
from turtlenet.attacks.features.memory import features_of, remember_features
from turtlenet.attacks.features.said import FEATURES, Said
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.parts import TRAINED_ON, remember, trained_on
from turtlenet.data.prepare import DataType, load_data, normalized_for
from turtlenet.data.readers.tables import Reading, is_tabular, reading_of
from turtlenet.defences import Conversion, Defence
from turtlenet.errors import SettingError
from turtlenet.files import PathType
from turtlenet.models.as_classifier import ModelType, in_memory
from turtlenet.models.classifier import told_bounds
from turtlenet.models.wrap import wants_bounds
from turtlenet.settings.base import check_of_use, describes
from turtlenet.settings.inputs import ColumnSettings
from turtlenet.training.data.feature_data import with_features


@checked()
def load_model(
    path: PathType,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    trust: bool | None = None,
    architecture: str | None = None,
    compile: bool = True,
) -> keras.Model:
    """Loads a model that any Keras wrote (`.h5`, `.hdf5`, `.keras`, a SavedModel's folder), running no code of it.

    Args:
        path: The file or folder.
        custom_objects: Classes and functions by the name in the file; a `Lambda` goes by its layer's name too.
        trust: Whether Python code in the file may run; None for what `turtlenet.models.loading` says, else
            False.
        architecture: The model of a file that holds weights only: a name, JSON or YAML, or `module:function`.
        compile: Whether to bring optimizer, loss and metrics back.

    Raises:
        ModelError: No model file, a damaged one, or one with layers that nobody knows here.
    """
    model = models.load(path, compile=compile, custom_objects=custom_objects, trust=trust, architecture=architecture)
    remember(model, trained_on(path))
    remember_features(model, features_of(path))
    return model


@checked()
def save_model(
    model: keras.Model | Classifier, path: PathType, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Saves a model with its compiled state as `.h5` or `.keras`, at once or not at all.

    Args:
        model: Any model that Keras can write.
        path: Where to save it, ending in `.h5`, `.hdf5` or `.keras`.
        provenance: Where the model comes from, as plain JSON data, kept in the file beside what is known of the data
            that it was trained on.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    seen, features = trained_on(model), features_of(model)
    known = {**({TRAINED_ON: seen} if seen else {}), **({FEATURES: features} if features else {})}
    models.save(in_memory(model), path, {**known, **(provenance or {})})


@checked()
@describes(ColumnSettings)
def wrap(
    model: ModelType,
    *defences: str | Defence | Conversion,
    bounds: tuple[Any, Any] | None = None,
    normalize: Any = None,
    data: DataType | None = None,
    **settings: Any,
) -> keras.Model:
    """Puts defences in front of a model, or what normalizes its inputs, without training; see `turtlenet.models.wrap`.

    Args:
        model: A model, which shares its variables with what is given back, or the path of one.
        *defences: Layers or their specs, from the input on: `"constant-quantization:levels=4"`.
        bounds: Smallest and largest value of an input: two numbers, or arrays that broadcast to it; None tells them
            from the model or, of a table, from the data. Where they differ, each feature is defended in units of its
            own; see `turtlenet.models.wrap`.
        normalize: What inputs are normalized by, behind the defences: `imagenet`, `cifar10`, `torchvision`,
            `mean=...,std=...`, or `data` for mean and standard deviation of the training data.
        data: The data for `normalize="data"`, whose training part is taken; of a table they tell the bounds too, where
            neither `bounds` nor the model's file does.
        **settings: See `turtlenet.settings.inputs.ColumnSettings`.
    """
    if not defences and normalize is None:
        raise SettingError("Expected at least one defence, or what to normalize by; got none.")
    check_of_use(ColumnSettings, {} if data is not None else settings, settings, "--data", "none")
    said = Said.by_user(bounds=bounds)
    how = reading_of(ColumnSettings(**settings), trained_on(model))
    plain, data = normalized_for(in_memory(model), normalize, data, bounds=said.outer, head="auto", how=how)
    ends = _bounds(plain, data, said.else_of(features_of(model)), how) if wants_bounds(defences) else None
    wrapped = models.wrap(plain, defences, ends)
    remember(wrapped, trained_on(model))
    remember_features(wrapped, features_of(model))
    return wrapped


def _bounds(model: keras.Model, data: DataType | None, said: Said, how: Reading) -> tuple[Any, Any] | None:
    """Smallest and largest value of the inputs, as the user, the model's training or a table says; None by neither.

    Raises:
        SettingError: A table of which nobody says where its features lie.
    """
    if said.bounds is not None and not isinstance(said.bounds, Mapping):
        return said.bounds
    if data is None:
        shape = tuple(model.input_shape[1:])
        if said.outer is None and None not in shape and is_table(shape) and told_bounds(model) is None:
            raise SettingError(
                "Expected bounds or data to put a defence in front of a model of a table, whose features have units "
                "of their own; got neither: pass --data TRAIN, or --bounds low,high if all have the same."
            )
        return said.outer

    def made(bounds: tuple[float, float] | None) -> Classifier:
        return models.classifier(model, bounds=bounds)

    victim, _, threat = with_features(
        said,
        "linf",
        made(said.outer),
        made,
        lambda each: load_data(data, each, weighted=True, how=how),
        training=True,
        table=is_tabular(data),
    )
    ends = victim.bounds if threat is None else threat.bounds
    return ends if any(map(np.ndim, ends)) else victim.bounds
