"""What a Keras project calls; the command line calls the same."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack
from turtlenet.attacks.feature_memory import features_of
from turtlenet.attacks.feature_threat import FeatureThreat, Said
from turtlenet.attacks.runner import Outcome, attack_all
from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.constraints import Constraint
from turtlenet.data import Data
from turtlenet.data.prepare import load_data
from turtlenet.data.tables import PLAIN, Reading, is_tabular
from turtlenet.errors import DataError, at_least
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, as_classifier
from turtlenet.training.data.feature_data import with_features


@checked()
def attack(
    model: ModelType,
    x: Any,
    y: Any,
    spec: str | Attack = "pgd",
    *,
    eps: Any = None,
    norm: str = "linf",
    bounds: Any = None,
    features: Any = None,
    movable: Any = None,
    constraints: Sequence[str | Constraint] = (),
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
        norm, bounds, features, movable, constraints, head: See `harden_model`; what is said nowhere is that of the
            model's training, where it is known.
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
    said = Said.by_user(bounds=bounds, eps=eps, movable=movable, constraints=constraints, features=features)
    seen: dict[str, Any] = {"head": head, "precision": precision, "gradient": gradient, "draws": draws}
    victim, data, threat = ready_for_features(model, said.else_of(features_of(model)), norm, (x, y), **seen)
    how: dict[str, Any] = {"eps": eps, "norm": norm, "head": head, "seed": seed, "tell": tell}
    made = ready(attack_family.build(spec), model, victim, data, **how)
    how = {"eps": eps, "norm": norm, "seed": seed, "target": target, "batch_size": batch_size}
    return attack_examples(victim, data.test, made, **how, threat=threat).x


def ready_for_features(
    model: ModelType, said: Said, norm: str, data: Any, *, reading: Reading = PLAIN, **how: Any
) -> tuple[Classifier, Data, FeatureThreat | None]:
    """A model, its data, and what an attack may do to each feature; see `with_features`.

    Args:
        model: The model.
        said: What is known of the features.
        norm: Name of the norm.
        data: The data, in any form.
        reading: Which columns of a table are what.
        **how: See `as_classifier`.
    """
    victim = as_classifier(model, bounds=said.outer, **how)

    def made(bounds: tuple[float, float]) -> Classifier:
        return victim if isinstance(model, Classifier) else as_classifier(model, bounds=bounds, **how)

    return with_features(
        said,
        norm,
        victim,
        made,
        lambda each: load_data(data, each, how=reading),
        training=False,
        table=is_tabular(data),
    )


def attack_examples(
    victim: Classifier,
    examples: Any,
    spec: str | Attack,
    *,
    eps: Any,
    norm: str,
    seed: int,
    target: Any = None,
    batch_size: int | None = 256,
    threat: FeatureThreat | None = None,
) -> Outcome:
    """Attacks examples that are in memory; gives the logits and the cost too."""
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    at_least(0, seed=seed)
    made = attack_family.build(spec)
    whole = ball_for(victim, norm, eps) if threat is None else threat.ball
    ball = made.own_ball(whole, victim.input_shape)
    made.check(victim, ball)
    examples.check()
    if threat is not None:
        threat.check(examples)
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
