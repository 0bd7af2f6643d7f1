"""Settings of `turtlenet tolerance` and `turtlenet universal`, and of the functions of these names."""

from collections.abc import Sequence
from dataclasses import dataclass

from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import ComputingSettings, PartSettings
from turtlenet.settings.inputs import FeatureSettings, InputSettings
from turtlenet.settings.train import ThreatSettings


@dataclass(frozen=True, kw_only=True)
class ToleranceSettings(PartSettings, InputSettings, ComputingSettings):
    """How much noise a model bears is measured; `eps` is the change of each pixel to absorb, above 0."""

    GROUP = "Measures"

    kinds: Sequence[str] = setting(
        (),
        "uniform, gaussian, salt-and-pepper or sign; may be given several times; all if none is.",
        more="Without `uniform` only one of the two bounds on the levels is known.",
        flag="--kind",
        many=True,
    )
    loss: float = setting(0.01, "Fall of accuracy that is tolerable.", more="Within (0, 1): 0.01 is one point.")
    strengths: int = setting(25, "Strengths of noise, of each kind.", more="At least 2.", read=text.count)


@dataclass(frozen=True, kw_only=True)
class UniversalSettings(FeatureSettings, ThreatSettings, ComputingSettings):
    """One perturbation is fitted."""

    GROUP = "Schedule"

    epochs: int = setting(10, "Passes over the training images.")
    step_size: float = setting(0.1, "A step, as a fraction of the radius.", read=text.number)
    limit: int | None = setting(
        5000,
        "Most images of each part; 0 for all.",
        more="In Python, None for all.",
        read=text.most,
        group="Data",
    )
    batch_size: int = setting(128, "Images in a step.")
