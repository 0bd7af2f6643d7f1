"""From a loaded model to what an attacker sees of it."""

import keras
import numpy as np

from turtlenet.classifier import Classifier
from turtlenet.defences import Defence
from turtlenet.errors import ModelError
from turtlenet.keras_files.description import input_range
from turtlenet.models.questions import questioned_model
from turtlenet.models.usage import Usage


def classifier(
    model: keras.Model,
    *,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    gradient: str = "adaptive",
    draws: int = 1,
    usage: Usage | None = None,
) -> Classifier:
    """Makes the classifier that attacks and training work on; it shares every variable with the model.

    Args:
        model: A built image classifier.
        bounds: Smallest and largest value of a pixel; None tells it from a defence or a leading `Rescaling`, else
            [0, 1].
        head: What the model's outputs are; see `logits_model`.
        gradient: How attackers take the gradient of defences: `adaptive` or `naive`; see `turtlenet.gradient_mode`.
        draws: How many draws of random defences an answer is the mean of.
        usage: The task, and what else of a model of several inputs or outputs its file does not tell; None for one
            class of several and one input.

    Raises:
        ModelError: A model that is no classifier of one continuous input, or whose weights are not numbers.
    """
    check_numbers(model)
    logits, found, question = questioned_model(model, head, usage)
    return Classifier(
        logits,
        bounds=bounds or pixel_bounds(model),
        head=f"{found.kind}: {found.how}",
        gradient=gradient,
        draws=draws,
        whole=model,
        told=head,
        question=question,
        usage=usage,
    )


def check_numbers(model: keras.Model, but: str = "") -> None:
    """Refuses weights that are NaN: with one of them every answer of a model may be.

    Args:
        model: A built model.
        but: What to do about it, a sentence; empty for nothing.

    Raises:
        ModelError: A weight is NaN.
    """
    for variable in model.variables:
        if "float" not in str(variable.dtype):
            continue
        values = keras.ops.convert_to_numpy(variable).astype("float32", copy=False)
        count = int(np.isnan(values).sum())
        if count:
            raise ModelError(
                f"Expected weights that are numbers; got NaN in {count:,} of the {values.size:,} of "
                f"{variable.path}.{but and ' '}{but}"
            )


def pixel_bounds(model: keras.Model) -> tuple[float, float]:
    """The range that a defence was made for or a leading `Rescaling` expects, or [0, 1]."""
    return told_bounds(model) or (0.0, 1.0)


def told_bounds(model: keras.Model) -> tuple[float, float] | None:
    """The range that a defence was made for or a leading `Rescaling` expects; None where there is neither.

    A defence behind a `Normalization` was made for what that layer gives.
    """
    before = None
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, Defence):
            return layer.bounds if before is None else _outer(before, layer.bounds)
        before = layer if isinstance(layer, keras.layers.Normalization) and not layer.invert else None
    config = {"class_name": type(model).__name__, "config": model.get_config()} if hasattr(model, "layers") else {}
    return input_range(config)


def _outer(scale: keras.layers.Normalization, bounds: tuple[float, float]) -> tuple[float, float]:
    """The smallest and the largest of all inputs that a layer normalizes to values within bounds."""
    mean, width = (np.asarray(keras.ops.convert_to_numpy(each), "float64") for each in (scale.mean, scale.variance))
    low, high = (mean + end * np.sqrt(width) for end in bounds)
    return float(low.min()), float(high.max())
