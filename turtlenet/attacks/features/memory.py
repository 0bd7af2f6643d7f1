"""What is known of a model's features from its training: in this process, and from its file."""

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks.features.said import FEATURES
from turtlenet.classifier import Classifier
from turtlenet.models.as_classifier import ModelType

_known: "weakref.WeakKeyDictionary[keras.Model, dict[str, Any]]" = weakref.WeakKeyDictionary()


def remember_features(model: keras.Model, facts: Mapping[str, Any] | None) -> None:
    """Keeps in mind, for as long as the model lives, under which bounds, radii and rules it was trained.

    Args:
        model: The model.
        facts: `FeatureThreat.to_dict`; None for nothing.
    """
    if facts:
        _known[model] = dict(facts)


def features_of(model: ModelType) -> dict[str, Any] | None:
    """Bounds, radii and rules of a model's training, as plain data that nobody has checked; None for nothing."""
    if isinstance(model, Classifier):
        model = model.whole
    if isinstance(model, keras.Model):
        return _known.get(model)
    found = (models.read_provenance(Path(model)) or {}).get(FEATURES)
    return found if isinstance(found, dict) else None
