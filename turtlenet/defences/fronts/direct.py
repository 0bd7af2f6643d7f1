"""Fronts that clean an image in one pass of a network: an attacker differentiates them as they are."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import ops

from turtlenet.architectures import fronts
from turtlenet.defences.base import registered
from turtlenet.defences.fronts.base import Front


class Direct(Front):
    """The image that a network makes of an image; its gradient is the network's own.

    A subclass names the `architecture` of the network, of `turtlenet.architectures.fronts`, and its usual `width`.
    """

    architecture: ClassVar[Callable[..., keras.Model]]
    width: ClassVar[int] = 0

    @classmethod
    def network_of(
        cls, shape: tuple[int, ...], bounds: tuple[float, float], sizes: dict[str, int], seed: int = 0
    ) -> keras.Model:
        """See `Front.network_of`."""
        return cls.architecture(shape, bounds=bounds, width=sizes["width"] or cls.width, seed=seed)

    def defend(self, x: Any) -> Any:
        return ops.cast(self.network(x, training=False), x.dtype)


@registered("ape-gan")
class ApeGAN(Direct):
    """Removes a perturbation by a generator that was trained on one-step examples (Shen et al., 2017: APE-GAN).

    Args:
        front: Its file, as `turtlenet defence train ape-gan` wrote it.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No file.
        ModelError: A file that is no such front's, or one for images of another shape or range.
    """

    architecture = fronts.denoiser
    width = 64


@registered("magnet")
class MagNet(Direct):
    """Moves an image towards clean ones by an autoencoder (Meng & Chen, 2017: MagNet's reformer).

    Its detectors are another part of MagNet.

    Args:
        front: Its file, as `turtlenet defence train magnet` wrote it.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No file.
        ModelError: A file that is no such front's, or one for images of another shape or range.
    """

    architecture = fronts.reformer


@registered("contractive-autoencoder")
class Contractive(Direct):
    """Rebuilds an input by an autoencoder whose code hardly moves with it (Gu & Rigazio, 2014; Rifai et al., 2011).

    Args:
        front: Its file, as `turtlenet defence train contractive-autoencoder` wrote it.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No file.
        ModelError: A file that is no such front's, or one for inputs of another shape or range.
    """

    architecture = fronts.contractive
    width = 256
