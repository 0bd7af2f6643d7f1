"""Gaussian noise on the input, at inference too: the layer of randomized smoothing (Cohen et al., 2019)."""

import math
from typing import Any

import keras
from keras import ops

from turtlenet import random
from turtlenet.defences.base import Defence, registered
from turtlenet.errors import SettingError


@registered("gaussian-noise")
class GaussianNoise(Defence):
    """Adds independent Gaussian noise to each value of the input, in training and at inference.

    y = x + sigma * n, n ~ N(0, I) (Cohen et al., 2019, eq. 1; Lecuyer et al., 2019, "PixelDP", with the noise at the
    input). Nothing is clipped: y may lie outside of the bounds of pixels, as the certificate of
    `turtlenet.certification.smoothing` needs it. An attacker averages over draws, each of which has the gradient of
    the identity.

    Args:
        sigma: Standard deviation of the noise, in input units, above 0.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A sigma that is not above 0.
    """

    adaptive = "the mean over draws (EOT)"
    stochastic = True

    def __init__(self, *, sigma: float = 0.25, **settings: Any):
        super().__init__(**settings)
        if not 0 < sigma < math.inf:
            raise SettingError(f"Expected sigma > 0, in input units; got {sigma}.")
        self.sigma = float(sigma)
        self.seed_generator = keras.random.SeedGenerator()

    def defend(self, x: Any) -> Any:
        key = self.key()
        if key is None:
            draw = keras.random.normal(ops.shape(x), dtype="float32", seed=self.seed_generator)
        else:
            draw = random.normal(key, tuple(x.shape[1:]))
        return x + ops.cast(self.sigma * draw, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "sigma": self.sigma}
