"""Transforms of the image that a secret key chooses (Taran, Rezaeifar, Voloshynovskiy, 2018, paper 004, eq. 3).

They do not look at the data, and their key is not in the model file: who has the file alone does not have the model.
Who has the key differentiates them as they are: they are linear. They defend nothing then.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.saving import serialization_lib

from turtlenet.defences import keyed_draws, keys
from turtlenet.defences.base import Defence, defences, registered
from turtlenet.errors import ModelError, SettingError


class Keyed(Defence):
    """A transform of whole images of one size; the key is asked for when that size is known.

    What is drawn from the key is no weight and no part of the config. That has a seal of the key instead, and the
    image's shape: with another one the same key would draw something else.
    """

    def __init__(self, *, key: str = "", channels: bool = False, **settings: Any):
        seal, shape = settings.pop("seal", ""), settings.pop("shape", None)
        super().__init__(**settings)
        self.channels = bool(channels)
        self.element: tuple[int, ...] = tuple(shape or ())
        self.grid, self.depth = pixels_of(self.element)
        self.seal = keys.check_seal(seal) if seal else ""
        if key:
            self.seal = keys.sealed(keys.read_key(key))

    @property
    def units(self) -> int:
        """How many things are moved, or changed, each on its own."""
        return math.prod(self.grid) * (self.depth if self.channels else 1)

    def bits(self) -> int:
        """How many bits of a key choose one transform among all."""
        raise NotImplementedError

    def draw(self, key: bytes, salt: bytes, label: str) -> None:
        """Draws what `defend` needs, for images of `grid` pixels with `depth` channels."""
        raise NotImplementedError

    def inverse(self, y: Any) -> Any:
        """The image that `defend` makes `y` of."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Asks for the key and draws from it.

        Raises:
            ModelError: No key, or another one than the layer was made with.
            SettingError: A key of too few bits, images of no fixed size, or of another one than before, or whose
                channels seem to come first.
        """
        element = tuple(input_shape[1:])
        if not element or None in element:
            raise SettingError(f"Expected images of one size for a keyed layer; got shape {element}.")
        if self.element not in ((), element):
            raise SettingError(f"Expected images of shape {self.element}, which the key was used for; got {element}.")
        # A file that was made so is what it is; nobody shall make a new one by mistake.
        if not (self.element or self.channels) and _channels_first(element):
            raise SettingError(
                f"Expected channels=true for images of shape {element}, whose channels seem to come first; got "
                "channels=false, which would take the columns for channels and move rows of them as one."
            )
        self.element, (self.grid, self.depth) = element, pixels_of(element)
        self.seal = self.seal or keys.sealed()
        key, name = keys.opened(self.seal), defences.name_of(type(self))
        needed = max(self.bits(), keys.LEAST_BITS)
        if 8 * len(key) < needed:
            raise SettingError(
                f"Expected a key of {needed:,} bits or more for {name} of {self.units:,} values; got "
                f"{8 * len(key):,}: `turtlenet key NEW.key --bits {needed}` makes one."
            )
        self.draw(key, keys.salt_of(self.seal), name)
        self.input_spec = keras.layers.InputSpec(shape=(None, *element))

    def spread(self, drawn: np.ndarray) -> np.ndarray:
        """What was drawn for each unit, shaped to be broadcast against an image."""
        unit = (self.depth if self.channels else 1,) if len(self.grid) < len(self.element) else ()
        return drawn.reshape(*self.grid, *unit)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Keyed":
        """Builds the layer of a description, which has the seal of a key and never says where one is.

        Raises:
            ModelError: A place of a key, or no seal in a file: whose key is used is for its owner to say.
        """
        if config.get("key"):
            raise ModelError(
                "Expected the seal of a key in a keyed layer's description; got the place of one, which was not "
                "looked at: a key is given in TURTLENET_KEY_FILE or TURTLENET_KEY."
            )
        # Outside of files a layer may be copied before it has seen an image, and so before it has a seal.
        if not config.get("seal") and serialization_lib.in_safe_mode() is not None:
            raise ModelError("Expected the seal of a key in a keyed layer's description; it has none.")
        made: Keyed = super().from_config({name: value for name, value in config.items() if name != "key"})
        return made

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "seal": self.seal,
            "shape": list(self.element) if self.element else None,
        }


@registered("permutation")
class Permutation(Keyed):
    """Puts the pixels in an order that a secret key chooses (paper 004, section 4.3).

    Each layer draws its own salt as it is made: two layers with one key have different orders.

    Args:
        key: Where the key is: the path of a key file, or `env:NAME`; nothing takes that of `use_key`,
            TURTLENET_KEY_FILE or TURTLENET_KEY. It must have log2(n!) bits for n pixels.
        channels: Whether each channel of a pixel, the last axis of three or more, goes its own way.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No key at the place, or one that others can read.
    """

    def __init__(self, *, key: str = "", channels: bool = False, **settings: Any):
        super().__init__(key=key, channels=channels, **settings)

    def bits(self) -> int:
        return keyed_draws.bits_of_permutation(self.units)

    def draw(self, key: bytes, salt: bytes, label: str) -> None:
        self.order = keyed_draws.permutation(key, salt, label, self.units)

    def defend(self, x: Any) -> Any:
        return self._taken(x, self.order)

    def inverse(self, y: Any) -> Any:
        return self._taken(y, np.argsort(self.order).astype("int32"))

    def _taken(self, x: Any, order: np.ndarray) -> Any:
        units = ops.reshape(x, (-1, self.units, math.prod(self.element) // self.units))
        return ops.reshape(ops.take(units, order, axis=1), (-1, *self.element))


@registered("sign-flip")
class SignFlip(Keyed):
    """Mirrors one half of the pixels, which a secret key chooses, around the middle of the bounds.

    Args:
        key: See `Permutation`; it must have as many bits as choose n / 2 of n pixels, less than n.
        channels: Whether a half of all channels is chosen, each on its own.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No key at the place, or one that others can read.
    """

    def __init__(self, *, key: str = "", channels: bool = False, **settings: Any):
        super().__init__(key=key, channels=channels, **settings)

    def bits(self) -> int:
        return keyed_draws.bits_of_half(self.units)

    def draw(self, key: bytes, salt: bytes, label: str) -> None:
        self.mirrored = self.spread(keyed_draws.half(key, salt, label, self.units))

    def defend(self, x: Any) -> Any:
        return ops.where(self.mirrored, ops.cast(self.low + self.high, x.dtype) - x, x)

    def inverse(self, y: Any) -> Any:
        return self.defend(y)


def pixels_of(shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """The grid of pixels in an image of this shape, and the channels of each: the last axis of three or more."""
    return (shape[:-1], shape[-1]) if len(shape) > 2 else (shape, 1)


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an image of this shape seems to have its channels, one or three, in front."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 3
