"""Brings what a user gives to a model: the data in its shape and bounds, the ball, the part to train on or attack."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import keras

from turtlenet import backend, balls, models, radius
from turtlenet import data as data_family
from turtlenet.arguments import checked
from turtlenet.attacks import Attack
from turtlenet.attacks.advgan import generators_in, loaded_generator, trained_on
from turtlenet.balls import Ball
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.parts import choose
from turtlenet.errors import DataError, ModelError, SettingError
from turtlenet.training import split

__all__ = [
    "DEFAULT_DATA",
    "DataType",
    "ModelType",
    "PathType",
    "about_model",
    "as_classifier",
    "at_least",
    "ball_for",
    "check_alone",
    "check_generators",
    "describe_ball",
    "hold_out",
    "in_memory",
    "load_data",
    "load_for",
    "source_for",
    "threat_for",
    "why_eps",
]

PathType: TypeAlias = str | PathLike[str]
ModelType: TypeAlias = PathType | keras.Model | Classifier
DataType: TypeAlias = PathType | tuple[Any, ...] | Examples | Data | Iterable[Any]

DEFAULT_DATA = "mnist-sample"
SAMPLE_ACCURACY = 0.8
"""Clean accuracy that a model of digits has; one below was made for something else, or is not trained."""
_SAMPLED = 500


@checked(within_graphs=True)
def as_classifier(
    model: ModelType,
    *,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    precision: str | None = None,
    gradient: str | None = None,
    draws: int | None = None,
) -> Classifier:
    """The classifier of a model, or of a model's file: what attacks work on, with all that was compiled for it.

    A model in memory keeps its classifier: it is the same at the next call, unless something but weights has changed
    in the model. A file's is made anew each time: to attack it often, hold on to the classifier, which is taken
    wherever a model is.

    Args:
        model: A classifier, the path of one, or a `Classifier`.
        bounds: Smallest and largest value of a pixel; None tells them from the model.
        head: What the model's outputs are: `auto`, `softmax`, `sigmoid` or `logits`.
        precision: What the layers compute in; another than the model's own is that of a copy.
        gradient: How attackers take the gradient of defences, `adaptive` (the default) or `naive`; None keeps that of
            a `Classifier`.
        draws: How many draws of random defences an answer is the mean of, 1 by default; None keeps those of a
            `Classifier`.

    Raises:
        ModelError: No classifier of one continuous input.
        SettingError: Bounds, a head or a precision for a `Classifier`, which has its own.
    """
    models.check_precision(precision)
    if draws is not None:
        at_least(1, draws=draws)
    if isinstance(model, Classifier):
        _check_as_it_is(model, bounds, head, precision)
        return model.taking(gradient or "", draws=draws or 0)
    if not isinstance(model, keras.Model):
        model = models.load(model)
    elif precision:
        model = models.copy(model)
    models.compute_in(model, precision)
    made = models.classifier_of(model, bounds=bounds, head=head)
    return made.taking("adaptive" if gradient is None else gradient, draws=1 if draws is None else draws)


def in_memory(model: ModelType) -> keras.Model:
    """The Keras model that was given, with its own head, loaded where it is a file."""
    if isinstance(model, Classifier):
        return model.whole
    return model if isinstance(model, keras.Model) else models.load(model)


def _check_as_it_is(model: Classifier, bounds: tuple[float, float] | None, head: str, precision: str | None) -> None:
    for name, given in (("bounds", bounds), ("head", head), ("precision", precision)):
        fits = given in (None, "auto") or (name == "bounds" and tuple(given or ()) == model.bounds)
        if not fits:
            raise SettingError(
                f"Expected {name} where the Classifier is made; got {given} beside one that has its own."
            )


def about_model(model: ModelType, victim: Classifier) -> dict[str, Any]:
    """What a report says of a model: its `name`, `path`, `sha256`, `parameters`, `precision` and `defences`."""
    shields = [{"defence": str(each), "adaptive": each.adaptive} for each in models.defences_of(victim.model)]
    common = {"parameters": int(victim.model.count_params()), "precision": victim.precision, "defences": shields}
    if isinstance(model, keras.Model | Classifier):
        whole = in_memory(model)
        return {"name": whole.name, "path": None, "sha256": models.weights_sha256(whole), **common}
    path = Path(model)
    digest = models.file_sha256(path)
    return {"name": path.stem, "path": str(model), "sha256": digest, **common}


def source_for(source: ModelType, victim: Classifier, precision: str | None = None) -> Classifier:
    """Another model to craft on, which must answer the same question."""
    other = as_classifier(source, bounds=victim.bounds, precision=precision)
    mine, theirs = ((each.input_shape, each.num_classes) for each in (victim, other))
    if mine != theirs:
        raise ModelError(
            f"Expected a source for inputs {mine[0]} and {mine[1]} classes, as the model; "
            f"got one for {theirs[0]} and {theirs[1]}."
        )
    return other


def load_data(
    data: DataType | None, victim: Classifier, *, judge: Classifier | None = None, weighted: bool = False
) -> Data:
    """Brings any form of data to the shape, classes and bounds of a classifier.

    Args:
        data: The name of a data set, a path, `(x, y)` of any library, a finite stream of such batches (`tf.data`,
            `PyDataset`, a generator: read once, at most 1 GiB), or None for the embedded sample, where it fits and the
            model gets it right.
        victim: The classifier that the data are for.
        judge: The classifier that must get the sample right; the victim itself by default.
        weighted: Whether examples may have weights: `(x, y, sample_weight)`.

    Raises:
        DataError: Data that do not fit, or None where the sample does not, or is not what the model was made for.
        SpecError: An unknown name.
    """
    fit: dict[str, Any] = {
        "shape": victim.input_shape,
        "num_classes": victim.num_classes,
        "bounds": victim.bounds,
    }
    if isinstance(data, Data):
        return data
    if isinstance(data, Examples):
        return Data(data.name, train=data, test=data, whole=data)
    if data is not None and not isinstance(data, (str, PathLike)):
        x, y, *weights = data_family.parts_of(data, victim.input_shape)
        if weights and weights[0] is not None and not weighted:
            raise DataError(
                "Expected (x, y), where each image counts once; got sample weights: they are for train, and for "
                "turtlenet.Trainer."
            )
        whole = data_family.from_arrays(x, y, **fit)
        if weights and weights[0] is not None:
            whole = whole.weighted(weights[0])
        return Data(whole.name, train=whole, test=whole, whole=whole)
    if data is not None:
        return data_family.load(data, **fit)
    _check_sample(victim)
    sample = data_family.load(DEFAULT_DATA, **fit)
    _check_right([judge or victim], [sample])
    return sample


def load_for(data: DataType | None, victims: Sequence[Classifier]) -> list[Data]:
    """The data for each classifier; those that take the same images share them.

    Raises:
        DataError: See `load_data`; of several classifiers one must get the embedded sample right.
    """
    for victim in victims if data is None else ():
        _check_sample(victim)
    fits = [(victim.input_shape, victim.num_classes, victim.bounds) for victim in victims]
    wanted = DEFAULT_DATA if data is None else data
    loaded = {fit: load_data(wanted, victim) for fit, victim in dict(zip(fits, victims, strict=True)).items()}
    found = [loaded[fit] for fit in fits]
    if data is None:
        _check_right(victims, found)
    return found


def hold_out(examples: Examples, validation: int | None, seed: int) -> tuple[Examples, Examples | None]:
    """The part to train on and the part for validation; None holds out a tenth, at most 1,000.

    Raises:
        SettingError: As many as there are, or less than none.
    """
    count = min(1000, len(examples) // 10) if validation is None else validation
    if not 0 <= count < len(examples):
        raise SettingError(f"Expected validation from 0 to {len(examples) - 1} images; got {count}.")
    return split(examples, count, seed) if count else (examples, None)


def _check_sample(victim: Classifier) -> None:
    fits = victim.input_shape in ((28, 28, 1), (28, 28), (784,)) and victim.num_classes == 10
    if not fits:
        shape = "x".join(map(str, victim.input_shape))
        raise DataError(
            f"Expected --data NAME|PATH for a model of {shape} images and {victim.num_classes} classes; the embedded "
            "mnist-sample has 28x28x1 images and 10 classes."
        )


def _check_right(victims: Sequence[Classifier], samples: Sequence[Data]) -> None:
    """Refuses the embedded sample for classifiers none of which gets it right."""
    if backend.process()[1] > 1:
        return
    best = 0.0
    for victim, sample in zip(victims, samples, strict=True):
        x, y = choose(sample, held_out=True).examples.batch(slice(_SAMPLED))
        best = max(best, float((predict(victim, x, 256).argmax(axis=1) == y).mean()))
        if best >= SAMPLE_ACCURACY:
            return
    raise DataError(
        f"Expected --data NAME|PATH: the embedded mnist-sample stands in only for a model of its digits, and this one "
        f"answers {best:.3f} of them right. Pass --data {DEFAULT_DATA} to take it all the same."
    )


def ball_for(victim: Classifier, norm: str, eps: float | str | None) -> Ball:
    """The ball in a classifier's bounds.

    Args:
        victim: The classifier.
        norm: Name of the norm.
        eps: The radius, as `turtlenet.radius.parsed` reads it; None takes the usual one for gray or color images.

    Raises:
        SpecError: No such norm.
        SettingError: A radius that cannot be read, or is negative, NaN or infinite.
    """
    ball = balls.get(norm, 0.0, victim.bounds)
    if eps is None:
        return ball.with_eps(radius.usual(victim.input_shape, norm, victim.bounds)[0])
    return ball.with_eps(radius.resolved(eps, norm, victim.bounds))


def why_eps(victim: Classifier, norm: str, eps: float | str | None) -> str:
    """Where the radius of `ball_for` comes from, in words."""
    return radius.usual(victim.input_shape, norm, victim.bounds)[1] if eps is None else "given"


def threat_for(victim: Classifier, attacks: Sequence[Attack], norm: str, eps: float | str | None) -> Ball:
    """How far inputs may move; refuses attacks that cannot work there, or in a ball of their own."""
    ball = ball_for(victim, norm, eps)
    for each in attacks:
        each.check(victim, each.own_ball(ball, victim.input_shape))
    return ball


def describe_ball(ball: Ball, shape: tuple[int, ...] | None = None, why: str = "") -> str:
    """`linf, eps 0.3, pixels in [0, 1] (76.5 gray levels of 255, 30 % of the range)`.

    Args:
        ball: The threat.
        shape: Of an input, without the batch; None says no more than the ball does.
        why: Where the radius comes from, if that is worth a word.
    """
    words = [] if why in ("", "given") else [why]
    if shape is not None:
        share = radius.per_pixel(ball.eps, ball.norm, (ball.low, ball.high), shape)
        words.insert(0, radius.size_words(ball.norm, share, 255 * share if radius.is_image(shape) else None))
    more = f" ({'; '.join(words)})" if words else ""
    return f"{ball.norm}, eps {ball.eps:g}, pixels in [{ball.low:g}, {ball.high:g}]{more}"


def check_alone(what: str, instead: str = "") -> None:
    """Refuses a cluster, where every process would do the same by itself and come to another end.

    Raises:
        SettingError: Several processes.
    """
    if backend.process()[1] > 1:
        raise SettingError(f"Expected one process {what}; got a cluster{': ' if instead else ''}{instead}.")


def check_generators(attacks: Sequence[Attack], model: ModelType, victim: Classifier, access: str) -> None:
    """Refuses generators that were trained on the model itself: whoever did has had its gradients.

    Raises:
        SettingError: One that was.
    """
    digests = {about_model(model, victim)["sha256"], models.weights_sha256(victim.model)}
    for file in (file for attack in attacks for file in generators_in(attack)):
        if trained_on(loaded_generator(file).facts, digests):
            raise SettingError(
                f"Expected a generator that was not trained on the model for access {access}; got {file}: "
                "turtlenet gan train --access dynamic, or on another model."
            )


def at_least(least: int, **values: int) -> None:
    """Refuses settings below a number.

    Raises:
        SettingError: One that is.
    """
    for name, value in values.items():
        if value < least:
            raise SettingError(f"Expected {name} >= {least}; got {value}.")
