"""Soft quantization (Zheng, Chen, Ren, 2019): a sum of sigmoids at the input, trained on noisy images alone."""

from typing import Any

import keras
from keras import ops

from turtlenet import random
from turtlenet.defences.base import registered
from turtlenet.defences.quantization import ConstantQuantization
from turtlenet.errors import SettingError


@registered("soft-quantization")
class SoftQuantization(ConstantQuantization):
    """`constant-quantization` that is given noisy images in training, and clean ones else.

    The noise is uniform within `noise` of each pixel, clipped to the bounds: the paper's "noisy-natural samples", its
    replacement for PGD training. Levels and sharpness are ours where the paper has none for a data set.

    Args:
        noise: Half the width of the noise, in input units, at least 0; the radius of the threat.
        levels: Number of levels n, at least 2.
        sharpness: The sigmoids' z, above 0.
        surrogate_sharpness: The z that an attacker differentiates, if it is below the layer's own.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A number out of its range.
    """

    def __init__(
        self,
        *,
        noise: float = 0.3,
        levels: int = 2,
        sharpness: float = 20.0,
        surrogate_sharpness: float = 5.0,
        **settings: Any,
    ):
        super().__init__(levels=levels, sharpness=sharpness, surrogate_sharpness=surrogate_sharpness, **settings)
        if not 0 <= noise < float("inf"):
            raise SettingError(f"Expected noise >= 0, in input units; got {noise}.")
        self.noise = float(noise)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, x: Any, training: bool = False) -> Any:
        """Keras's word for it."""
        return super().call(self._noisy(x) if training and self.noise else x)

    def _noisy(self, x: Any) -> Any:
        key, shape = self.key(), tuple(x.shape[1:])
        if key is None:
            draw = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator)
        else:
            draw = random.uniform(key, shape)
        return ops.clip(x + ops.cast(self.noise * (2.0 * draw - 1.0), x.dtype), self.low, self.high)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "noise": self.noise}
