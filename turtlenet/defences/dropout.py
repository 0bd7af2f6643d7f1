"""Dropout that stays on at inference (Guan et al., paper 001, section 3; Gal & Ghahramani, 2016)."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from turtlenet import random
from turtlenet.defences.base import Conversion, Defence, Differentiable, registered
from turtlenet.defences.inserted import CONVOLUTIONS, between, layers_of
from turtlenet.errors import ModelError, SettingError, did_you_mean

_POOL = tuple(
    getattr(keras.layers, f"{kind}Pooling{size}D")
    for kind in ("Average", "Max", "GlobalAverage", "GlobalMax")
    for size in "123"
)
_SPATIAL = tuple(getattr(keras.layers, f"SpatialDropout{size}D") for size in "123")
_KINDS: dict[str, tuple[type, ...]] = {
    "all": (*CONVOLUTIONS, *_POOL, keras.layers.Dense),
    "conv": CONVOLUTIONS,
    "dense": (keras.layers.Dense,),
    "pool": _POOL,
}


@keras.saving.register_keras_serializable("turtlenet")
class InferenceDropout(Differentiable, keras.layers.Dropout):
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
        shape: tuple[Any, ...] = tuple(inputs.shape[1:])
        if self.noise_shape is not None:
            # One draw for all values along an axis of 1, as Keras has it.
            told = self.noise_shape[1:]
            shape = tuple(side if one is None else one for side, one in zip(shape, told, strict=True))
        kept = ops.cast(random.uniform(key, shape) >= self.rate, inputs.dtype)
        return inputs * kept / (1.0 - self.rate)


@registered("input-dropout")
class InputDropout(Defence):
    """Drops pixels at random, at inference too: each value by itself, and the rest is scaled up to keep the mean.

    An attack that changes few pixels by much, such as JSMA, loses some of them in each draw. An attacker averages over
    draws; each of them is linear.

    Args:
        rate: Share of the values that are dropped, from 0 up to below 1.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A rate that is not from 0 up to below 1.
    """

    adaptive = "the mean over draws (EOT)"

    def __init__(self, *, rate: float = 0.2, **settings: Any):
        super().__init__(**settings)
        if not 0 <= rate < 1:
            raise SettingError(f"Expected rate from 0 up to below 1; got {rate}.")
        self.rate = float(rate)
        self.seed_generator = keras.random.SeedGenerator()

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether anything is dropped."""
        return self.rate > 0

    def defend(self, x: Any) -> Any:
        if not self.stochastic:
            return x
        key, shape = self.key(), tuple(x.shape[1:])
        if key is None:
            draw = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator)
        else:
            draw = random.uniform(key, shape)
        kept = ops.cast(draw >= self.rate, x.dtype)
        return self.pixels(self.unit(x) * kept / (1.0 - self.rate))

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "rate": self.rate}


WHERE = ("all", "conv", "dense", "last", "pool")
_RATE = 0.5


@registered("mc-dropout")
@dataclass(frozen=True, kw_only=True)
class MonteCarloDropout(Conversion):
    """Dropout that stays on at inference, in any model: paper 001's S (one draw) and M (the mean of N) predictions.

    Args:
        rate: Share of the values that are dropped, from 0 up to below 1; below 0 keeps the rate of each layer that a
            model has, and is 0.5 where it has none (paper 001, section 4).
        where: Where dropout is put in: after each layer of a kind (`conv`, `pool`, `dense`; `all` of them), before the
            `last` layer with a kernel, or after layers of these names; several with `+` or `;` between them. Dropout
            that the model has stays as it is then. Nothing keeps that dropout on; in a model without any it is put
            after each pooling and hidden dense layer, or before the last one where there are neither. Nothing is put
            after the last layer with a kernel, which makes the answer.

    Raises:
        SettingError: A rate of 1 or more.
    """

    rate: float = -1.0
    where: str = ""

    def __post_init__(self) -> None:
        if not self.rate < 1:
            raise SettingError(f"Expected rate < 1; got {self.rate}.")
        if not isinstance(self.where, str) or (self.where and not all(self._words())):
            raise SettingError(
                f"Expected where={', '.join(WHERE)} or names of layers, several with + between them, such as "
                f"pool+dense; got where={self.where!r}."
            )

    def convert(self, model: keras.Model) -> keras.Model:
        if not self.where and any(isinstance(layer, keras.layers.Dropout) for layer in layers_of(model)):
            return self._kept_on(model)
        rate = _RATE if self.rate < 0 else self.rate
        return between(model, self._places(model), lambda name: InferenceDropout(rate, name=name))

    def _words(self) -> list[str]:
        return [word.strip() for word in self.where.replace(";", "+").split("+")]

    def _places(self, model: keras.Model) -> dict[int, str]:
        """Where dropout goes, by the `id` of a layer."""
        layers = layers_of(model)
        weighted = [
            place for place, layer in enumerate(layers) if isinstance(layer, (*CONVOLUTIONS, keras.layers.Dense))
        ]
        weighted = weighted or [place for place, layer in enumerate(layers) if layer.weights]
        if not weighted:
            raise ModelError(f"Expected a model with weights for mc-dropout; {model.name!r} has none.")
        hidden, last = layers[: weighted[-1]], layers[weighted[-1]]
        places: dict[int, str] = {}
        for word in self._words() if self.where else ("pool", "dense"):
            named = [layer for layer in layers if layer.name == word]
            kinds = _KINDS.get(word)
            found = named if kinds is None else [layer for layer in hidden if isinstance(layer, kinds)]
            if word == "last":
                places[id(last)] = "before"
            elif self.where and not found:
                self._refuse(model, word, layers)
            else:
                places.update({id(layer): "after" for layer in found})
        return places or {id(last): "before"}

    @staticmethod
    def _refuse(model: keras.Model, word: str, layers: list[Any]) -> None:
        if word in _KINDS:
            raise ModelError(f"Expected {word} layers before the last one for mc-dropout; {model.name!r} has none.")
        names = [*WHERE, *(layer.name for layer in layers)]
        raise SettingError(f"Unknown place {word!r} for mc-dropout in {model.name!r}.{did_you_mean(word, names)}")

    def _kept_on(self, model: keras.Model) -> keras.Model:
        def twin(layer: Any) -> Any:
            if not isinstance(layer, keras.layers.Dropout):
                return type(layer).from_config(layer.get_config())
            config = _dropout_config(layer)
            return InferenceDropout.from_config(config if self.rate < 0 else {**config, "rate": self.rate})

        return between(model, {}, InferenceDropout, twin=twin)


def _dropout_config(layer: Any) -> dict[str, Any]:
    """The config of a `Dropout`; spatial dropout is one whose noise has one value for a whole map of a channel."""
    config: dict[str, Any] = layer.get_config()
    for size, kind in enumerate(_SPATIAL, 1):
        if isinstance(layer, kind):
            first = config.pop("data_format", None) == "channels_first"
            maps = (1,) * size
            return {**config, "noise_shape": (None, None, *maps) if first else (None, *maps, None)}
    return config
