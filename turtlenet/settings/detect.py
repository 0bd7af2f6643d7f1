"""Settings of `turtlenet detect`, `turtlenet.fit_detector` and `turtlenet.score_detector`."""

from collections.abc import Sequence
from dataclasses import dataclass

from turtlenet.ranges import count
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import BatchSettings, PrecisionSettings
from turtlenet.settings.inputs import InputSettings
from turtlenet.settings.later import Attack


@dataclass(frozen=True, kw_only=True)
class _DetectSettings(BatchSettings, InputSettings, PrecisionSettings):
    """What fitting and scoring a detector have in common."""

    GROUP = "Detector"

    batch_size: int | None = count(
        64,
        low=1,
        help="Images at a time, or auto.",
        more="In one compiled call, each drawn many times; None for as many as fit.",
        read=text.batch_size,
        group="Computing",
    )


@dataclass(frozen=True, kw_only=True)
class FitSettings(_DetectSettings):
    """How a detector is fitted."""

    GROUP = "Detector"

    attacks: Sequence[str | Attack] = setting(
        (),
        "May be given several times; fgsm and pgd if none is.",
        more="Specs; their examples are put together.",
        flag="--attack",
        many=True,
        group="Attack",
    )
    detector: str = setting(
        "logistic",
        "logistic, squeezing, ... (`list detectors`).",
        more="A spec: `name`, or `name:key=value,...`; several at once as `together:parts=(squeezing;pca)`.",
    )
    population: str = setting(
        "successes",
        "successes, or all images as in the paper.",
        more="`successes` fits on clean images that are classified correctly and on examples that are not; `all` on "
        "all of both.",
    )
    norm: str = setting("linf", "linf, l2, l1 or l0.", group="Attack")
    draws: int = setting(50, "Stochastic inferences of a random model behind a score.")
    attack_draws: int = setting(10, "Draws in an attack's mean.", group="Attack")
    gradient: str = setting("adaptive", "Of defences: adaptive, or naive.", group="Attack")
    seed: int = count(0, help="Repeats every draw.", group="Computing")


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(_DetectSettings):
    """How a detector is scored; what is None is as in its fit."""

    GROUP = "Detector"

    attacks: Sequence[str | Attack] = setting(
        (),
        "May be given several times; those of the fit if none is.",
        flag="--attack",
        many=True,
        group="Attack",
    )
    adaptive: str = setting(
        "undetected",
        "Knows of the detector; none for no such attack.",
        more="The attack's spec.",
        read=text.unless_none,
        group="Attack",
    )
    norm: str | None = setting(None, "linf, l2, l1 or l0; as in the fit.", group="Attack")
    attack_draws: int | None = setting(None, "Draws in an attack's mean; as in the fit.", group="Attack")
    gradient: str | None = setting(None, "Of defences: adaptive, or naive; as in the fit.", group="Attack")
    split: str | None = setting(None, "Part to score: test (the usual one), train or all.", group="Data")
    seed: int | None = count(None, help="Repeats every draw; the one after the fit's.", group="Computing")
