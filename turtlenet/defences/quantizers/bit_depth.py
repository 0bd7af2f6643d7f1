"""Fewer bits for each pixel (feature squeezing: Xu, Evans, Qi, 2018)."""

from typing import Any

from keras import ops

from turtlenet.defences.base import Defence, Reachable, registered
from turtlenet.errors import SettingError


@registered("bit-depth")
class BitDepth(Defence):
    """Rounds each pixel to one of 2^bits evenly spaced values from `low` to `high`.

    y = round(x (2^b - 1)) / (2^b - 1), ties to the even one, pixels in units of the bounds. The layer's own gradient
    is 0; an attacker goes straight through, and `quantizer-pgd` attacks the levels themselves.

    Args:
        bits: Bits that are left of a pixel, from 1 to 8; the paper uses 1 for MNIST, 4 and 5 for CIFAR-10.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: Bits that are not from 1 to 8.
    """

    adaptive = "straight through"
    hard = True

    def __init__(self, *, bits: int = 4, **settings: Any):
        super().__init__(**settings)
        if not 1 <= bits <= 8:
            raise SettingError(f"Expected bits from 1 to 8; got {bits}.")
        self.bits = int(bits)

    @property
    def steps(self) -> int:
        """How many steps there are from the lowest level to the highest."""
        return 2**self.bits - 1

    def defend(self, x: Any) -> Any:
        return self.pixels(rounded(self.unit(x), self.bits))

    def surrogate(self, x: Any) -> Any:
        return x

    def reachable(self, low: Any, high: Any) -> Reachable:
        levels = [
            ops.cast(self.pixels(ops.cast(level, self.compute_dtype) / self.steps), "float32")
            for level in range(self.steps + 1)
        ]
        return Reachable(*self.ends(low, high), levels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bits": self.bits}


def rounded(unit: Any, bits: int) -> Any:
    """Values from 0 to 1 as the nearest of 2^bits that are evenly spaced; the gradient is 0."""
    steps = 2**bits - 1
    return ops.round(unit * steps) / steps
