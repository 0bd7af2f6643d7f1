"""Settings of `turtlenet train`, `turtlenet.train` and recipes: an option is one field here, and no more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet.files import PathType
from turtlenet.ranges import count, number, one_of, share
from turtlenet.settings import text
from turtlenet.settings.base import Settings, setting
from turtlenet.settings.inputs import FeatureSettings, InputSettings, TaskSettings
from turtlenet.settings.later import Attack, Augmentation, Callback, Conversion, Defence, ModelType, Objective, Wrapper
from turtlenet.tracking import Logs, Tracker

OPTIMIZERS = ("adam", "compiled", "rmsprop", "sgd")
ON_COLLAPSE = ("tell", "stop", "recover")
PRESETS = ("quick", "balanced", "strong")
"""Recipes for any model, by the time that a user has: minutes, an hour or a night."""


@dataclass(frozen=True, kw_only=True)
class ThreatSettings(InputSettings):
    """The ball, and what a model's inputs and outputs are."""

    GROUP = "Attack"

    norm: str = setting("linf", "linf, l2 or l1.", identity="never")


@dataclass(frozen=True, kw_only=True)
class LengthSettings(Settings):
    """How long and how fast to train."""

    GROUP = "Schedule"

    epochs: int | None = count(
        None,
        low=1,
        help="Passes over the training data, each followed by validation; 20, or as many as fit into --time.",
        identity="always",
    )
    steps_per_epoch: int = count(
        0, help="Steps that count as an epoch instead of a pass over the data; 0 for a pass.", identity="always"
    )
    batch_size: int | None = count(
        128,
        low=1,
        help="Examples in a batch, of all devices together; auto (None): 128, as memory allows.",
        read=text.batch_size,
        identity="always",
    )
    learning_rate: float = number(
        1e-3,
        above=0,
        help="Peak of the cosine schedule.",
        more="It is reached after a twentieth of the run and left along a cosine towards 0.",
        identity="always",
    )
    seed: int = count(0, help="Repeats every draw: order, attacks and dropout.", recipe=False, identity="always")


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(LengthSettings):
    """Length and learning rate of a run, its optimizer and gradient clipping."""

    GROUP = "Schedule"

    optimizer: str = one_of(
        "adam",
        OPTIMIZERS,
        help="adam, sgd, rmsprop or compiled (the model's).",
        more="sgd has Nesterov momentum 0.9; compiled is the model's own, as it is, with its own learning rate.",
        identity="always",
    )
    clip_norm: float = number(
        0.0, low=0, help="Largest norm of all gradients of a step together; longer ones are scaled to it; 0: no limit."
    )


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """What a run that can be continued holds out, keeps and tells."""

    GROUP = "Output"

    validation: int | None = setting(
        None,
        "Training images held out to choose the best epoch.",
        more="None takes the part `val` of the data, else a tenth, at most 1,000; 0 none.",
        identity="never",
        group="Data",
    )
    checkpoint: PathType | None = setting(
        None, "Where the run's state lies.", flag=None, recipe=False, identity="never"
    )
    resume: bool = setting(False, "Continue a run that was stopped.", recipe=False, identity="never")
    callbacks: Sequence[Callback] = setting((), "Further Keras callbacks.", flag=None, recipe=False, identity="never")
    tell: Callable[[str], None] = setting(
        print, "Is given what happens, a line each.", flag=None, recipe=False, identity="never"
    )
    verbose: bool = setting(
        False, "A line for each epoch where no terminal shows the bar.", recipe=False, identity="never"
    )


