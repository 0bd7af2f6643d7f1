"""The classifier of a model, made once: what was compiled for it serves the next call too.

It lies on the model itself and goes with it. What a graph has of a model but its weights is compared before each use:
layers that were added or taken away, settings and functions of layers, precision, the compiled loss. A model in which
any of it has changed gets a new classifier; weights that have changed are seen by the old one.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from turtlenet.classifier import Classifier
from turtlenet.models.classifier import classifier
from turtlenet.models.usage import Usage

# Between two underscores, and in an object that Keras does not look into: no part of what is saved.
_PLACE = "__turtlenet_classifiers__"

# What Keras changes while a model is called, trained and saved; nothing of it is in a graph.
_PASSING = frozenset(
    (
        "_build_shapes_dict",
        "_call_context_args",
        "_called",
        "_compile_config",
        "_compile_loss",
        "_compile_metrics",
        "_compiled_trainable_state",
        "_distribute_strategy",
        "_eval_epoch_iterator",
        "_inbound_nodes",
        "_initial_epoch",
        "_inputs_struct",
        "_jax_state",
        "_jax_state_synced",
        "_jit_compile",
        "_layers",
        "_lock",
        "_loss_ids",
        "_loss_tracker",
        "_losses",
        "_losses_override",
        "_metrics",
        "_nodes",
        "_nodes_by_depth",
        "_non_trainable_variables",
        "_operations_by_depth",
        "_outbound_nodes",
        "_parent_path",
        "_path",
        "_run_eagerly",
        "_saved_model_arg_spec",
        "_saved_model_inputs_spec",
        "_seed_generators",
        "_self_name_based_restores",
        "_self_saveable_object_factories",
        "_self_setattr_tracking",
        "_self_unconditional_checkpoint_dependencies",
        "_self_unconditional_deferred_dependencies",
        "_self_unconditional_dependency_names",
        "_self_update_uid",
        "_tracked",
        "_tracker",
        "_trainable_variables",
        "built",
        "compiled",
        "history",
        "optimizer",
        "predict_function",
        "steps_per_execution",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
        "test_function",
        "train_function",
        "unrolled_steps_per_execution",
        _PLACE,
    )
)

_DEEP = 4


class _Kept:
    """The classifiers of one model, by bounds and head, and what the model was like when they were made."""

    def __init__(self, traits: tuple[Any, ...]):
        self.traits = traits
        self.made: dict[Any, Classifier] = {}


class _Same:
    """An object that is compared by identity, and kept alive, so that no other can come to its address."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    __hash__ = None  # type: ignore[assignment]


def classifier_of(
    model: keras.Model,
    *,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    usage: Usage | None = None,
) -> Classifier:
    """The classifier of a model, the same one as long as nothing but weights has changed in the model.

    Args:
        model: A built image classifier.
        bounds: Smallest and largest value of a pixel; see `turtlenet.models.classifier`.
        head: What the model's outputs are.
        usage: The task and the inputs; see `turtlenet.models.classifier`.

    Raises:
        ModelError: A model that is no classifier of one continuous input.
    """
    found = vars(model).get(_PLACE)
    if found is None or found.traits != _traits(model):
        found = None
    wanted = (None if bounds is None else (float(bounds[0]), float(bounds[1])), head, usage)
    if found is None or wanted not in found.made:
        made = classifier(model, bounds=bounds, head=head, usage=usage)
        # After it was made: a layer that is called for the first time may note something.
        found = found or _Kept(_traits(model))
        found.made[wanted] = made
        vars(model)[_PLACE] = found
    return found.made[wanted]


def _traits(model: keras.Model) -> tuple[Any, ...]:
    """All that a graph of the model depends on, but for the weights' values."""
    layers = list(model._flatten_layers(include_self=True, recursive=True))
    loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    return (_frozen(loss, 0), *((_Same(layer), *_traits_of(layer)) for layer in layers))


def _traits_of(layer: Any) -> list[Any]:
    variables = [*layer._trainable_variables, *layer._non_trainable_variables]
    plain = [(name, _frozen(value, 0)) for name, value in vars(layer).items() if name not in _PASSING]
    return [type(layer), *map(_Same, variables), *sorted(plain, key=lambda pair: pair[0])]


def _frozen(value: Any, depth: int) -> Any:
    """What a value is compared by: numbers, texts and small arrays by what they are, all else by identity."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return type(value), value
    if depth < _DEEP and isinstance(value, list | tuple):
        return type(value), tuple(_frozen(each, depth + 1) for each in value)
    if depth < _DEEP and isinstance(value, Mapping):
        return type(value), tuple((_frozen(key, depth + 1), _frozen(each, depth + 1)) for key, each in value.items())
    if isinstance(value, np.ndarray | np.generic) and value.size <= 4096 and value.dtype != object:
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, keras.dtype_policies.DTypePolicy):
        return type(value), value.name
    return _Same(value)
