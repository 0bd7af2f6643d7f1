"""Settings of `turtlenet gan`, `turtlenet.train_generator` and `turtlenet.show_generator`."""

from collections.abc import Sequence
from dataclasses import dataclass

from turtlenet.ranges import count, one_of
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import BatchSettings
from turtlenet.settings.inputs import InputSettings
from turtlenet.settings.later import ModelType
from turtlenet.settings.train import LengthSettings, RunSettings, ThreatSettings

ACCESSES = ("dynamic", "semi-white-box", "static")


@dataclass(frozen=True, kw_only=True)
class GanSettings(RunSettings, LengthSettings, ThreatSettings):
    """How a generator of adversarial examples is trained."""

    GROUP = "Generator"

    name: str = setting("strong", "strong, or paper: as paper 003 says.", flag="--variant")
    target: str | None = setting(None, "Class that the model shall answer; any wrong one by default.")
    access: str = one_of(
        "semi-white-box",
        ACCESSES,
        "semi-white-box; static or dynamic: against a substitute that learns from the model's answers.",
        of=" of a generator",
        more="`semi-white-box`: the generator's training sees the model's gradients; `static`: those of a substitute "
        "that was trained on the model's answers to the training images; `dynamic`: the substitute also learns, after "
        "each epoch, from the answers to the generator's own examples; such a run cannot be continued.",
    )
    substitute: str = setting("cleverhans", "Its architecture: a name or a file.")
    distillation: int = count(10, low=1, help="Passes of its first training.")
    pool: Sequence[ModelType] = setting((), "Another model to train against at the same time.", many=True)
    epochs: int = count(
        20, low=1, help="Passes over the training data, each followed by validation.", group="Schedule"
    )
    batch_size: int = count(128, low=1, help="Examples in a batch.", group="Schedule")
    patience: int = count(
        0,
        help="Epochs without more success after which to stop; 0: never.",
        more="Without the model's gradients it is the success against the substitute.",
        group="Schedule",
    )
    network: str | None = setting(None, "residual or unet; unet for color images.")
    budget: str | None = setting(None, "Who keeps the ball in training: hinge or network.")
    adversarial: str | None = setting(None, "cross_entropy or margin.")
    gan: str | None = setting(None, "log, non-saturating or least-squares.")
    alpha: float | None = setting(None, "Weight of the GAN loss; 0 plays without a discriminator.")
    beta: float | None = setting(None, "Weight of the hinge.")
    c: float | None = setting(None, "Length that the hinge allows, in input units; eps by default.", read=text.number)
    hinge: str | None = setting(None, "Norm of the hinge: linf or l2.")
    kappa: float | None = setting(None, "Confidence that the margin is after.")
    noise: int | None = setting(None, "Numbers of noise that an example depends on besides its image.")


@dataclass(frozen=True, kw_only=True)
class ShowSettings(BatchSettings, InputSettings):
    """How a generator is measured; `eps` is at most the generator's, which None takes."""

    GROUP = "Generator"

    samples: int = setting(1, "Perturbations to try for each image.", more="See `turtlenet.attacks.AdvGAN`.")
    split: str | None = setting(None, "Part to try it on: test (the usual one), train or all.", group="Data")
    seed: int = count(0, help="Repeats every draw.", group="Computing")
