"""Hardening runs from what a user gives: a model, data, and the settings of an objective."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.balls import Ball
from turtlenet.bars import aside
from turtlenet.batching import check_agreement
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import note, remember, trained_on
from turtlenet.data.prepare import DataType, hold_out, load_data
from turtlenet.errors import DataError
from turtlenet.gan.co_training import keep_rivals, rivals_in, with_generators
from turtlenet.models.as_classifier import ModelType, in_memory, source_for
from turtlenet.settings.base import takes
from turtlenet.settings.train import TrainSettings
from turtlenet.training import Objective, Run, Schedule, class_weights, harden, objectives, recipes
from turtlenet.training.attack_pool import check_without_ball, drawn_from

__all__ = ["harden_model", "train"]


@checked()
@takes(TrainSettings)
def train(model: ModelType, data: DataType | None = None, **settings: Any) -> keras.Model:
    """Hardens a model by adversarial training; gives a new model and leaves the one given as it is.

    Args:
        model: A classifier, or the path of one.
        data: What to train on: `(x, y)` or `(x, y, sample_weight)`, a name, a path, or a finite stream of batches
            (`tf.data`, `PyDataset`, a generator: read once); None for the embedded sample where it fits.
        **settings: See `turtlenet.settings.TrainSettings`.

    Returns:
        The hardened model, with the architecture, the head and the compiled state of the one given, behind its
        defences if there are any.
    """
    return harden_model(model, data, **settings)[0]


@checked()
@takes(TrainSettings)
def harden_model(model: ModelType, data: DataType | None = None, **settings: Any) -> tuple[keras.Model, Run]:
    """Hardens a model and tells what the run did.

    Args:
        model: A classifier, or the path of one.
        data: What to train on; see `train`.
        **settings: See `turtlenet.settings.TrainSettings`.

    Returns:
        The hardened model, and the run.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    plan = TrainSettings(**recipes.with_recipe(settings))
    schedule = plan.only(Schedule, batch_size=plan.batch_size or 128)
    models.check_precision(plan.precision)
    bounds, head = plan.bounds, plan.head
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    before = in_memory(model)
    hardened = models.wrap(_own(before, plan.tell), plan.defences, bounds)
    if plan.out is not None:
        models.check_writable(plan.out, hardened)
    restore = models.compute_in(hardened, plan.precision)
    victim = models.classifier(hardened, bounds=bounds, head=head)
    computed, shields = victim.precision, [str(each) for each in models.defences_of(hardened)]
    # What is in front of the model is new to it: the model as it came says whether the data are its own.
    known = models.classifier(before, bounds=victim.bounds, head=head) if plan.defences else victim
    found = load_data(data, victim, judge=known, weighted=True)
    lesson = _lesson(found, before, victim, plan)
    first = backend.process()[0] == 0
    tell = aside(plan.tell) if first else _silent
    ball = ball_for(victim, plan.norm, plan.eps)
    attack = drawn_from(plan.attack, plan.attack_weights, plan.attack_drawn)
    checkpoint = Path(plan.checkpoint) if plan.checkpoint else None
    with tempfile.TemporaryDirectory() as nowhere:
        files: dict[str, Any] = {"checkpoint": checkpoint, "resume": plan.resume, "nowhere": Path(nowhere)}
        attack = with_generators(attack, hardened, victim, found, ball, head=head, seed=plan.seed, tell=tell, **files)
        objective = _objective(plan, attack, ball, schedule.steps(len(lesson.examples))[1])
        # An objective that was given whole has a generator of its own, which is left as it is.
        whole = isinstance(plan.objective, Objective)
        rivals = [] if whole else rivals_in(attack, ball, plan.generator_moves, plan.seed)
        run = harden(
            victim,
            lesson.examples,
            objective,
            schedule,
            validation=lesson.held_out,
            validation_attack=attack_family.build(plan.validation_attack) if plan.validation_attack else None,
            sources=[source_for(source, victim, plan.precision) for source in plan.sources],
            own_optimizer=getattr(hardened, "optimizer", None),
            checkpoint=checkpoint,
            resume=plan.resume,
            identity={**lesson.identity, "validation": lesson.validation, **_noted(plan)},
            callbacks=[_Opening(tell, _opening(plan, lesson, objective, victim, known, shields)), *plan.callbacks],
            accumulate=None if plan.batch_size is None else plan.accumulate,
            rivals=rivals,
            tell=tell,
            verbose=plan.verbose,
        )
    restore()
    if rivals and checkpoint and first:
        # It has had the gradients of the model as it is now, whatever it was trained on before.
        for path in keep_rivals(objective.attack, models.weights_sha256(victim.model), played=run.steps):
            tell(f"saved {path}: the generator that learned in turns with the model")
    recipe = {**schedule.noted(), "objective": objective.to_dict(), "data": found.name}
    if lesson.balance is not None:
        recipe["class_weight"] = lesson.balance
    recipe |= {"precision": computed, "defences": shields, "validation": lesson.validation}
    recipe |= {name: value for name, value in plan.noted(always=False).items() if name not in recipe}
    remember(hardened, [*trained_on(model), note(found)])
    return hardened, dataclasses.replace(run, recipe=recipe)


