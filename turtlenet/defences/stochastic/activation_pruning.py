"""Stochastic activation pruning (Dhillon, Azizzadenesheli, Lipton, Bernstein, Kossaifi, Khanna, Anandkumar, 2018)."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from turtlenet import gradient_mode, random
from turtlenet.defences.base import Conversion, Differentiable, registered
from turtlenet.defences.inserted import activations_of, between
from turtlenet.errors import ModelError, SettingError


def _check(share: float) -> None:
    if not 0 < share < float("inf"):
        raise SettingError(f"Expected share > 0, of as many draws as there are activations; got {share}.")


@keras.saving.register_keras_serializable("turtlenet")
class PrunedActivations(Differentiable, layers.Layer):
    """Keeps activations at random, the larger ones rather, and enlarges what is kept; nothing in training.

    Of r draws with replacement, in proportion to |h|, an activation is among them with probability
    k = 1 - (1 - p)^r, p = |h| / sum |h|. Each is kept with that probability by itself, as h / k, which keeps its mean;
    the paper draws r times, so that its activations are not independent.

    Args:
        share: r over the number of activations, above 0.
        **settings: Keras's own.

    Raises:
        SettingError: A share that is not above 0.
    """

    adaptive = "the mean over draws (EOT), straight through what is dropped"
    stochastic = True
    masks = True

    def __init__(self, *, share: float = 1.0, **settings: Any):
        super().__init__(**settings)
        _check(share)
        self.share = float(share)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Keras's word for it."""
        if training:
            return inputs
        key, h = self.key(), ops.cast(inputs, "float32")
        if key is None:
            draw = keras.random.uniform(ops.shape(h), dtype="float32", seed=self.seed_generator)
        else:
            draw = random.uniform(key, tuple(h.shape[1:]))
        chance = self.chance(h)
        kept = ops.where(draw < chance, h / ops.where(chance > 0, chance, 1.0), 0.0)
        result = ops.cast(kept, inputs.dtype)
        return result if gradient_mode.current() != "adaptive" else self.straight_through(result, inputs)

    def chance(self, h: Any) -> Any:
        """With what probability each activation is kept, float32 and shaped like them."""
        axes = tuple(range(1, len(h.shape)))
        count = 1.0
        for side in h.shape[1:]:
            count *= side
        size = ops.abs(h)
        total = ops.sum(size, axis=axes, keepdims=True)
        part = ops.minimum(size / ops.where(total > 0, total, 1.0), 1.0 - 1e-6)
        return -ops.expm1(self.share * count * ops.log1p(-part))

    def __str__(self) -> str:
        """The spec of the defence that put it there, as users write it."""
        return str(ActivationPruning(share=self.share))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "share": self.share}


@registered("sap")
@dataclass(frozen=True, kw_only=True)
class ActivationPruning(Conversion):
    """Prunes hidden activations at random at inference, in a model that was trained without (SAP).

    Args:
        share: Draws at each layer, over the number of its activations: 1 is the paper's SAP-100.

    Raises:
        SettingError: A share that is not above 0.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        _check(self.share)

    def convert(self, model: keras.Model) -> keras.Model:
        places = {id(each): "after" for each in activations_of(model)}
        if not places:
            raise ModelError(f"Expected a model with hidden activations for sap; {model.name!r} has none.")
        return between(model, places, lambda name: PrunedActivations(share=self.share, name=name), stem="pruned")
