"""What a Keras project calls; the command line calls the same."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack, suites
from turtlenet.attacks.batched import Outcome, attack_all
from turtlenet.balls import Ball
from turtlenet.black_box import evaluate_black_box, substitution
from turtlenet.classifier import Classifier
from turtlenet.defences import Conversion, Defence
from turtlenet.errors import DataError, SettingError
from turtlenet.evaluation import Comparison, Tolerance, evaluate_classifier, measure_tolerance
from turtlenet.evaluation.access import check_access
from turtlenet.evaluation.injection import KINDS
from turtlenet.fitting import (
    DataType,
    ModelType,
    PathType,
    about_model,
    as_classifier,
    at_least,
    ball_for,
    describe_ball,
    load_data,
    load_for,
    threat_for,
    to_attack,
)
from turtlenet.generators import ready
from turtlenet.grey_box import evaluate_grey_box
from turtlenet.hardening import harden_model, train

__all__ = [
    "as_classifier",
    "attack",
    "attack_examples",
    "configure",
    "describe_ball",
    "evaluate",
    "harden_model",
    "load_data",
    "load_model",
    "save_model",
    "tolerance",
    "train",
    "wrap",
]

DEFAULT_SUITE = "quick"
PERCEPTIBILITY = 100
_NO_SUITE = suites.Suite(attacks=())


def configure(*, devices: int | None = None, cluster: bool = False, xla: bool = False) -> None:
    """Chooses what computes in this process; to be called once, before the first model is made.

    Args:
        devices: How many devices of this host share each batch: `keras.distribution.DataParallel` on JAX,
            `tf.distribute.MirroredStrategy` on TensorFlow. None takes one, or in a cluster all that a process sees. A
            host without accelerators is cut into so many virtual devices, which is for trying out.
        cluster: Whether this is one of several processes (JAX only). `KERAS_DISTRIBUTION_JOB_ADDRESSES`,
            `KERAS_DISTRIBUTION_NUM_PROCESSES` and `KERAS_DISTRIBUTION_PROCESS_ID` say which; see docs/scale.md.
        xla: Whether TensorFlow compiles with XLA on a CPU too.

    Raises:
        SettingError: Fewer devices, a cluster that cannot be joined, or one on TensorFlow.
    """
    if devices is not None:
        at_least(1, devices=devices)
    backend.configure(devices, cluster, xla)


def load_model(path: PathType, **settings: Any) -> keras.Model:
    """Loads a model that any Keras wrote (`.h5`, `.hdf5`, `.keras`, a SavedModel's folder), running no code of it.

    Args:
        path: The file or folder.
        **settings: `custom_objects`, `trust`, `architecture` and `compile` of `turtlenet.models.load`.

    Raises:
        ModelError: No model file, a damaged one, or one with layers that nobody knows here.
    """
    return models.load(path, **settings)


def save_model(model: keras.Model, path: PathType, *, provenance: Mapping[str, Any] | None = None) -> None:
    """Saves a model with its compiled state as `.h5` or `.keras`, at once or not at all.

    Args:
        model: Any model that Keras can write.
        path: Where to.
        provenance: Where the model comes from, as plain JSON data, kept in the file.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    models.save(model, path, provenance)


def wrap(
    model: ModelType, *defences: str | Defence | Conversion, bounds: tuple[float, float] | None = None
) -> keras.Model:
    """Puts defences in front of a model, without training; see `turtlenet.models.wrap`.

    Args:
        model: A model, which shares its variables with what is given back, or the path of one.
        *defences: Layers or their specs, from the input on: `"constant-quantization:levels=4"`.
        bounds: Smallest and largest value of a pixel; None tells them from the model.
    """
    if not defences:
        raise SettingError("Expected at least one defence; got none.")
    return models.wrap(model if isinstance(model, keras.Model) else load_model(model), defences, bounds)


def attack(
    model: ModelType,
    x: Any,
    y: Any,
    spec: str | Attack = "pgd",
    *,
    eps: float | None = None,
    norm: str = "linf",
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    precision: str | None = None,
    gradient: str = "adaptive",
    draws: int = 10,
    seed: int = 0,
    target: Any = None,
    batch_size: int | None = 256,
) -> np.ndarray:
    """Attacks images with their true labels.

    Args:
        model: A classifier, or the path of one.
        x: Images (n, ...): float within the bounds, or integer pixels, which are scaled to them.
        y: True labels, integers (n,) or one-hot (n, classes).
        spec: The attack.
        eps: Radius in input units; see `harden_model` for None.
        norm, bounds, head: See `harden_model`.
        precision: What the model's layers compute in; see `turtlenet.models.compute_in`.
        gradient: How the gradient of defences is taken: `adaptive`, or `naive` as the papers did.
        draws: How many draws of random defences an answer and its gradient are the mean of.
        seed: Repeats the draws.
        target: Classes to answer (n,), for a targeted attack.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.

    Returns:
        Adversarial examples, float32 (n, ...), within `eps` of the images and within the bounds.
    """
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision, gradient=gradient, draws=draws)
    examples = load_data((x, y), victim).test
    return attack_examples(
        victim, examples, spec, eps=eps, norm=norm, seed=seed, target=target, batch_size=batch_size
    ).x


