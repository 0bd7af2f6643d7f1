"""Attacks a model on its data, and gives the adversarial examples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack
from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.run.runner import Outcome, attack_all
from turtlenet.attacks.threat import ball_for
from turtlenet.batching import check_answers
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.given import by_name
from turtlenet.data.parts import Part, choose, saw, trained_on
from turtlenet.data.prepare import DataType, load_data, normalized_for
from turtlenet.data.readers.tables import is_tabular, reading_of
from turtlenet.errors import DataError, SettingError
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, in_memory, victim_of
from turtlenet.models.usage import usage_of
from turtlenet.reports.examples import example_columns
from turtlenet.reports.frames import Columns
from turtlenet.settings.attack import AttackSettings, KeptAttackSettings
from turtlenet.settings.base import describes
from turtlenet.training.data.feature_data import check_for_features, with_features


@checked()
@describes(AttackSettings)
def attack(model: ModelType, x: Any, y: Any, spec: str | Attack = "pgd", **settings: Any) -> Any:
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
        **settings: See `turtlenet.settings.attack.AttackSettings`.

    Returns:
        Adversarial examples, float32 (n, ...), within `eps` of the images and within the bounds; of several inputs a
        dict, in which those that are held are as they were given.
    """
    options = AttackSettings(**settings)
    victim, data, threat = _prepared(model, options, (x, y))
    if threat is not None:
        check_for_features([attack_family.build(spec)], threat.ball)
    found = attack_examples(victim, data.test, _ready(spec, model, victim, data, options, threat), options, threat).x
    if victim.question is None or not victim.question.several:
        return found
    return {**by_name(x, victim.question.inputs, "x"), **victim.question.unpacked(found)}


