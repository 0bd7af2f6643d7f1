"""Hardening runs from what a user gives: a model, data, and the settings of an objective."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack
from turtlenet.attacks.features.memory import remember_features
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.balls import Ball
from turtlenet.bars import aside
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import note, remember, trained_on
from turtlenet.data.prepare import DataType, load_data, normalized_for
from turtlenet.data.tables import is_tabular, reading_of
from turtlenet.errors import ModelError, SettingError
from turtlenet.gan.co_training import keep_rivals, rivals_in, with_generators
from turtlenet.memory import batch_text, parts_for
from turtlenet.models.as_classifier import ModelType, in_memory, name_of, source_for
from turtlenet.models.usage import usage_of
from turtlenet.settings import recipes
from turtlenet.settings.base import takes
from turtlenet.settings.train import TrainSettings
from turtlenet.tracking import Logs, opened
from turtlenet.training import (
    Augmentation,
    Objective,
    Run,
    Schedule,
    Wrapper,
    harden,
    objectives,
)
from turtlenet.training.co_training import Turns
from turtlenet.training.data import augmentation as augmentation_family
from turtlenet.training.data.feature_data import check_for_features, with_features
from turtlenet.training.data.stream import Stream
from turtlenet.training.objective.attack_pool import check_without_ball, drawn_from
from turtlenet.training.run.cost import Clock, Cost, cost_of
from turtlenet.training.run.lesson import Lesson, lesson_of
from turtlenet.training.run.logged import LogCurves
from turtlenet.training.run.time_limit import fit_into, kept_choice, parsed_time
from turtlenet.training.surrogates.sources import source_states, trained_sources
from turtlenet.training.wrappers import make_wrappers

_EPOCHS = 20
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
        **settings: See `turtlenet.settings.train.TrainSettings`.

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
        **settings: See `turtlenet.settings.train.TrainSettings`.

    Returns:
        The hardened model, and the run.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    plan = TrainSettings(**recipes.with_recipe(settings))
    places = plan.log if backend.process()[0] == 0 else ()
    with opened(places, f"train {name_of(model)}", plan.tell) as logs:
        hardened, run = _hardened(model, data, plan, logs)
        if logs and logs not in plan.log:
            _log_model(logs, hardened, run)
    return hardened, run


def _hardened(model: ModelType, data: DataType | None, plan: TrainSettings, logs: Logs) -> tuple[keras.Model, Run]:
    schedule = plan.only(Schedule, batch_size=plan.batch_size or 128, epochs=plan.epochs or _EPOCHS)
    seconds = None if plan.time is None else parsed_time(plan.time)
    setup = _set_up(model, data, plan)
    victim, lesson = setup.victim, setup.lesson
    first = backend.process()[0] == 0
    tell = aside(plan.tell) if first else _silent
    ball = setup.ball
    attack = drawn_from(plan.attack, plan.attack_weights, plan.attack_drawn)
    check_for_features([attack], ball)
    attack.check_task(victim)
    notes = setup.notes()
    parts = setup.parts(schedule, notes)
    checkpoint = Path(plan.checkpoint) if plan.checkpoint else None
    with tempfile.TemporaryDirectory() as nowhere:
        files: dict[str, Any] = {"checkpoint": checkpoint, "resume": plan.resume, "nowhere": Path(nowhere)}
        how: dict[str, Any] = {"head": setup.head, "seed": plan.seed, "tell": tell}
        attack = with_generators(attack, setup.hardened, victim, setup.data, ball, **how, **files)
        objective = _objective(plan, attack, ball, lesson.steps(schedule)[1], victim)
        if not isinstance(plan.objective, Objective):
            # An objective that was given whole has a generator of its own, which is left as it is.
            setup.rivals = rivals_in(attack, ball, plan.generator_moves, plan.seed)
        setup.validation_attack = attack_family.build(plan.validation_attack) if plan.validation_attack else None
        setup.sources = setup.sources_for(objective, schedule, parts, checkpoint, tell)
        schedule, objective, chosen = setup.in_time(seconds, objective, schedule, parts)
        expected = setup.cost(schedule, objective)
        logs.parameters(setup.recipe(schedule, objective))
        told = [_Opening(tell, setup.opening(schedule, objective, expected, notes)), Clock(expected, tell)]
        run = harden(
            victim,
            lesson.examples,
            objective,
            schedule,
            validation=lesson.held_out,
            validation_attack=setup.validation_attack,
            sources=setup.sources,
            own_optimizer=getattr(setup.hardened, "optimizer", None),
            checkpoint=checkpoint,
            resume=plan.resume,
            identity={**lesson.identity, "validation": lesson.validation, **_noted(plan), **chosen},
            callbacks=[*told, *([LogCurves(logs, expected.steps)] if logs else []), *plan.callbacks],
            accumulate=None if plan.batch_size is None else parts,
            begin_with=parts,
            rivals=setup.rivals,
            wrappers=setup.wrappers,
            on_collapse=plan.on_collapse,
            augment=setup.augment,
            extra=lesson.extra,
            tell=tell,
            verbose=plan.verbose,
        )
    setup.restore()
    for state in source_states(checkpoint, objective) if first and not plan.sources else ():
        state.unlink(missing_ok=True)
    if setup.rivals and checkpoint and first:
        # It has had the gradients of the model as it is now, whatever it was trained on before.
        for path in keep_rivals(objective.attack, models.weights_sha256(victim.model), played=run.steps):
            tell(f"saved {path}: the generator that learned in turns with the model")
    learned = [setup.data]
    learned += [] if lesson.extra is None else [Data(lesson.facts["name"], train=lesson.extra.examples)]
    remember(setup.hardened, [*trained_on(model), *map(note, learned)])
    remember_features(setup.hardened, None if setup.threat is None else setup.threat.to_dict())
    logs.numbers({f"best_{name}": value for name, value in run.validation.items()}, run.steps)
    return setup.hardened, dataclasses.replace(run, recipe=setup.recipe(schedule, objective))


def _log_model(logs: Logs, hardened: keras.Model, run: Run) -> None:
    """Logs a model that no file holds yet, with how it was trained."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hardened.h5"
        models.save(hardened, path, {"recipe": run.recipe})
        logs.file(path, "model")