def attack_examples(
    victim: Classifier,
    examples: Any,
    spec: str | Attack,
    *,
    eps: float | None,
    norm: str,
    seed: int,
    target: Any = None,
    batch_size: int | None = 256,
) -> Outcome:
    """Attacks examples that are in memory; gives the logits and the cost too."""
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    at_least(0, seed=seed)
    made = attack_family.build(spec)
    ball = made.own_ball(ball_for(victim, norm, eps), victim.input_shape)
    made.check(victim, ball)
    examples.check()
    pixels, labels = examples.batch(slice(None))
    wanted = None if target is None else np.broadcast_to(np.asarray(target, "int32"), labels.shape)
    if wanted is not None and not 0 <= wanted.min() <= wanted.max() < victim.num_classes:
        raise DataError(f"Expected targets from 0 to {victim.num_classes - 1}; got {wanted.min()} to {wanted.max()}.")
    return attack_all(made, victim, pixels, labels, ball=ball, seed=seed, target=wanted, batch_size=batch_size)


def evaluate(
    model: ModelType | Sequence[ModelType],
    data: DataType | None = None,
    *,
    attacks: Sequence[str | Attack] = (),
    suite: str | None = None,
    eps: float | None = None,
    norm: str | None = None,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    held_out: bool = False,
    mode: str | None = None,
    labels: str | None = None,
    gradient: str | None = None,
    draws: int = 10,
    precision: str | None = None,
    seed: int = 0,
    batch_size: int | None = 256,
    quantize_pixels: bool = False,
    curve: int = 256,
    perceptibility: int | None = None,
    access: str = "white-box",
    surrogates: int = 2,
    surrogate_dir: PathType | None = None,
    tell: Callable[[str], None] = print,
    progress: PathType | None = None,
    resume: bool = False,
) -> Any:
    """Attacks one model, or several side by side, and reports what is left of their accuracy.

    Args:
        model: A classifier, the path of one, or a list of them.
        data: What to attack, which the training must not have seen: `(x, y)`, a name or a path (its test part).
        attacks: Specs; nothing takes the suite's.
        suite: The name or path of an attack suite; `quick` if there are neither attacks nor a suite.
        eps: Radius in input units; None takes the suite's, else see `harden_model`.
        norm: None takes the suite's, else `linf`.
        bounds, head: See `harden_model`.
        limit: Most images to attack, the first of the data; None for all.
        held_out: Where data have no separate test part, whether to take only the sixth that training never sees.
        mode: `table`, every attack on all images, or `cascade`, each on the survivors of those before it.
        labels: `true`, or `predicted`: the attacks are given the model's own answers, as the papers did.
        gradient: How the gradient of defences is taken: `adaptive` as a strong attacker does, `naive` as the papers
            did; None runs each attack in both ways on models where they differ.
        draws: How many draws of random defences an answer and its gradient are the mean of.
        precision: What the models' layers compute in, attacked and answering; see `turtlenet.models.compute_in`.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        quantize_pixels: Whether a success counts only if it survives rounding to 8-bit pixels, as in a saved picture.
        curve: Images for the curve of accuracy against eps; 0 draws none.
        perceptibility: Images whose smallest adversarial example is searched, to tell how visible a change must
            become; None takes 100 where several models, one of them with a defence, stand side by side, else none.
        access: What attackers know: `white-box`, everything; `grey-box`, everything but a keyed model's key: they
            train models of their own and craft on those, and ask; see docs/defences.md. `black-box:substitute=lenet`,
            nothing but answers: they train a substitute on these; see `turtlenet.black_box.Substitution`.
        surrogates: How many models behind keys of its own a grey-box attacker trains, beside one without a key.
        surrogate_dir: Folder where those models are kept and taken from; None forgets them.
        tell: Is given what they are trained with, a line each.
        progress: Folder that keeps what is known while an evaluation runs.
        resume: Whether to continue from there.

    Returns:
        A `Report`, or a `Comparison` for a list of models.
    """
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    at_least(0, curve=curve, seed=seed)
    given = list(model) if isinstance(model, (list, tuple)) else [model]
    if not given:
        raise SettingError("Expected at least one model; got none.")
    kind_of_access, _, how_to_ask = access.partition(":")
    check_access(kind_of_access)
    asking = substitution(how_to_ask) if kind_of_access == "black-box" else None
    if how_to_ask and asking is None:
        raise SettingError(f"Expected settings for access black-box only; got {access}.")
    if kind_of_access != "white-box" and len(given) > 1:
        raise SettingError(f"Expected one model for access {kind_of_access}; got {len(given)}.")
    chosen = suites.find(DEFAULT_SUITE if suite is None else suite) if suite is not None or not attacks else _NO_SUITE
    specs = suites.expand([*chosen.attacks, *attacks])
    kind, radius = _first(norm, chosen.norm, "linf"), _first(eps, chosen.eps)
    # What is wrong with the last model or its data is said before the first is attacked.
    how: dict[str, Any] = {
        "bounds": bounds,
        "head": head,
        "precision": precision,
        "gradient": gradient or "adaptive",
        "draws": draws,
    }
    victims = [as_classifier(one, **how) for one in given]
    if gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    made = [attack_family.build(spec) for spec in specs]
    found = load_for(data, victims)
    # What a grey-box attacker trains on is not attacked.
    wholes = [to_attack(each, held_out or kind_of_access != "white-box") for each in found]
    parts = [whole.take(limit) for whole in wholes]
    trained: dict[str, Any] = {"eps": radius, "norm": kind, "seed": seed, "access": kind_of_access, "tell": tell}
    owns = [
        [ready(each, one, victim, data, **trained) for each in made]
        for one, victim, data in zip(given, victims, found, strict=True)
    ]
    threats = [threat_for(victim, own, kind, radius) for victim, own in zip(victims, owns, strict=True)]
    looked_at = _looked_at(perceptibility, victims, threats[0])
    for examples in parts[1:]:
        examples.check()
    same: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": _first(mode, chosen.mode, "table"),
        "labels": _first(labels, chosen.labels, "true"),
        "seed": seed,
        "batch_size": batch_size,
        "quantize_pixels": quantize_pixels,
        "curve": curve,
        "perceptibility": looked_at,
        "resume": resume,
    }
    reports = []
    for number, (one, victim, examples, ball) in enumerate(zip(given, victims, parts, threats, strict=True)):
        own = {**same, "about": about_model(one, victim)}
        suited = owns[number]
        own["progress"] = Path(progress) / f".progress-{number}.npz" if progress else None
        folder = Path(surrogate_dir) if surrogate_dir else None
        if asking:
            own |= {"folder": folder, "tell": tell}
            reports.append(evaluate_black_box(victim, wholes[number], limit, suited, ball, asking, **own))
        elif access == "grey-box":
            own |= {"head": head, "surrogates": surrogates, "folder": folder, "tell": tell}
            reports.append(evaluate_grey_box(one, victim, found[number], examples, suited, ball, **own))
        else:
            reports.append(evaluate_classifier(victim, examples, suited, ball, **own))
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