@dataclass(frozen=True)
class KeptAttack:
    """What an attack did to a part of a data set.

    Attributes:
        part: The part.
        x: Its images, float32 (n, ...).
        y: Their labels, int32 (n,).
        outcome: Adversarial examples, logits and cost.
        classes: The classes that are right, int32 (n,): the labels, unless the model is asked something else.
        further: Further arrays to keep, such as those of several inputs.
    """

    part: Part
    x: np.ndarray
    y: np.ndarray
    outcome: Outcome
    classes: np.ndarray
    further: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The share of the images that are answered rightly after the attack."""
        return float((self.prediction == self.classes).mean())

    def arrays(self) -> dict[str, Any]:
        """What a `.npz` holds."""
        own: dict[str, Any] = {
            "x": self.x,
            "y": self.y,
            "x_adversarial": self.outcome.x,
            "prediction": self.prediction,
        }
        return {**own, "reached": self.outcome.reached, **self.further}

    def columns(self, suffix: str) -> Columns:
        """What a `.csv` or a `.parquet` holds; see `turtlenet.reports.examples`.

        Raises:
            OutputError: Too many values for a CSV.
        """
        about = self.part.examples.about
        change = (self.outcome.x - self.x).reshape(len(self.x), -1).astype("float64")
        facts = {
            "label": self.classes,
            "prediction": self.prediction,
            "reached": self.outcome.reached,
            "linf": np.abs(change).max(axis=1),
            "l2": np.linalg.norm(change, axis=1),
            "gradients": self.outcome.gradients,
            "queries": self.outcome.queries,
        }
        named = {"features": about.names, "classes": about.classes}
        return example_columns(self.x, self.outcome.x, facts, suffix=suffix, **named)

    @property
    def prediction(self) -> np.ndarray:
        """The classes of the adversarial examples, int32 (n,)."""
        return self.outcome.logits.argmax(axis=1).astype("int32")


def attack_data(
    model: ModelType,
    data: DataType | None = None,
    *,
    check: Callable[[tuple[int, ...]], None] = lambda shape: None,
    **settings: Any,
) -> KeptAttack:
    """Attacks a part of a data set.

    Args:
        model: A classifier, or the path of one.
        data: What to attack; see `turtlenet.evaluate`.
        check: Is given the shape of an input before anything is attacked.
        **settings: See `turtlenet.settings.attack.KeptAttackSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = KeptAttackSettings(**settings)
    victim, whole, threat = _prepared(model, options, data)
    part = choose(whole, options.split, [trained_on(model)])
    examples = part.take(options.limit)
    check(examples.shape)
    if not part.asked and saw(trained_on(model), part, whole):
        options.tell(f"{model} was trained on these {examples.kind.examples}: --split test takes others")
    examples = _others(examples, options)
    ball = ball_for(victim, options.norm, options.eps) if threat is None else threat.ball
    check_for_features([attack_family.build(options.attack)], ball)
    made = _ready(options.attack, model, victim, whole, options, threat)
    made.check(victim, made.own_ball(ball, victim.input_shape))
    for line in misfits(victim, examples, ball):
        options.tell(line)
    outcome = attack_examples(victim, examples, made, options, threat)
    x, y = examples.batch(slice(None))
    further = {} if victim.question is None else victim.question.arrays(x, y, outcome.x)
    named = {"features": part.examples.about.names, "classes": part.examples.about.classes}
    further |= {name: np.array(values) for name, values in named.items() if values}
    return KeptAttack(part, x, y, outcome, examples.classes, further)


def attack_examples(
    victim: Classifier, examples: Any, attack: Attack, options: AttackSettings, threat: FeatureThreat | None = None
) -> Outcome:
    """Attacks examples that are in memory; gives the logits and the cost too.

    Args:
        victim: The classifier under attack.
        examples: `Examples`, or others with their methods.
        attack: The attack.
        options: The settings: the threat where `threat` is None, targets, seed and batch size.
        threat: Bounds, radii and rules of each feature; None where all have the same.

    Raises:
        DataError: Inputs or targets that do not fit.
        ModelError, SettingError: An attack that cannot work on this model or in this ball.
    """
    whole = ball_for(victim, options.norm, options.eps) if threat is None else threat.ball
    ball = attack.own_ball(whole, victim.input_shape)
    attack.check(victim, ball)
    examples.check()
    if threat is not None:
        threat.check(examples)
    pixels, labels = examples.batch(slice(None))
    target = None if options.target is None else _targets(options.target, victim.classes(labels), victim.num_classes)
    outcome = attack_all(
        attack, victim, pixels, labels, ball=ball, seed=options.seed, target=target, batch_size=options.batch_size
    )
    # No attack looks for such answers: these are those to the examples as they were.
    check_answers(outcome.logits, examples.kind.examples)
    return outcome


def _prepared(
    model: ModelType, options: AttackSettings, data: DataType | None
) -> tuple[Classifier, Data, FeatureThreat | None]:
    """The model as the attack sees it, its data, and what may be done to each feature."""
    given = Said.of(options)
    said = given.else_of(features_of(model))
    how = reading_of(options, trained_on(model))
    if options.normalize is not None:
        where: dict[str, Any] = {"bounds": said.outer, "head": options.head, "how": how, "held_out": True}
        where["usage"] = usage_of(options, model)
        model, data = normalized_for(in_memory(model), options.normalize, data, **where)

    def made(bounds: tuple[float, float] | None) -> Classifier:
        return victim_of(model, options, bounds)

    # A Classifier has bounds of its own: those of the training have no say in them.
    victim = made(given.outer if isinstance(model, Classifier) else said.outer)
    return with_features(
        said,
        options.norm,
        victim,
        (lambda bounds: victim) if isinstance(model, Classifier) else made,
        lambda each: load_data(data, each, how=how),
        training=False,
        table=is_tabular(data),
    )


def _ready(
    spec: str | Attack,
    model: ModelType,
    victim: Classifier,
    data: Data,
    options: AttackSettings,
    threat: FeatureThreat | None,
) -> Attack:
    """The attack, with a generator where it needs one."""
    # Radii that are all the same are one.
    eps = options.eps if threat is None else float(threat.ball.eps)
    how: dict[str, Any] = {"eps": eps, "norm": options.norm, "head": options.head, "seed": options.seed}
    made = attack_family.build(spec)
    _check_target(made, options.target)
    made.check_task(victim)
    return ready(made, model, victim, data, **how, tell=options.tell)


def _check_target(attack: Attack, target: Any) -> None:
    """Refuses a target beside an attack that names another.

    Raises:
        SettingError: Two of them.
    """
    own = attack.target
    if target is not None and own not in (type(attack).target, str(target)):
        raise SettingError(
            f"Expected one target; got {target} (--target) and {own} in the attack {attack}: leave one of them out."
        )


def _others(examples: Any, options: AttackSettings) -> Any:
    """The examples of other classes than the target, towards which there is nothing to attack."""
    left = examples if options.target is None else examples.subset((examples.classes != options.target).nonzero()[0])
    if len(left) < len(examples):
        options.tell(
            f"left out: {examples.kind.count(len(examples) - len(left))} of class {options.target}, the target"
        )
    return left


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
            f"Expected targets other than the labels; got {wanted[same[0]]} for both at place {same[0]} and "
            f"{len(same) - 1} more."
        )
    return wanted