@dataclasses.dataclass(frozen=True)
class _Lesson:
    """What a run learns from, and what tells it from others.

    Attributes:
        examples: What to train on.
        held_out: What to validate on.
        balance: How much each class counts; None for alike.
        identity: Hashes of model and data, and what else is known before the run.
    """

    examples: Examples
    held_out: Examples | None
    balance: list[float] | None
    identity: dict[str, Any]

    @property
    def validation(self) -> int:
        return len(self.held_out) if self.held_out else 0


def _lesson(found: Data, before: keras.Model, victim: Classifier, plan: TrainSettings) -> _Lesson:
    """The training part of the data, its weights and its held-out part.

    Raises:
        DataError: No training images, or such as do not fit.
    """
    if found.train is None:
        raise DataError(f"Expected training images in {found.name}; got test images only.")
    found.train.check()
    identity: dict[str, Any] = {}
    if plan.checkpoint is not None or backend.process()[1] > 1:
        identity = {"model": models.weights_sha256(before), "data": found.train.sha256()}
        check_agreement(**identity)
        identity["defences"] = [str(each) for each in models.defences_of(victim.model)]
    examples, held_out = hold_out(found.train, plan.validation, plan.seed)
    if examples.weights is not None:
        identity["sample_weight"] = hashlib.sha256(examples.weights.tobytes()).hexdigest()
    if plan.class_weight is None:
        return _Lesson(examples, held_out, None, identity)
    balance = class_weights(plan.class_weight, examples.labels, victim.num_classes)
    weighted = examples.weighted(np.asarray(balance)[examples.labels])
    return _Lesson(weighted, held_out, balance, {**identity, "class_weight": balance})


def _noted(plan: TrainSettings) -> dict[str, Any]:
    """The settings that tell a run from another, but for those of its schedule."""
    schedule = {field.name for field in dataclasses.fields(Schedule)}
    return {name: value for name, value in plan.noted().items() if name not in schedule}


def _opening(
    plan: TrainSettings,
    lesson: _Lesson,
    objective: Objective,
    victim: Classifier,
    known: Classifier,
    shields: Sequence[str],
) -> list[str]:
    """What is told when training starts, a line each."""
    why = why_eps(victim, plan.norm, plan.eps)
    lines = [
        f"data: {lesson.examples.describe()}; {lesson.validation:,} held out for validation",
        f"threat: {describe_ball(objective.ball, victim.input_shape, why)}; attack {objective.attack}",
        *misfits(known, lesson.examples, objective.ball),
    ]
    if shields:
        lines.append(f"defences: {', '.join(shields)}")
    if plan.resume and not (plan.checkpoint and Path(plan.checkpoint).exists()):
        lines.insert(0, f"nothing to continue at {plan.checkpoint}: starting anew")
    return lines


def _own(model: keras.Model, tell: Callable[[str], None]) -> keras.Model:
    """A model to train that leaves the given one as it is, or that one itself where Keras cannot make another."""
    try:
        return models.copy(model)
    except models.NoTwinError as error:
        tell(f"{model.name} is trained in place, since it has no twin: {error}")
        return model


def _silent(line: str) -> None:
    """Says nothing: another process does."""


class _Opening(keras.callbacks.Callback):
    """Tells what a run works on once nothing more can be refused."""

    def __init__(self, tell: Callable[[str], None], lines: Sequence[str]):
        super().__init__()
        self.tell = tell
        self.lines = list(lines)

    def on_train_begin(self, logs: Any = None) -> None:
        while self.lines:
            self.tell(self.lines.pop(0))


def _objective(plan: TrainSettings, attack: Attack, ball: Ball, steps: int) -> Objective:
    if isinstance(plan.objective, Objective):
        return plan.objective
    check_without_ball(attack)
    return objectives.build(plan.objective, {"warmup_steps": round(plan.warmup * steps)}, attack=attack, ball=ball)