def tolerance(
    model: ModelType,
    data: DataType | None = None,
    *,
    kinds: Sequence[str] = (),
    eps: float | None = None,
    loss: float = 0.01,
    strengths: int = 25,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    precision: str | None = None,
    seed: int = 0,
    batch_size: int | None = 256,
) -> Tolerance:
    """Finds how much noise a model bears, and proposes how many levels to quantize its input to.

    Args:
        model: A classifier, or the path of one; it is left as it is.
        data: What to measure on, which the training must not have seen; see `evaluate`.
        kinds: Kinds of noise: `uniform`, `gaussian`, `salt-and-pepper`, `sign`; nothing takes all. Without `uniform`
            only one of the two bounds on the levels is known.
        eps: The change of each pixel to absorb, above 0, in input units; see `harden_model` for None.
        loss: The fall of accuracy that is tolerable, within (0, 1): 0.01 is one point.
        strengths: How many strengths of each kind, at least 2.
        bounds, head: See `harden_model`.
        limit: Most images, the first of the data; None for all.
        precision: What the model's layers compute in; see `turtlenet.models.compute_in`.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a result.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision)
    return measure_tolerance(
        victim,
        to_attack(load_data(data, victim), held_out=False).take(limit),
        eps=float(ball_for(victim, "linf", eps).eps),
        about=about_model(model, victim),
        kinds=kinds or KINDS,
        strengths=strengths,
        loss=loss,
        seed=seed,
        batch_size=batch_size,
    )


def _looked_at(count: int | None, victims: Sequence[Classifier], ball: Ball) -> int:
    """For how many images the smallest adversarial example is searched."""
    if count is None:
        compared = len(victims) > 1 and any(models.defences_of(each.model) for each in victims)
        return PERCEPTIBILITY if compared and ball.norm in attack_family.PGD.norms else 0
    at_least(0, perceptibility=count)
    if count:
        attack_family.PGD().check(victims[0], ball)
    return count


def _both_ways(spec: str | Attack) -> list[str | Attack]:
    """An attack that takes the naive gradient, and the attack itself; the attack alone where that is no question."""
    made = attack_family.build(spec)
    if made.gradient or made.family == "random":
        return [spec]
    naive = dataclasses.replace(made, gradient="naive")
    return [f"{spec}{',' if ':' in spec else ':'}gradient=naive" if isinstance(spec, str) else naive, spec]


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
