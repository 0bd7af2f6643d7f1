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
from turtlenet.data.prepare import DataType, hold_out, load_data, load_extra
from turtlenet.errors import DataError, SettingError
from turtlenet.gan.co_training import keep_rivals, rivals_in, with_generators
from turtlenet.models.as_classifier import ModelType, in_memory, source_for
from turtlenet.models.usage import usage_of
from turtlenet.settings.base import takes
from turtlenet.settings.train import TrainSettings
from turtlenet.training import Objective, Run, Schedule, class_weights, harden, objectives
from turtlenet.training.data import augmentation as augmentation_family
from turtlenet.training.data.stream import Extra, Stream
from turtlenet.training.objective.attack_pool import check_without_ball, drawn_from
from turtlenet.training.run import recipes
from turtlenet.training.run.cost import Clock, Cost, cost_of
from turtlenet.training.run.time_limit import fit_into, kept_choice, parsed_time
from turtlenet.training.wrappers import make_wrappers

_EPOCHS = 20
_EXTRA_SHARE = 0.7
_VALIDATION = "pgd:steps=20,early_stop=true"
"""The attack of validation where none is given, as `Trainer` has it."""


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
    schedule = plan.only(Schedule, batch_size=plan.batch_size or 128, epochs=plan.epochs or _EPOCHS)
    seconds = None if plan.time is None else parsed_time(plan.time)
    models.check_precision(plan.precision)
    bounds, head = plan.bounds, plan.head
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    before = in_memory(model)
    hardened = models.wrap(_own(before, plan.tell), plan.defences, bounds)
    if plan.out is not None:
        models.check_writable(plan.out, hardened)
    restore = models.compute_in(hardened, plan.precision)
    usage = usage_of(plan, model)
    victim = models.classifier(hardened, bounds=bounds, head=head, usage=usage)
    wrappers = make_wrappers(plan.wrappers)
    augment = augmentation_family.build(plan.augment, victim.input_shape)
    for change in augment:
        change.check(victim.input_shape, victim.bounds)
    computed, shields = victim.precision, [str(each) for each in models.defences_of(hardened)]
    # What is in front of the model is new to it: the model as it came says whether the data are its own.
    known = models.classifier(before, bounds=victim.bounds, head=head, usage=usage) if plan.defences else victim
    found = load_data(data, victim, judge=known, weighted=True)
    lesson = _lesson(found, before, victim, plan)
    first = backend.process()[0] == 0
    tell = aside(plan.tell) if first else _silent
    ball = ball_for(victim, plan.norm, plan.eps)
    attack = drawn_from(plan.attack, plan.attack_weights, plan.attack_drawn)
    attack.check_task(victim)
    checkpoint = Path(plan.checkpoint) if plan.checkpoint else None
    with tempfile.TemporaryDirectory() as nowhere:
        files: dict[str, Any] = {"checkpoint": checkpoint, "resume": plan.resume, "nowhere": Path(nowhere)}
        attack = with_generators(attack, hardened, victim, found, ball, head=head, seed=plan.seed, tell=tell, **files)
        objective = _objective(plan, attack, ball, lesson.steps(schedule)[1], victim)
        # An objective that was given whole has a generator of its own, which is left as it is.
        whole = isinstance(plan.objective, Objective)
        rivals = [] if whole else rivals_in(attack, ball, plan.generator_moves, plan.seed)
        checked = attack_family.build(plan.validation_attack) if plan.validation_attack else None
        crafted_on = [source_for(source, victim, plan.precision) for source in plan.sources]
        own_optimizer = getattr(hardened, "optimizer", None)

        def cost(objective: Objective) -> Cost:
            watched = (checked or attack_family.build(_VALIDATION)) if lesson.validation else None
            sizes = (lesson.steps(schedule, objective.replays), schedule.batch_size, lesson.validation)
            return cost_of(objective, victim.num_classes, *sizes, watched)

        chosen = {}
        if seconds is not None:
            choice = kept_choice(checkpoint) if plan.resume and checkpoint else None
            choice = choice or fit_into(
                seconds,
                victim,
                objective,
                schedule,
                Stream(lesson.examples, schedule.batch_size, plan.seed, extra=lesson.extra),
                cost,
                most=plan.epochs,
                own_optimizer=own_optimizer,
                sources=crafted_on,
                accumulate=plan.accumulate,
                rivals=rivals,
                augment=augment,
            )
            chosen = {"time": {"seconds": seconds, **dataclasses.asdict(choice)}}
            schedule = dataclasses.replace(schedule, epochs=choice.epochs)
            objective = dataclasses.replace(objective, attack=choice.attack(objective.attack))
            if not whole:
                objective = dataclasses.replace(objective, warmup_steps=_warmup(plan, lesson.steps(schedule)[1]))
        expected = cost(objective)
        opening = _opening(plan, lesson, objective, victim, known, shields)
        opening += [f"around the objective: {', '.join(map(str, wrappers))}"] if wrappers else []
        opening += [f"augment: {', '.join(map(str, augment))}"] if augment else []
        words = f"; chosen for {plan.time}: {schedule.epochs} epochs, {objective.attack}" if plan.time else ""
        opening.append(f"cost: {expected}{words}")
        run = harden(
            victim,
            lesson.examples,
            objective,
            schedule,
            validation=lesson.held_out,
            validation_attack=checked,
            sources=crafted_on,
            own_optimizer=own_optimizer,
            checkpoint=checkpoint,
            resume=plan.resume,
            identity={**lesson.identity, "validation": lesson.validation, **_noted(plan), **chosen},
            callbacks=[_Opening(tell, opening), Clock(expected, tell), *plan.callbacks],
            accumulate=None if plan.batch_size is None else plan.accumulate,
            rivals=rivals,
            wrappers=wrappers,
            on_collapse=plan.on_collapse,
            augment=augment,
            extra=lesson.extra,
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
    recipe |= {"wrappers": [wrapper.to_dict() for wrapper in wrappers]} if wrappers else {}
    recipe |= {"augment": [str(each) for each in augment]} if augment else {}
    recipe |= {"extra": lesson.facts} if lesson.extra else {}
    recipe |= {"time": plan.time} if plan.time else {}
    recipe |= {"precision": computed, "defences": shields, "validation": lesson.validation}
    recipe |= {name: value for name, value in plan.noted(always=False).items() if name not in recipe}
    learned = [found] if lesson.extra is None else [found, Data(lesson.facts["name"], train=lesson.extra.examples)]
    remember(hardened, [*trained_on(model), *map(note, learned)])
    return hardened, dataclasses.replace(run, recipe=recipe)


@dataclasses.dataclass(frozen=True)
class _Lesson:
    """What a run learns from, and what tells it from others.

    Attributes:
        examples: What to train on.
        held_out: What to validate on.
        balance: How much each class counts; None for alike.
        identity: Hashes of model and data, and what else is known before the run.
        extra: Further examples and their share; None for none.
        facts: What the model's file says of those: name, count, hash and share.
    """

    examples: Examples
    held_out: Examples | None
    balance: list[float] | None
    identity: dict[str, Any]
    extra: Extra | None = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def steps(self, schedule: Schedule, replays: int = 1) -> tuple[int, int]:
        """Steps of an epoch, and of the whole run; see `Schedule.steps`."""
        return schedule.steps(len(self.examples), self.extra, replays)

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
    balance = None
    if plan.class_weight is not None:
        if victim.question is not None and not victim.question.single_label:
            raise SettingError(f"Expected no class_weight for {victim.question.describe()}; got one.")
        balance = class_weights(plan.class_weight, examples.classes, victim.num_classes)
        examples = examples.weighted(np.asarray(balance)[examples.classes])
        identity["class_weight"] = balance
    lesson = _Lesson(examples, held_out, balance, identity)
    return _with_extra(lesson, victim, plan)


def _with_extra(lesson: _Lesson, victim: Classifier, plan: TrainSettings) -> _Lesson:
    """The same with extra examples, weighted as their classes are, if there are any.

    Raises:
        DataError: Such as do not fit.
        SettingError: A share of none, or one that does not fit a batch.
    """
    if plan.extra is None:
        if plan.extra_share is not None:
            raise SettingError(f"Expected extra data for extra_share={plan.extra_share}; got none: pass --extra.")
        return lesson
    examples = load_extra(plan.extra, victim)
    if lesson.balance is not None:
        examples = examples.weighted(np.asarray(lesson.balance)[examples.classes])
    extra = Extra(examples, plan.extra_share or _EXTRA_SHARE)
    sha256 = examples.sha256()
    facts = {"name": examples.name, "count": len(examples), "sha256": sha256, "share": extra.share}
    if "model" in lesson.identity:
        check_agreement(lesson.identity["model"], sha256)
    # What does not fit is said before anything long starts.
    Stream(lesson.examples, plan.batch_size or 128, plan.seed, extra=extra)
    identity = {**lesson.identity, "extra": sha256}
    return dataclasses.replace(lesson, identity=identity, extra=extra, facts=facts)


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
    if victim.question is not None and victim.question.besides:
        lines.append(
            f"! Training learns output {victim.question.output} alone: what it shares with "
            f"{', '.join(victim.question.besides)} changes -> Look at those outputs afterwards."
        )
    if shields:
        lines.append(f"defences: {', '.join(shields)}")
    if lesson.extra is not None:
        lines.append(f"extra: {lesson.extra.examples.describe()}; {lesson.extra.share:g} of each batch")
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


def _objective(plan: TrainSettings, attack: Attack, ball: Ball, steps: int, victim: Classifier) -> Objective:
    if isinstance(plan.objective, Objective):
        return plan.objective
    check_without_ball(attack)
    usual: dict[str, Any] = {"warmup_steps": _warmup(plan, steps)}
    if victim.question is not None:
        usual["minimize"] = victim.question.task.minimize[0]
    return objectives.build(plan.objective, usual, attack=attack, ball=ball)


def _warmup(plan: TrainSettings, steps: int) -> int:
    """Steps in which the radius grows, of so many."""
    return round(plan.warmup * steps)
