"""Bounded ReLU (Zantedeschi, Nicolae, Rawat, 2017); with `augment = ["gaussian"]` it is their BReLU + GDA."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from turtlenet import gradient_mode
from turtlenet.defences.base import Conversion, Differentiable, registered
from turtlenet.defences.inserted import activations_of, in_place_of
from turtlenet.errors import ModelError, SettingError


def _check(bound: float) -> None:
    if not 0 < bound < float("inf"):
        raise SettingError(f"Expected bound > 0; got {bound}.")


@keras.saving.register_keras_serializable("turtlenet")
class BoundedReLU(Differentiable, layers.Layer):
    """An activation: min(max(x, 0), bound).

    A unit above its bound has no slope of its own; where many are, the gradient vanishes. An attacker gives it one
    that falls off: 1 / (1 + (x - bound) / bound)^2.

    Args:
        bound: The largest value, above 0.
        **settings: Keras's own.

    Raises:
        SettingError: A bound that is not above 0.
    """

    adaptive = "a slope that falls off slowly above the bound"
    masks = True

    def __init__(self, *, bound: float = 1.0, **settings: Any):
        super().__init__(**settings)
        _check(bound)
        self.bound = float(bound)

    def call(self, inputs: Any) -> Any:
        """Keras's word for it."""
        result = ops.clip(inputs, 0.0, self.bound)
        if gradient_mode.current() != "adaptive":
            return result
        above = ops.relu(inputs - self.bound) / self.bound
        falling = self.bound * (1.0 + above / (1.0 + above))
        return self.straight_through(result, ops.where(inputs > self.bound, falling, ops.relu(inputs)))

    def __str__(self) -> str:
        """The spec of the defence that put it there, as users write it."""
        return str(BoundReLU(bound=self.bound))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "bound": self.bound}


@registered("bounded-relu")
@dataclass(frozen=True, kw_only=True)
class BoundReLU(Conversion):
    """Puts a bounded ReLU in the place of every hidden ReLU of a model.

    A model that was trained without the bound loses accuracy until it is trained on. The paper adds Gaussian noise to
    the training images: `--augment gaussian:sigma=0.3`, as in the recipe `brelu-gda`.

    Args:
        bound: The largest value of an activation, above 0; the paper has 1.

    Raises:
        SettingError: A bound that is not above 0.
    """

    bound: float = 1.0

    def __post_init__(self) -> None:
        _check(self.bound)

    def convert(self, model: keras.Model) -> keras.Model:
        chosen = [each for each in activations_of(model) if _is_relu(each)]
        if not chosen:
            raise ModelError(f"Expected a model with hidden ReLUs for bounded-relu; {model.name!r} has none.")
        return in_place_of(model, chosen, lambda name: BoundedReLU(bound=self.bound, name=name), "bounded")


def _is_relu(layer: Any) -> bool:
    return isinstance(layer, layers.ReLU) or getattr(layer, "activation", None) is keras.activations.relu
