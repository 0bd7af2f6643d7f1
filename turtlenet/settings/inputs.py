"""Settings of what a model takes and answers, and of what may be done to its inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet.radius import FORMS
from turtlenet.settings import text
from turtlenet.settings.base import Settings, setting
from turtlenet.settings.later import Constraint


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """What a model is asked, where its file does not tell; see `turtlenet.models.usage`."""

    GROUP = "Model"

    task: str = setting(
        "auto",
        "classification, multi-label, multi-label:label=2 or regression:tolerance=0.5; told from loss and metrics.",
        more="`turtlenet.tasks`: a regression is right within its tolerance, in units of the output.",
        recipe=False,
    )
    output: str | None = setting(None, "Name of the output that is asked, of a model with several.", recipe=False)
    attacked: str | None = setting(
        None,
        "Inputs that an attack may change, of a model with several: image,vector; the others are held.",
        more="None takes all that are no whole numbers; those are always held.",
        recipe=False,
    )
    size: str | None = setting(
        None, "Sides that the model leaves open: 64x64 for images, 50 for a series.", recipe=False
    )


@dataclass(frozen=True, kw_only=True)
class ColumnSettings(Settings):
    """What the columns of a table are."""

    GROUP = "Data"

    label: str | None = setting(
        None,
        "Column of the label in a table, or several with commas between them for --task multi-label; by default the "
        "one called label, class, target or y.",
        recipe=False,
        identity="never",
    )
    weight: str | None = setting(
        None,
        "Column of how much each row counts in training.",
        more="It is no feature, and counts in nothing else.",
        recipe=False,
        identity="never",
    )
    drop: Sequence[str] = setting(
        (), "A column that is no feature; may be given several times.", many=True, recipe=False, identity="never"
    )
    classes: Sequence[str] = setting(
        (),
        "Names of the classes in the order of the model's outputs: benign,malignant; sorted by default.",
        more="Labels that are text, and folders of images, are numbered so; a hardened file knows those of its "
        "training.",
        read=text.names,
        recipe=False,
        identity="never",
    )


@dataclass(frozen=True, kw_only=True)
class HeadSettings(Settings):
    """What the model's outputs are."""

    GROUP = "Model"

    head: str = setting(
        "auto",
        "What the model's outputs are: auto, softmax, sigmoid or logits.",
        more="See `turtlenet.models.logits_model`.",
        recipe=False,
        identity="never",
    )


@dataclass(frozen=True, kw_only=True)
class InputSettings(ColumnSettings, HeadSettings):
    """The radius, and what a model's inputs and outputs are."""

    GROUP = "Model"

    eps: float | str | None = setting(
        None,
        f"Radius of the ball in {FORMS}.",
        more="None takes 0.3 for gray images and 8/255 for others, times the pixel range.",
        read=text.radius,
        identity="never",
        group="Attack",
    )
    bounds: tuple[float, float] | None = setting(
        None,
        "Smallest and largest pixel, e.g. 0,255; told from the model.",
        read=text.bounds,
        recipe=False,
        identity="never",
    )


@dataclass(frozen=True, kw_only=True)
class FeatureSettings(InputSettings):
    """Radius, bounds, movable features and constraints, for each feature or channel where they differ."""

    GROUP = "Attack"

    eps: Any = setting(
        None,
        f"Radius of the ball in {FORMS}; one for each feature or channel with commas between them, one for "
        "each of several inputs (image=0.1;vector=5%), or a file.",
        more="In Python also an array that broadcasts to an input, or a dict by inputs. None takes 0.3 for gray "
        "images and 8/255 for others, times the pixel range; for a table that of the features, else that of the "
        "model's training, else a quarter of each feature's standard deviation on the training data.",
        read=text.radius,
        toml=float | str,
        identity="never",
    )
    bounds: Any = setting(
        None,
        "Smallest and largest pixel, e.g. 0,255; one such pair for each feature, with ; between them, or for each of "
        "several inputs (image=0,1;vector=-5,5), or a file.",
        more="In Python also two arrays that broadcast to an input, or a dict of such. None tells them from the "
        "model; for a table from its training, else from the training data with a margin.",
        read=text.bounds,
        recipe=False,
        identity="never",
        group="Model",
    )
    features: Any = setting(
        None,
        "A file of features, .csv or .toml, with any of name, low, high, eps, type, movable, group.",
        more="In Python also a `turtlenet.features.Features`.",
        read=str,
        recipe=False,
        identity="never",
    )
    movable: Any = setting(
        None,
        "The features that may move, by name or place with ; between them; or a file. All by default.",
        more="In Python also booleans that broadcast to an input.",
        read=str,
        recipe=False,
        identity="never",
    )
    constraints: Sequence[str | Constraint] = setting(
        (),
        "A rule for what an attack makes of an input: integer:features=age;children, one-hot:..., grow:..., ...",
        more="Specs or `Constraint`s; see `turtlenet.constraints`.",
        flag="--constraint",
        many=True,
        recipe=False,
        identity="never",
    )
