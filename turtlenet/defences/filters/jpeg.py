"""JPEG compression of the input (Dziugaite et al., 2016; Das et al., 2017; Guo et al., 2018)."""

from typing import Any, ClassVar

from keras import ops

from turtlenet.defences.base import registered
from turtlenet.defences.filters.base import Filter
from turtlenet.defences.filters.jpeg_coding import coded
from turtlenet.errors import SettingError, SpecError, did_you_mean

_SURROGATES = ("straight-through", "dct")


@registered("jpeg")
class JPEG(Filter):
    """Codes and decodes each image as baseline JPEG does: colors, 8 x 8 blocks of cosines, rounding by a table.

    Nothing is written and no other library is called: the entropy coding, which loses nothing, is left out. Pixels are
    bytes first. Images of three channels are red, green and blue; of any other number, gray images side by side. Sides
    that are no multiples of the blocks are continued by their last row and column. The layer's own gradient is 0.

    Args:
        quality: From 1 to 100, as libjpeg counts it; Guo et al. use 75.
        subsampling: Whether chroma has half of the resolution (4:2:0), as is usual.
        surrogate: What an attacker differentiates: `straight-through` (the identity; Athalye et al., 2018), or `dct`,
            the same coding with round(v) + (v - round(v))^3 for each rounding of coefficients (Shin & Song, 2017).
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A quality out of its range, or what is no image.
        SpecError: Another surrogate.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(
        self, *, quality: int = 75, subsampling: bool = True, surrogate: str = "straight-through", **settings: Any
    ):
        super().__init__(**settings)
        if not 1 <= quality <= 100:
            raise SettingError(f"Expected quality from 1 to 100; got {quality}.")
        if surrogate not in _SURROGATES:
            raise SpecError(f"Unknown surrogate {surrogate!r}.{did_you_mean(surrogate, _SURROGATES)}")
        self.quality, self.subsampling, self.twin = int(quality), bool(subsampling), surrogate

    @property
    def adaptive(self) -> str:  # type: ignore[override]
        """What an attacker differentiates."""
        return "straight through" if self.twin == "straight-through" else "the cosine transform with smooth rounding"

    def filtered(self, x: Any) -> Any:
        def stored(bytes: Any) -> Any:
            return ops.clip(_rounded(bytes), 0.0, 255.0)

        return self._coded(x, _rounded, stored)

    def smooth(self, x: Any) -> Any:
        if self.twin == "straight-through":
            return x
        return self._coded(x, _nearly_round, lambda bytes: bytes)

    def get_config(self) -> dict[str, Any]:
        own = {"quality": self.quality, "subsampling": self.subsampling, "surrogate": self.twin}
        return {**super().get_config(), **own}

    def _coded(self, x: Any, quantized: Any, stored: Any) -> Any:
        bytes = self.unit(ops.cast(x, "float32")) * 255.0
        return ops.cast(self.pixels(coded(bytes, self.quality, self.subsampling, quantized, stored) / 255.0), x.dtype)


def _rounded(v: Any) -> Any:
    """To the nearest whole number, halves away from 0, as libjpeg does."""
    return ops.sign(v) * ops.floor(ops.abs(v) + 0.5)


def _nearly_round(v: Any) -> Any:
    nearest = ops.stop_gradient(_rounded(v))
    return nearest + (v - nearest) ** 3
