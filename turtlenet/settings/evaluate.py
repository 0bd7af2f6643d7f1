"""Settings of `turtlenet evaluate` and `turtlenet.evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet.files import PathType
from turtlenet.ranges import count, one_of
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import AnswerSettings, PartSettings
from turtlenet.settings.inputs import FeatureSettings, TaskSettings
from turtlenet.settings.later import Attack
from turtlenet.tracking import Logs, Tracker


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(PartSettings, FeatureSettings, TaskSettings, AnswerSettings):
    """How models are attacked."""

    GROUP = "Attack"

    attacks: Sequence[str | Attack] = setting(
        (),
        "An attack, or a suite's .toml; may be given several times.",
        more="Nothing takes the suite's.",
        flag="--attack",
        many=True,
    )
    suite: str | None = setting(None, "An attack suite by name or path; quick if neither attack nor suite is given.")
    norm: str | None = setting(None, "linf (the default), l2, l1 or l0.", more="None takes the suite's, else linf.")
    held_out: bool = setting(
        False,
        "Where data have no separate test part, whether to take only the sixth that training never sees.",
        more='As `split="test"` does.',
        flag=None,
    )
    mode: str | None = setting(None, "table: every attack on all images; cascade: each on the survivors.")
    labels: str | None = setting(
        None, "true, or predicted as in the papers.", more="The attacks are then given the model's own answers."
    )
    normalize: Any = setting(
        None,
        "What inputs are normalized by in front of the models: imagenet, cifar10, torchvision or mean=...,std=...",
        more="So eps and bounds are in pixels; `data` takes mean and standard deviation of the training part. See "
        "`turtlenet.TrainSettings`. A hardened or wrapped file has the layer already.",
        read=str,
        group="Model",
    )
    gradient: str | None = setting(
        None,
        "Of defences: adaptive, or naive as in the papers; both where they differ.",
        more="How the gradient of defences is taken; None runs each attack in both ways on models where they differ.",
    )
    quantize_pixels: bool = setting(False, "Count a success only if it survives 8-bit pixels.")
    curve: int = count(256, help="Images for accuracy against eps; 0: none.", read=text.count, group="Measures")
    perceptibility: int | None = count(
        None,
        help="Images whose smallest adversarial example is searched; 100 for several models with a defence, else 0.",
        more="It tells how visible a change must become.",
        read=text.count,
        group="Measures",
    )
    certify: str = one_of(
        "",
        ("", "ibp", "crown", "alpha"),
        help="Certify first by ibp, crown or alpha, and attack but a few of the images that hold.",
        more="They cannot be broken; see docs/certification.md.",
        group="Measures",
    )
    order: str = one_of(
        "",
        ("", "full", "adaptive"),
        help="full (the default): every part of the suite, in its order; adaptive: what pays most first, and only on "
        "images that it may still break.",
        more="The report says what was left out, and how much that can hide; see docs/guide.md.",
    )
    budget: int | None = count(
        None,
        low=1,
        help="Gradients and queries an input, on average: what breaks most for that, in adaptive order.",
        read=text.count,
    )
    access: str = setting(
        "white-box",
        "white-box; grey-box: all but a keyed model's key; black-box:substitute=lenet: answers only.",
        more="What attackers know. With `grey-box` they train models of their own and craft on those, and ask; see "
        "docs/defences.md. With `black-box` they train a substitute; see "
        "`turtlenet.training.surrogates.substitute`.",
    )
    surrogates: int = count(
        2, help="Grey-box: models behind other keys.", more="Beside one without a key.", read=text.count
    )
    surrogate_dir: PathType | None = setting(
        None, "Where those are kept; MODEL-surrogates.", more="In Python, None forgets them."
    )
    time: str | None = setting(
        None,
        "Time for each model, such as 90s, 10m or 1h30m: as many of the first images as fit.",
        more="Attacks are given two thirds of it, a batch at a time, and the checks the rest; the curve of accuracy "
        "against eps is left out once it is over. In adaptive order the images are drawn at random, and half of "
        "the time goes into learning at most. A time into which not one batch fits is refused.",
        group="Measures",
    )
    progress: PathType | None = setting(None, "Folder that keeps what is known while an evaluation runs.", flag=None)
    resume: bool = setting(False, "Continue an evaluation that was stopped.", group="Output")
    log: Sequence[str | Tracker | Logs] = setting(
        (),
        "mlflow or tensorboard: logs parameters, accuracies and report; may be given several times.",
        more="With settings, as mlflow:uri=http://host:5000,experiment=digits or tensorboard:folder=runs; see "
        "docs/teams.md.",
        many=True,
        group="Output",
    )
