"""Settings of `turtlenet attack` and `turtlenet.attack`."""

from dataclasses import dataclass
from typing import Any

from turtlenet.ranges import count
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import AnswerSettings, PartSettings
from turtlenet.settings.inputs import FeatureSettings, TaskSettings


@dataclass(frozen=True, kw_only=True)
class AttackSettings(FeatureSettings, TaskSettings, AnswerSettings):
    """How images are attacked."""

    GROUP = "Attack"

    norm: str = setting("linf", "linf, l2, l1 or l0.")
    normalize: Any = setting(
        None,
        "What inputs are normalized by in front of MODEL: imagenet, cifar10, torchvision, mean=...,std=... or data.",
        more="See `turtlenet.TrainSettings`.",
        read=str,
        group="Model",
    )
    target: Any = setting(
        None,
        "Class that the model shall answer to images of the others.",
        more="In Python, integers (n,) other than the labels, or one for all.",
        read=text.count,
    )
    batch_size: int | None = count(
        256,
        low=1,
        help="Images at a time, or auto.",
        more="In one compiled call; None for as many as fit. It changes the speed, not a verdict.",
        read=text.batch_size,
        group="Computing",
    )


@dataclass(frozen=True, kw_only=True)
class KeptAttackSettings(AttackSettings, PartSettings):
    """How images are attacked, and which of a data set."""

    GROUP = "Attack"

    attack: str = setting("pgd", "The attack, e.g. pgd:steps=100,restarts=5.")
