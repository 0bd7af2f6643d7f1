"""The compiled state of a model in hand, for another one: what it was compiled with, not what a file would say of it.

A configuration loses what Keras cannot write (a loss that is a function of the user's own), and Keras 3.15 drops the
optimizer from it as it writes HDF5.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from turtlenet.errors import ModelError, one_line
from turtlenet.keras_files.compiled.optimizers import build, optimizer_like, take_state


def compile_like(twin: keras.Model, model: keras.Model, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
    """Compiles a model as another one is, and continues its optimizer for the variables that have a twin.

    Args:
        twin: A model with its weights; it is left as it is if `model` is not compiled, or has a `compile` of its own
            that `compile_from_config` cannot repeat.
        model: The model to be like.
        pairs: Variables of `model` and those of `twin` that took their place; variables that both hold need none.

    Raises:
        ModelError: An optimizer that Keras cannot make again from its settings.
    """
    if not model.compiled:
        return
    if type(model).compile is not keras.Model.compile:
        if type(twin).compile_from_config is not keras.Model.compile_from_config:
            twin.compile_from_config(model.get_compile_config())
        return
    told = model._compile_config.config
    twin_of = {id(each): each for each in twin.trainable_variables} | {id(mine): theirs for mine, theirs in pairs}
    try:
        optimizer, made = optimizer_like(model.optimizer, twin_of)
    except Exception as error:  # A class of the user's own raises what it likes.
        reason = one_line(error, 160)
        raise ModelError(
            f"Expected an optimizer that Keras can make again from its get_config; got "
            f"{type(model.optimizer).__name__}: {reason}: compile the model with another one first."
        ) from None
    twin.compile(
        optimizer=optimizer,
        loss=told.get("loss"),
        loss_weights=told.get("loss_weights"),
        metrics=_own(told.get("metrics")),
        weighted_metrics=_own(told.get("weighted_metrics")),
        run_eagerly=model.run_eagerly,
        steps_per_execution=model.steps_per_execution,
        jit_compile=model.jit_compile and not model.run_eagerly,
        # The optimizer scales the loss already where it should.
        auto_scale_loss=False,
    )
    if optimizer is not None and twin.built:
        build(optimizer, twin.trainable_variables)
        take_state(made, twin_of)


@contextmanager
def uncompiled(model: keras.Model) -> Iterator[None]:
    """Hides that a model is compiled: `keras.models.clone_model` would compile the clone by its configuration."""
    compiled, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = compiled


def _own(metrics: Any) -> Any:
    """Metrics with a state of their own, in the same nest of lists and dicts."""
    if isinstance(metrics, dict):
        return {name: _own(each) for name, each in metrics.items()}
    if isinstance(metrics, (list, tuple)):
        return [_own(each) for each in metrics]
    if not isinstance(metrics, keras.Metric):
        return metrics
    if type(metrics) is keras.metrics.MeanMetricWrapper:
        return keras.metrics.MeanMetricWrapper(
            metrics._fn, name=metrics.name, dtype=metrics.dtype, **metrics._fn_kwargs
        )
    try:
        return type(metrics).from_config(metrics.get_config())
    except Exception:
        # One that cannot be made again counts for both models, which never count at the same time.
        return metrics
