"""Non-local means (Buades, Coll, Morel, 2005), as feature squeezing uses it (Xu, Evans, Qi, 2018)."""

from typing import Any

from keras import ops

from turtlenet.defences.base import registered
from turtlenet.defences.filters.base import Filter, box_mean, check_window, neighborhoods
from turtlenet.errors import SettingError


@registered("non-local-means")
class NonLocalMeans(Filter):
    """Replaces each pixel by a mean over a window, in which what lies in a similar patch counts more.

    y_i = sum_j w_ij x_j / sum_j w_ij, w_ij = exp(-d_ij / h^2), d_ij the mean squared difference of the patches around
    i and j, over all channels. The authors call OpenCV, which does so with bytes, and with colors in the space Lab;
    here colors are taken as they are. The weights' slopes are steep for a small h, and an attacker keeps them fixed.

    Args:
        window: Side of the window that is searched, odd, at least 3; the paper has 11 and 13. It takes memory:
            a window of 13 is 169 copies of the image.
        patch: Side of a patch, odd; the paper has 3.
        strength: h in 255ths of the range of pixels, above 0; the paper has 2 and 4, for photographs.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A setting out of its range, a window wider than the image, or what is no image.
    """

    adaptive = "that of the mean with its weights held"

    def __init__(self, *, window: int = 5, patch: int = 3, strength: float = 30.0, **settings: Any):
        super().__init__(**settings)
        for name, value, least in (("window", window, 3), ("patch", patch, 1)):
            if value < least or value % 2 == 0:
                raise SettingError(f"Expected {name} odd and >= {least}; got {value}.")
        if not 0 < strength < float("inf"):
            raise SettingError(f"Expected strength > 0, in 255ths of the range of pixels; got {strength}.")
        self.window, self.patch, self.strength = int(window), int(patch), float(strength)

    def check_grid(self) -> None:
        """Refuses a window that is wider than the inputs."""
        check_window(self.window, self.grid, "window")
        check_window(self.patch, self.grid, "patch")

    def filtered(self, x: Any) -> Any:
        return self._mean(x, held=False)

    def smooth(self, x: Any) -> Any:
        return self._mean(x, held=True)

    def _mean(self, x: Any, held: bool) -> Any:
        unit = self.unit(ops.cast(x, "float32"))
        mean = non_local_means(unit, self.window, self.patch, self.strength / 255.0, held=held)
        return ops.cast(self.pixels(mean), x.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"window": self.window, "patch": self.patch, "strength": self.strength}
        return {**super().get_config(), **own}


def non_local_means(x: Any, window: int, patch: int, strength: float, held: bool = False) -> Any:
    """The mean over a window, in which what lies in a similar patch counts more (Buades et al., 2005).

    Args:
        x: Float32 (batch, *sides, channels).
        window: Side of the window that is searched, odd.
        patch: Side of a patch, odd.
        strength: h, in the units of `x`.
        held: Whether a gradient leaves the weights as they are.
    """
    neighbors = neighborhoods(x, window)
    gaps = ops.mean((x[..., None, :] - neighbors) ** 2, axis=-1)
    weights = ops.exp(-box_mean(gaps, patch) / strength**2)
    weights = ops.stop_gradient(weights) if held else weights
    return ops.sum(weights[..., None] * neighbors, axis=-2) / ops.sum(weights, axis=-1, keepdims=True)
