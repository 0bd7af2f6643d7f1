"""Settings that several workflows share."""

from collections.abc import Callable
from dataclasses import dataclass

from turtlenet.ranges import count
from turtlenet.settings import text
from turtlenet.settings.base import Settings, setting
from turtlenet.settings.inputs import InputSettings


@dataclass(frozen=True, kw_only=True)
class PrecisionSettings(Settings):
    """What layers compute in, and who is given messages."""

    GROUP = "Computing"

    precision: str | None = setting(
        None,
        "What layers compute in: float32, bfloat16 or float16; as the file says.",
        more="See `turtlenet.models.compute_in`.",
    )
    tell: Callable[[str], None] = setting(print, "Is given what does not seem to fit, a line each.", flag=None)


@dataclass(frozen=True, kw_only=True)
class ComputingSettings(PrecisionSettings):
    """Precision, messages and the seed."""

    GROUP = "Computing"

    seed: int = count(0, help="Repeats every draw.")


@dataclass(frozen=True, kw_only=True)
class BatchSettings(Settings):
    """How many images, and how many at a time."""

    GROUP = "Computing"

    limit: int | None = setting(
        1000,
        "Most images; 0 for all.",
        more="The first of the data; in Python, None for all.",
        read=text.most,
        group="Data",
    )
    batch_size: int | None = count(
        256,
        low=1,
        help="Images at a time, or auto.",
        more="In one compiled call; None for as many as fit. It changes the speed, not a result.",
        read=text.batch_size,
    )


@dataclass(frozen=True, kw_only=True)
class PartSettings(BatchSettings):
    """How many examples, how many at a time, and which part of the data set."""

    GROUP = "Data"

    split: str | None = setting(
        None,
        "Part to score: test, train or all; the test part, or what `train` held out, or else all.",
        more="None takes the test part; of data without one, all of it, or the sixth that `turtlenet train` held out "
        "where the model's file says that it did.",
    )


@dataclass(frozen=True, kw_only=True)
class AnswerSettings(InputSettings, ComputingSettings):
    """Inputs, seed and precision, and how gradients of defences and random layers are taken."""

    GROUP = "Attack"

    gradient: str | None = setting(
        None,
        "Of defences: adaptive, or naive as in the papers.",
        more="How the gradient of defences is taken; None is adaptive, or that of a `Classifier`.",
    )
    draws: int | None = count(
        None,
        low=1,
        help="Of random defences, in an answer's mean: 10 by default.",
        more="The mean of so many draws is an answer and its gradient; None takes 10, or those of a `Classifier`.",
    )
