"""Settings of `turtlenet defence`, `turtlenet.train_front` and `turtlenet.show_front`."""

from dataclasses import dataclass

from turtlenet.ranges import count, number, share
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import BatchSettings
from turtlenet.settings.train import LengthSettings, RunSettings, ThreatSettings


@dataclass(frozen=True, kw_only=True)
class FrontSettings(RunSettings, LengthSettings, ThreatSettings):
    """How the network of a trained front is trained."""

    epochs: int = count(20, low=1, help="Passes over the training data, each followed by validation.")
    batch_size: int = count(128, low=1, help="Examples in a batch.")
    width: int = count(
        0, high=4096, help="Filters, or units, of the network's first layer; 0 for those of the method's paper."
    )
    latent: int = count(128, low=1, high=65_536, help="Numbers that an image is generated from (defense-gan).")
    attack: str = setting("fgsm", "What perturbs the images to clean (ape-gan).")
    adversarial: float = share(0.3, "Weight of the GAN loss, the rest that of the squares (ape-gan).")
    clean: float = share(0.0, "Share of images that are given unperturbed (ape-gan).")
    noise: float = number(
        0.1,
        low=0,
        help="Standard deviation of the noise to remove (magnet).",
        more="As a share of the pixel range.",
    )
    contraction: float = number(0.01, low=0, help="Weight of the contractive penalty (contractive-autoencoder).")
    critic: int = count(32, low=1, high=4096, help="Filters of the critic's first layer (defense-gan).")
    gradient_penalty: float = number(10.0, low=0, help="Weight of the critic's gradient penalty (defense-gan).")


@dataclass(frozen=True, kw_only=True)
class ShowFrontSettings(BatchSettings, ThreatSettings):
    """How a trained front is measured."""

    limit: int | None = setting(
        200, "Most images; 0 for all.", more="The first of the data; in Python, None for all.", read=text.most
    )
    attack: str = setting(
        "pgd:steps=40,step_size=0.1", "On the model alone, whose examples are tried, and through the front."
    )
    split: str | None = setting(None, "Part to try it on: test (the usual one), train or all.")
    seed: int = count(0, help="Repeats every draw.")
