"""What a Keras project calls; the command line calls the same."""

from collections.abc import Callable
from typing import Any

import numpy as np

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack
from turtlenet.attacks.runner import Outcome, attack_all
from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.given import by_name
from turtlenet.data.prepare import load_data
from turtlenet.errors import DataError, at_least
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, as_classifier


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
    task: str = "auto",
    output: str | None = None,
    attacked: str | None = None,
    size: str | None = None,
) -> Any:
    """Attacks images with their true labels.

    What is compiled stays with the model: a second call with the same attack, norm and bounds costs its steps alone,
    whatever its images, radius and seed, and sees the weights of its moment.

    Args:
        model: A classifier, the path of one, or a `Classifier` (see `as_classifier`).
        x: Images (n, ...): float within the bounds, or integer pixels, which are scaled to them. Several inputs are a
            dict by their names, or a tuple in the model's order.
        y: True labels, integers (n,) or one-hot (n, classes); 0 and 1 (n, labels) of a multi-label model, numbers (n,)
            or (n, values) of a regression.
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
        task, output, attacked, size: See `turtlenet.settings.TaskSettings`.

    Returns:
        Adversarial examples, float32 (n, ...), within `eps` of the images and within the bounds; of several inputs a
        dict, in which those that are held are as they were given.
    """
    draws = 10 if draws is None and not isinstance(model, Classifier) else draws
    usage: dict[str, Any] = {"task": task, "output": output, "attacked": attacked, "size": size}
    victim = as_classifier(
        model, bounds=bounds, head=head, precision=precision, gradient=gradient, draws=draws, **usage
    )
    attack_family.build(spec).check_task(victim)
    data = load_data((x, y), victim)
    how: dict[str, Any] = {"eps": eps, "norm": norm, "head": head, "seed": seed, "tell": tell}
    made = ready(attack_family.build(spec), model, victim, data, **how)
    found = attack_examples(
        victim, data.test, made, eps=eps, norm=norm, seed=seed, target=target, batch_size=batch_size
    ).x
    if victim.question is None or not victim.question.several:
        return found
    return {**by_name(x, victim.question.inputs, "x"), **victim.question.unpacked(found)}


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
    wanted = None if target is None else _targets(target, victim.classes(labels), victim.num_classes)
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
