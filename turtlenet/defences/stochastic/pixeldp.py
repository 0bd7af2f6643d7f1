"""PixelDP: the noise of the Gaussian mechanism (Lecuyer, Atlidakis, Geambasu, Hsu, Jana, 2019)."""

import math
from typing import Any

from turtlenet.defences.base import registered
from turtlenet.defences.gaussian import GaussianNoise
from turtlenet.errors import SettingError


@registered("pixeldp")
class PixelDP(GaussianNoise):
    """Gaussian noise at the input, as large as (epsilon, delta)-differential privacy asks for an attack of length L.

    sigma = sqrt(2 ln(1.25 / delta)) L / epsilon (section III.B; the sensitivity of the identity is 1). Every answer is
    the mean over `draws` of a classifier. `turtlenet certify --method smoothing --bound pixeldp` has the paper's
    certificate of a model behind it, and `--bound cohen` the tighter one. See `GaussianNoise` for the rest.

    Args:
        length: L, the L2 length of the attacks that the noise is made for, in input units, above 0.
        epsilon: The privacy's epsilon, above 0 and at most 1, where the mechanism is proved.
        delta: The privacy's delta, between 0 and 1.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A setting out of its range.
    """

    def __init__(self, *, length: float = 0.1, epsilon: float = 1.0, delta: float = 0.05, **settings: Any):
        if not 0 < length < math.inf:
            raise SettingError(f"Expected length > 0, in input units; got {length}.")
        if not 0 < epsilon <= 1:
            raise SettingError(f"Expected epsilon in (0, 1]; got {epsilon}.")
        if not 0 < delta < 1:
            raise SettingError(f"Expected delta in (0, 1); got {delta}.")
        super().__init__(sigma=math.sqrt(2.0 * math.log(1.25 / delta)) * length / epsilon, **settings)
        self.length, self.epsilon, self.delta = float(length), float(epsilon), float(delta)

    def get_config(self) -> dict[str, Any]:
        own = {"length": self.length, "epsilon": self.epsilon, "delta": self.delta}
        return {name: value for name, value in super().get_config().items() if name != "sigma"} | own