@dataclasses.dataclass
class _Setup:
    """What a run works with, from what the user gave.

    Attributes:
        hardened: The model to train, behind its defences.
        restore: Has it compute again as the model that came.
        victim: The same, as attackers see it.
        known: The model as it came, to tell whether the data are its own.
        computed: What the layers compute in.
        shields: The defences, as specs.
        validation_attack: The attack of validation; None for the usual one.
        threat: What an attack may do to each feature; None where all may do the same.
    """

    plan: TrainSettings
    hardened: keras.Model
    restore: Callable[[], None]
    victim: Classifier
    known: Classifier
    head: str
    wrappers: Sequence[Wrapper]
    augment: Sequence[Augmentation]
    data: Data
    lesson: Lesson
    computed: str
    shields: Sequence[str]
    rivals: Sequence[Turns] = ()
    validation_attack: Attack | None = None
    sources: Sequence[Classifier] = ()
    threat: FeatureThreat | None = None

    @property
    def ball(self) -> Ball:
        """Where the training examples may be moved."""
        return ball_for(self.victim, self.plan.norm, self.plan.eps) if self.threat is None else self.threat.ball

    def notes(self) -> list[str]:
        """What is worth telling of bounds and rules, a line each; data that break them are refused."""
        parts = [part for part in (self.lesson.examples, self.lesson.held_out) if part and self.threat]
        return [line for part in parts for line in self.threat.check(part)]  # type: ignore[union-attr]

    def at_once(self, schedule: Schedule) -> int:
        """Examples of a batch: no more than there are."""
        return min(schedule.batch_size, len(self.lesson.examples))

    def parts(self, schedule: Schedule, notes: list[str]) -> int:
        """The parts that a batch is worked on in, so that each fits into memory; a line to `notes` where it must."""
        if self.plan.accumulate > 1:
            return self.plan.accumulate
        size = self.at_once(schedule)
        parts = parts_for(self.hardened, size, backend.shares())
        if parts > 1:
            how_much = batch_text(self.hardened, size // parts)
            notes.append(f"memory: a batch of {size} in {parts} parts, one after the other: {how_much}")
        return parts

    def sources_for(
        self,
        objective: Objective,
        schedule: Schedule,
        parts: int,
        checkpoint: Path | None,
        tell: Callable[[str], None],
    ) -> list[Classifier]:
        """The fixed classifiers that were given, or those that the objective has trained where none was."""
        plan = self.plan
        if plan.sources or not objective.own_sources():
            return [source_for(source, self.victim, plan.precision) for source in plan.sources]
        if self.victim.question is not None:
            raise ModelError(f"Expected no other model to learn from for {self.victim.question.describe()}; got one.")
        if plan.time is not None:
            raise SettingError(f"Expected a model in --source for time={plan.time}; got none, and one to train first.")
        how: dict[str, Any] = {"head": self.head, "precision": plan.precision, "augment": self.augment}
        how |= {"checkpoint": checkpoint, "resume": plan.resume, "accumulate": parts, "tell": tell}
        return trained_sources(self.victim, objective, schedule, self.lesson, **how)

    def cost(self, schedule: Schedule, objective: Objective) -> Cost:
        """What a run costs."""
        watched = (self.validation_attack or attack_family.build(_VALIDATION)) if self.lesson.validation else None
        sizes = (self.lesson.steps(schedule, objective.replays), self.at_once(schedule), self.lesson.validation)
        return cost_of(objective, self.victim.num_classes, *sizes, watched, self.lesson.examples.kind.examples)

    def in_time(
        self, seconds: float | None, objective: Objective, schedule: Schedule, parts: int
    ) -> tuple[Schedule, Objective, dict[str, Any]]:
        """Epochs and steps of the attack that fit into a time; those of before, for a run that continues.

        Returns:
            Schedule, objective, and what tells the run from others by it; all as they are where no time was given.
        """
        if seconds is None:
            return schedule, objective, {}
        plan, lesson = self.plan, self.lesson
        kept = kept_choice(Path(plan.checkpoint)) if plan.resume and plan.checkpoint else None
        choice = kept or fit_into(
            seconds,
            self.victim,
            objective,
            schedule,
            Stream(lesson.examples, schedule.batch_size, plan.seed, extra=lesson.extra),
            lambda tried: self.cost(schedule, tried),
            most=plan.epochs,
            own_optimizer=getattr(self.hardened, "optimizer", None),
            sources=self.sources,
            accumulate=parts,
            rivals=self.rivals,
            augment=self.augment,
        )
        chosen = dataclasses.replace(schedule, epochs=choice.epochs)
        changed: dict[str, Any] = {"attack": choice.attack(objective.attack)}
        if not isinstance(plan.objective, Objective):
            changed["warmup_steps"] = _warmup(plan, lesson.steps(chosen)[1])
        objective = dataclasses.replace(objective, **changed)
        return chosen, objective, {"time": {"seconds": seconds, **dataclasses.asdict(choice)}}

    def opening(self, schedule: Schedule, objective: Objective, expected: Cost, notes: Sequence[str]) -> list[str]:
        """What is told when training starts, a line each."""
        plan, lesson, victim = self.plan, self.lesson, self.victim
        why = why_eps(victim, plan.norm, plan.eps) if self.threat is None else self.threat.describe()
        lines = [
            f"data: {lesson.examples.describe()}; {lesson.validation:,} held out for validation",
            f"threat: {describe_ball(objective.ball, victim.input_shape, why, lesson.examples.kind)}; attack "
            f"{objective.attack}",
            *misfits(self.known, lesson.examples, objective.ball),
        ]
        if victim.question is not None and victim.question.besides:
            lines.append(
                f"! Training learns output {victim.question.output} alone: what it shares with "
                f"{', '.join(victim.question.besides)} changes -> Look at those outputs afterwards."
            )
        if self.shields:
            lines.append(f"defences: {', '.join(self.shields)}")
        if lesson.extra is not None:
            lines.append(f"extra: {lesson.extra.examples.describe()}; {lesson.extra.share:g} of each batch")
        if plan.resume and not (plan.checkpoint and Path(plan.checkpoint).exists()):
            lines.insert(0, f"nothing to continue at {plan.checkpoint}: starting anew")
        lines += notes
        lines += [f"around the objective: {', '.join(map(str, self.wrappers))}"] if self.wrappers else []
        lines += [f"augment: {', '.join(map(str, self.augment))}"] if self.augment else []
        words = f"; chosen for {plan.time}: {schedule.epochs} epochs, {objective.attack}" if plan.time else ""
        return [*lines, f"cost: {expected}{words}"]

    def recipe(self, schedule: Schedule, objective: Objective) -> dict[str, Any]:
        """How the model was trained, as plain data, for its file."""
        plan, lesson = self.plan, self.lesson
        recipe = {**schedule.noted(), "objective": objective.to_dict(), "data": self.data.name}
        if lesson.balance is not None:
            recipe["class_weight"] = lesson.balance
        recipe |= {"wrappers": [wrapper.to_dict() for wrapper in self.wrappers]} if self.wrappers else {}
        recipe |= {"augment": [str(each) for each in self.augment]} if self.augment else {}
        recipe |= {"extra": lesson.facts} if lesson.extra else {}
        recipe |= {"time": plan.time} if plan.time else {}
        recipe |= {"precision": self.computed, "defences": self.shields, "validation": lesson.validation}
        return recipe | {name: value for name, value in plan.noted(always=False).items() if name not in recipe}


def _set_up(model: ModelType, data: DataType | None, plan: TrainSettings) -> _Setup:
    """The model to train and what it learns from.

    Raises:
        TurtlenetError: What does not fit.
    """
    models.check_precision(plan.precision)
    said = Said.by_user(
        bounds=plan.bounds,
        eps=plan.eps,
        movable=plan.movable,
        constraints=plan.constraints,
        features=plan.features,
    )
    bounds, head = said.outer, plan.head
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    how = reading_of(plan, trained_on(model))
    usage = usage_of(plan, model)
    where: dict[str, Any] = {"bounds": bounds, "head": head, "how": how, "usage": usage}
    before, data = normalized_for(in_memory(model), plan.normalize, data, **where)
    own = _own(before, plan.tell)
    hardened = models.wrap(own, plan.defences, bounds)
    if plan.out is not None:
        models.check_writable(plan.out, hardened)
    restore = models.compute_in(hardened, plan.precision)
    victim = models.classifier(hardened, bounds=bounds, head=head, usage=usage)
    wrappers = make_wrappers(plan.wrappers)
    augment = augmentation_family.build(plan.augment, victim.input_shape)
    for change in augment:
        change.check(victim.input_shape, victim.bounds)
    # What is in front of the model is new to it: the model as it came says whether the data are its own.
    known = models.classifier(before, bounds=victim.bounds, head=head, usage=usage) if plan.defences else None
    within = victim.bounds
    victim, loaded, threat = with_features(
        said,
        plan.norm,
        victim,
        lambda bounds: models.classifier(hardened, bounds=bounds, head=head, usage=usage),
        lambda victim: load_data(data, victim, judge=known or victim, weighted=True, how=how),
        training=True,
        table=is_tabular(data),
    )
    if plan.defences and victim.bounds != within:
        # The data say where inputs lie: what was put in front of the model took other bounds for them.
        restore()
        hardened = models.wrap(own, plan.defences, victim.bounds)
        restore = models.compute_in(hardened, plan.precision)
        victim = models.classifier(hardened, bounds=victim.bounds, head=head, usage=usage)
        known = models.classifier(before, bounds=victim.bounds, head=head, usage=usage)
    return _Setup(
        plan=plan,
        hardened=hardened,
        restore=restore,
        victim=victim,
        known=known or victim,
        head=head,
        wrappers=wrappers,
        augment=augment,
        data=loaded,
        lesson=lesson_of(loaded, before, victim, plan, how),
        computed=victim.precision,
        shields=[str(each) for each in models.defences_of(hardened)],
        threat=threat,
    )


def _noted(plan: TrainSettings) -> dict[str, Any]:
    """The settings that tell a run from another, but for those of its schedule."""
    schedule = {field.name for field in dataclasses.fields(Schedule)}
    return {name: value for name, value in plan.noted().items() if name not in schedule}


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
