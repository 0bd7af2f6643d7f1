"""Dynamic quantized activations, DQA (Rakin, Yi, Gong, Fan, 2018): few bits, thresholds that are learned."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from turtlenet import gradient_mode
from turtlenet.defences.base import Conversion, Differentiable, registered
from turtlenet.defences.inserted import activations_of, in_place_of
from turtlenet.errors import ModelError, SettingError


def _check(bits: int) -> None:
    if not 1 <= bits <= 8:
        raise SettingError(f"Expected bits from 1 to 8; got {bits}.")


@keras.saving.register_keras_serializable("turtlenet")
class QuantizedActivation(Differentiable, layers.Layer):
    """An activation with n = 2^bits values from -1 to 1: y = 2/(n - 1) * #{k: x >= t_k} - 1, k from 1 to n - 1.

    The thresholds t_k begin halfway between the values, where y is the nearest of them to x, and belong to the layer.
    In training each step is a ramp of the width of a level (straight through), which has a slope at the threshold,
    too. The steps' own gradient is 0; an attacker takes that of z / (1 + |z|) in the place of each.

    Args:
        bits: From 1 to 8.
        learned: Whether the thresholds are trained (the paper: dynamic); else they stay (fixed).
        **settings: Keras's own.

    Raises:
        SettingError: Bits out of their range.
    """

    adaptive = "that of z / (1 + |z|) in the place of each step's"
    masks = True

    def __init__(self, *, bits: int = 2, learned: bool = True, **settings: Any):
        super().__init__(**settings)
        _check(bits)
        self.bits, self.learned = int(bits), bool(learned)

    @property
    def steps(self) -> int:
        """How many thresholds there are."""
        return 2**self.bits - 1

    def build(self, input_shape: Any) -> None:
        """Makes the thresholds."""
        middles = (2.0 * np.arange(self.steps) + 1.0) / self.steps - 1.0
        self.thresholds = self.add_weight(
            shape=(self.steps,),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(middles, dtype),
            trainable=self.learned,
            name="thresholds",
        )

    def call(self, inputs: Any) -> Any:
        """Keras's word for it."""
        taken = gradient_mode.current()
        gaps = inputs[..., None] - ops.cast(self.thresholds, inputs.dtype)
        hard = self._summed(ops.cast(gaps >= 0, inputs.dtype))
        if taken == "naive":
            return hard
        # In units of half the width of a level.
        near = gaps * self.steps
        ramp = ops.softsign(near) if taken == "adaptive" else ops.clip(near, -1.0, 1.0)
        return self.straight_through(hard, self._summed(0.5 * ramp))

    def _summed(self, passed: Any) -> Any:
        return 2.0 / self.steps * ops.sum(passed, axis=-1) - 1.0

    def __str__(self) -> str:
        """The spec of the defence that put it there, as users write it."""
        return str(QuantizeActivations(bits=self.bits, learned=self.learned))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "bits": self.bits, "learned": self.learned}


@registered("quantized-activations")
@dataclass(frozen=True, kw_only=True)
class QuantizeActivations(Conversion):
    """Puts activations of few bits in the place of all hidden activations; they are to be trained behind it.

    The paper trains adversarially, with PGD.

    Args:
        bits: From 1 to 8; the paper has 1 to 3.
        learned: Whether the thresholds are trained (DQA); else they stay.

    Raises:
        SettingError: Bits out of their range.
    """

    bits: int = 2
    learned: bool = True

    def __post_init__(self) -> None:
        _check(self.bits)

    def convert(self, model: keras.Model) -> keras.Model:
        chosen = activations_of(model)
        if not chosen:
            raise ModelError(
                f"Expected a model with hidden activations for quantized-activations; {model.name!r} has none."
            )
        make = lambda name: QuantizedActivation(bits=self.bits, learned=self.learned, name=name)  # noqa: E731
        return in_place_of(model, chosen, make, "quantized")
