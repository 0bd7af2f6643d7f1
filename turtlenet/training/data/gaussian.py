"""Gaussian noise on training images, for a model that is smoothed afterwards."""

from dataclasses import dataclass
from typing import Any

from turtlenet import random
from turtlenet.errors import SettingError
from turtlenet.training.data.augmentation import Augmentation, augmentations


@augmentations.register("gaussian")
@dataclass(frozen=True, kw_only=True)
class GaussianAugmentation(Augmentation):
    """Adds Gaussian noise to each value: how Cohen et al. (2019, section 3.3) train a base classifier.

    Nothing is clipped, as nothing is by `turtlenet certify --method smoothing`: images leave the bounds of pixels.
    That is for the objective `natural`; an attack clips what it crafts. A model with the defence `gaussian-noise` in
    front needs no such images.

    Args:
        sigma: Standard deviation of the noise, in input units, above 0.
    """

    sigma: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.sigma < float("inf"):
            raise SettingError(f"Expected sigma > 0, in input units; got {self.sigma}.")

    def change(self, images: Any, *, key: Any, low: float) -> Any:
        return images + self.sigma * random.normal(key, images.shape[1:])
