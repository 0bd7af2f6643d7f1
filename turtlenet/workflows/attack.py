"""What a Keras project calls; the command line calls the same."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack
from turtlenet.attacks.runner import Outcome, attack_all
from turtlenet.attacks.threat import ball_for, describe_ball
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.parts import TRAINED_ON, remember, trained_on
from turtlenet.data.prepare import load_data
from turtlenet.defences import Conversion, Defence
from turtlenet.errors import DataError, SettingError, at_least
from turtlenet.files import PathType
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, as_classifier, in_memory
from turtlenet.workflows.evaluate import evaluate, tolerance
from turtlenet.workflows.train import harden_model, train

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


@checked()
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


@checked()
def load_model(path: PathType, **settings: Any) -> keras.Model:
    """Loads a model that any Keras wrote (`.h5`, `.hdf5`, `.keras`, a SavedModel's folder), running no code of it.

    Args:
        path: The file or folder.
        **settings: `custom_objects`, `trust`, `architecture` and `compile` of `turtlenet.models.load`.

    Raises:
        ModelError: No model file, a damaged one, or one with layers that nobody knows here.
    """
    model = models.load(path, **settings)
    remember(model, trained_on(path))
    return model


@checked()
def save_model(
    model: keras.Model | Classifier, path: PathType, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Saves a model with its compiled state as `.h5` or `.keras`, at once or not at all.

    Args:
        model: Any model that Keras can write.
        path: Where to.
        provenance: Where the model comes from, as plain JSON data, kept in the file beside what is known of the data
            that it was trained on.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    seen = trained_on(model)
    models.save(in_memory(model), path, {**({TRAINED_ON: seen} if seen else {}), **(provenance or {})})


@checked()
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
    wrapped = models.wrap(in_memory(model), defences, bounds)
    remember(wrapped, trained_on(model))
    return wrapped


@checked()
def attack(
    model: ModelType,
    x: Any,
    y: Any,
    spec: str | Attack = "pgd",
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    precision: str | None = None,
    gradient: str | None = None,
    draws: int | None = None,
    seed: int = 0,
    target: Any = None,
    batch_size: int | None = 256,
    tell: Callable[[str], None] = print,
) -> np.ndarray:
    """Attacks images with their true labels.

    What is compiled stays with the model: a second call with the same attack, norm and bounds costs its steps alone,
    whatever its images, radius and seed, and sees the weights of its moment.

    Args:
        model: A classifier, the path of one, or a `Classifier` (see `as_classifier`).
        x: Images (n, ...): float within the bounds, or integer pixels, which are scaled to them.
        y: True labels, integers (n,) or one-hot (n, classes).
        spec: The attack. `advgan` without a generator trains one on the images first, and keeps it for the next time.
        eps: Radius; see `harden_model`.
        norm, bounds, head: See `harden_model`.
        precision: What the model's layers compute in; see `turtlenet.models.compute_in`.
        gradient: How the gradient of defences is taken: `adaptive` (the default), or `naive` as the papers did.
        draws: How many draws of random defences an answer and its gradient are the mean of: 10, or those of a
            `Classifier`.
        seed: Repeats the draws.
        target: Classes to answer, integers (n,) other than the labels, or one for all: for a targeted attack.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        tell: Is given what happens while a generator is trained, a line each.

    Returns:
        Adversarial examples, float32 (n, ...), within `eps` of the images and within the bounds.
    """
    draws = 10 if draws is None and not isinstance(model, Classifier) else draws
    victim = as_classifier(model, bounds=bounds, head=head, precision=precision, gradient=gradient, draws=draws)
    data = load_data((x, y), victim)
    how: dict[str, Any] = {"eps": eps, "norm": norm, "head": head, "seed": seed, "tell": tell}
    made = ready(attack_family.build(spec), model, victim, data, **how)
    return attack_examples(
        victim, data.test, made, eps=eps, norm=norm, seed=seed, target=target, batch_size=batch_size
    ).x


def attack_examples(
    victim: Classifier,
    examples: Any,
    spec: str | Attack,
    *,
    eps: float | str | None,
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
    wanted = None if target is None else _targets(target, labels, victim.num_classes)
    return attack_all(made, victim, pixels, labels, ball=ball, seed=seed, target=wanted, batch_size=batch_size)


def _targets(target: Any, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Targets as integers (n,), none of which is the label."""
    try:
        given = np.asarray(target)
    except Exception:  # Rows of unequal length, a set, or what else is no array.
        given = np.empty((0,), object)
    if given.dtype.kind not in "iu" or given.shape not in ((), labels.shape):
        raise DataError(
            f"Expected one target, or {len(labels)}, as integers; got {given.dtype} of shape {given.shape}."
        )
    wanted = np.broadcast_to(given, labels.shape).astype("int32")
    if not 0 <= wanted.min() <= wanted.max() < num_classes:
        raise DataError(f"Expected targets from 0 to {num_classes - 1}; got {wanted.min()} to {wanted.max()}.")
    same = np.flatnonzero(wanted == labels)
    if len(same):
        raise DataError(
            f"Expected targets other than the labels; got {wanted[same[0]]} for both at image {same[0]} and "
            f"{len(same) - 1} more."
        )
    return wanted
