"""Dropout that stays on at inference (Guan et al., paper 001, section 3; Gal & Ghahramani, 2016)."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from turtlenet import random
from turtlenet.defences.base import Conversion, Honest, registered
from turtlenet.errors import ModelError, SettingError

__all__ = ["InferenceDropout", "MonteCarloDropout"]


@keras.saving.register_keras_serializable("turtlenet")
class InferenceDropout(Honest, keras.layers.Dropout):
    """Dropout whatever `training` says; Keras 3 switches `Dropout(...)(x, training=True)` off in `model.predict`.

    Attacked by a classifier, each example has draws of its own, and the gradient is that of the mean over draws.
    """

    adaptive = "the mean over draws (EOT)"

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether anything is dropped."""
        return bool(self.rate > 0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Keras's word for it."""
        key = self.key()
        if key is None or not self.stochastic:
            return super().call(inputs, training=True)
        kept = ops.cast(random.uniform(key, tuple(inputs.shape[1:])) >= self.rate, inputs.dtype)
        return inputs * kept / (1.0 - self.rate)


@registered("mc-dropout")
@dataclass(frozen=True, kw_only=True)
class MonteCarloDropout(Conversion):
    """Keeps a model's dropout on at inference: paper 001's S (one draw) and M (the mean of N) predictions.

    Args:
        rate: Share of the values that are dropped, from 0 up to below 1; below 0 keeps each layer's own.

    Raises:
        SettingError: A rate of 1 or more.
    """

    rate: float = -1.0

    def __post_init__(self) -> None:
        if not self.rate < 1:
            raise SettingError(f"Expected rate < 1; got {self.rate}.")

    def convert(self, model: keras.Model) -> keras.Model:
        changed = []

        def twin(layer: Any) -> Any:
            config = layer.get_config()
            if not isinstance(layer, keras.layers.Dropout):
                return type(layer).from_config(config)
            changed.append(layer.name)
            return InferenceDropout.from_config(config if self.rate < 0 else {**config, "rate": self.rate})

        converted = keras.models.clone_model(model, clone_function=twin, recursive=True)
        if not changed:
            raise ModelError(f"Expected a model with Dropout layers for mc-dropout; {model.name!r} has none.")
        # By way of NumPy: the two must not share an array, which a training step on JAX gives away.
        arrays = {variable.path: ops.convert_to_numpy(variable) for variable in model.weights}
        for variable in converted.weights:
            variable.assign(arrays.get(variable.path, variable.value))
        return converted