@dataclass(frozen=True, kw_only=True)
class TrainSettings(RunSettings, ScheduleSettings, FeatureSettings, ThreatSettings, TaskSettings):
    """How `turtlenet train` hardens a model."""

    GROUP = "Objective"

    recipe: str | None = setting(
        None,
        "Settings by name or path, such as qusecnets-tq; options given beside it count.",
        recipe=False,
        identity="never",
        group="Recipe",
    )
    preset: str | None = one_of(
        None,
        PRESETS,
        help="quick, balanced or strong: a good choice for minutes, an hour or a night at most.",
        more="The recipe of that name, where neither `recipe` nor an option says otherwise.",
        recipe=False,
        identity="never",
        group="Recipe",
    )
    attack: str | Attack | Sequence[str | Attack] = setting(
        "pgd",
        "The inner attack: pgd, pgd:steps=7,step_size=0.3, advgan, ...; of several one is drawn.",
        more="A spec or an `Attack`; a bare name takes its settings for training. `advgan` plays a game: its "
        "generator is trained in turns with the model, from the one given on, or from one that is trained first.",
        many=True,
        identity="never",
        group="Attack",
    )
    attack_weights: Sequence[float] = setting(
        (),
        "How often each is drawn: 2,1; alike by default.",
        read=text.numbers,
        recipe=False,
        identity="never",
        group="Attack",
    )
    attack_drawn: str = one_of(
        "batch",
        ("batch", "example"),
        help="One for each batch, or for each example.",
        more="The latter costs as much as all.",
        recipe=False,
        identity="never",
        group="Attack",
    )
    generator_moves: int = count(
        1, help="Of advgan, before each step; 0: none.", recipe=False, identity="always", group="Attack"
    )
    objective: str | Objective = setting(
        "madry",
        "madry, trades:beta=6, mart, hat, fast, n-fgsm, free, ensemble, distillation, natural, ...",
        more="A spec, or an `Objective`, which then has its own attack and ball.",
        identity="never",
    )
    defences: Sequence[str | Defence | Conversion] = setting(
        (),
        "A layer to put in front: trainable-quantization, ...",
        more="Specs or layers, from the input on, before the model is trained.",
        flag="--defence",
        many=True,
        identity="never",
    )
    sources: Sequence[ModelType] = setting(
        (),
        "Another model: to craft on (craft_on=..., ensemble), the helper of hat, the teacher of distillation.",
        more="Without one, `ensemble` and `distillation` train theirs first.",
        flag="--source",
        many=True,
        recipe=False,
        identity="never",
    )
    wrappers: Sequence[str | Wrapper] = setting(
        (),
        "Around the objective: awp:gamma=0.005, ema, swa, orthogonality, parseval, eps-schedule, steps-schedule, "
        "early-stop.",
        more="Specs or `Wrapper`s; see `turtlenet.training.wrappers`.",
        flag="--wrapper",
        many=True,
        identity="never",
    )
    on_collapse: str = one_of(
        "tell",
        ON_COLLAPSE,
        help="After catastrophic overfitting to a one-step attack: tell, stop or recover.",
        more="`recover` goes back to the last good weights and halves the attack's step.",
        identity="never",
    )
    precision: str | None = setting(
        None,
        "What layers compute in: float32, bfloat16 or float16; as the file says.",
        more="See `turtlenet.models.compute_in`. The model that is given back computes as the one that came.",
        recipe=False,
        identity="never",
        group="Computing",
    )
    accumulate: int = count(
        1,
        low=1,
        help="Parts of a batch, one after the other.",
        more="Less memory, the same step.",
        recipe=False,
        identity="never",
        group="Computing",
    )
    warmup: float = share(
        0.25,
        help="Share of the run in which eps grows.",
        note="a share of the run",
        identity="never",
        group="Attack",
    )
    validation_attack: str | Attack | None = setting(
        None, "The attack of validation; 20 steps of pgd by default.", identity="never"
    )
    normalize: Any = setting(
        None,
        "What inputs are normalized by in front of the model: imagenet, cifar10, torchvision, mean=...,std=..., data.",
        more="A `Normalization` layer in the hardened file does it, so that eps and bounds are in pixels; `data`: "
        "mean and standard deviation of each channel or feature of the training data. In Python also a dict with "
        "`mean` and `std`.",
        toml=str,
        read=str,
        group="Data",
    )
    class_weight: Any = setting(
        None,
        "balanced, or weights of classes: 0:1,3:2.5; 1 by default.",
        more="How much examples of each class count in training: a dict of classes and weights, or a weight for each. "
        "Weights of examples, `(x, y, sample_weight)`, multiply them; neither counts in validation.",
        read=text.class_weight,
        toml=str,
        identity="never",
        group="Data",
    )
    augment: Sequence[str | Augmentation] = setting(
        (),
        "Changes of training images before they are attacked: shift:pixels=2, flip, crop:padding=4, cutout, ...",
        more="Specs or `Augmentation`s; `mnist` and `cifar` for their usual sets, `auto` for that of the model's "
        "images.",
        many=True,
        identity="never",
        group="Data",
    )
    validation_data: str | Any = setting(
        None,
        "Data of your own to choose the epoch by, by name or path; then none is held out.",
        more="In any form that the data have. By default the part `val` of the data, where they have one.",
        toml=str,
        identity="never",
        group="Data",
    )
    extra: str | Any = setting(
        None,
        "Further data to mix in, such as generated images, by name or path.",
        more="In any form that the data have; none is held out for validation. An epoch is a pass over the other "
        "data.",
        toml=str,
        identity="never",
        group="Data",
    )
    extra_share: float | None = number(
        None,
        above=0,
        below=1,
        help="Share of each batch that is extra data; 0.7 by default.",
        more='As Gowal et al. (2021), "Improving robustness using generated data".',
        identity="never",
        group="Data",
    )
    time: str | None = setting(
        None,
        "How long training may take on this machine, such as 2h, 90m or 45s: chooses epochs and steps of the attack.",
        more="A few steps are timed; then as many epochs are chosen as fit, at most 200 or `epochs`, and fewer steps "
        "of the attack where else fewer than 10 epochs would. A run that continues keeps what was chosen.",
        identity="never",
        group="Recipe",
    )
    log: Sequence[str | Tracker | Logs] = setting(
        (),
        "mlflow or tensorboard: logs parameters, curves, report and model; may be given several times.",
        more="With settings, as mlflow:uri=http://host:5000,experiment=digits or tensorboard:folder=runs; see "
        "docs/teams.md.",
        many=True,
        recipe=False,
        identity="never",
        group="Output",
    )
    out: PathType | None = setting(
        None,
        "Where the model will be saved.",
        more="It is written there once, and taken away, before training starts, so that a model that the file cannot "
        "hold is refused then.",
        flag=None,
        recipe=False,
        identity="never",
    )
