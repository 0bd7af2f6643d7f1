"""What a hardening run works with, from what a user gives."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.parts import trained_on
from turtlenet.data.prepare import DataType, load_data, normalized_for
from turtlenet.data.readers.tables import is_tabular, reading_of
from turtlenet.errors import ModelError, SettingError
from turtlenet.memory import batch_text, micro_batches_for
from turtlenet.models.as_classifier import ModelType, in_memory, source_for
from turtlenet.models.usage import usage_of
from turtlenet.settings.train import TrainSettings
from turtlenet.training import (
    Augmentation,
    Objective,
    Schedule,
    Wrapper,
)
from turtlenet.training.co_training import Turns
from turtlenet.training.data import augmentation as augmentation_family
from turtlenet.training.data.feature_data import with_features
from turtlenet.training.data.stream import Stream
from turtlenet.training.run.cost import Cost, cost_of
from turtlenet.training.run.lesson import Lesson, lesson_of
from turtlenet.training.run.time_limit import fit_into, kept_choice
from turtlenet.training.surrogates.sources import trained_sources
from turtlenet.training.wrappers import make_wrappers

_VALIDATION = "pgd:steps=20,early_stop=true"
"""The attack of validation where none is given, as `Trainer` has it."""


@dataclasses.dataclass
class TrainingSetup:
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
        rivals: Networks that learn to attack the model meanwhile.
        sources: Fixed classifiers to craft on.
    """

    options: TrainSettings
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
    validation_attack: Attack | None = None
    threat: FeatureThreat | None = None
    rivals: Sequence[Turns] = ()
    sources: Sequence[Classifier] = ()

    @property
    def checkpoint(self) -> Path | None:
        """Where the run's state lies; None where none is kept."""
        return Path(self.options.checkpoint) if self.options.checkpoint else None

    @property
    def ball(self) -> Ball:
        """Where the training examples may be moved."""
        return ball_for(self.victim, self.options.norm, self.options.eps) if self.threat is None else self.threat.ball

    def notes(self) -> list[str]:
        """What is worth telling of bounds and rules, a line each; data that break them are refused."""
        parts = [part for part in (self.lesson.examples, self.lesson.held_out) if part and self.threat]
        return [line for part in parts for line in self.threat.check(part)]  # type: ignore[union-attr]

    def at_once(self, schedule: Schedule) -> int:
        """Examples of a batch: no more than there are."""
        return min(schedule.batch_size, len(self.lesson.examples))

    def micro_batches(self, schedule: Schedule, notes: list[str]) -> int:
        """The micro-batches of a batch, so many that each fits into memory; a line to `notes` where it must."""
        if self.options.accumulate > 1:
            return self.options.accumulate
        size = self.at_once(schedule)
        micro_batches = micro_batches_for(self.hardened, size, backend.shares())
        if micro_batches > 1:
            how_much = batch_text(self.hardened, size // micro_batches)
            notes.append(f"memory: a batch of {size} in {micro_batches} parts, one after the other: {how_much}")
        return micro_batches

    def sources_for(
        self,
        objective: Objective,
        schedule: Schedule,
        micro_batches: int,
        tell: Callable[[str], None],
    ) -> list[Classifier]:
        """The fixed classifiers that were given, or those that the objective has trained where none was."""
        options = self.options
        if options.sources or not objective.own_sources():
            return [source_for(source, self.victim, options.precision) for source in options.sources]
        if self.victim.question is not None:
            raise ModelError(f"Expected no other model to learn from for {self.victim.question.describe()}; got one.")
        if options.time is not None:
            raise SettingError(
                f"Expected a model in --source for time={options.time}; got none, and one to train first."
            )
        how: dict[str, Any] = {"head": self.head, "precision": options.precision, "augment": self.augment}
        how |= {"checkpoint": self.checkpoint, "resume": options.resume, "accumulate": micro_batches, "tell": tell}
        return trained_sources(self.victim, objective, schedule, self.lesson, **how)

    def cost(self, schedule: Schedule, objective: Objective) -> Cost:
        """What a run costs."""
        watched = (self.validation_attack or attack_family.build(_VALIDATION)) if self.lesson.validation else None
        sizes = (self.lesson.steps(schedule, objective.replays), self.at_once(schedule), self.lesson.validation)
        return cost_of(objective, self.victim.num_classes, *sizes, watched, self.lesson.examples.kind.examples)

    def in_time(
        self, seconds: float | None, objective: Objective, schedule: Schedule, micro_batches: int
    ) -> tuple[Schedule, Objective, dict[str, Any]]:
        """Epochs and steps of the attack that fit into a time; those of before, for a run that continues.

        Returns:
            Schedule, objective, and what tells the run from others by it; all as they are where no time was given.
        """
        if seconds is None:
            return schedule, objective, {}
        options, lesson = self.options, self.lesson
        kept = kept_choice(self.checkpoint) if options.resume and self.checkpoint else None
        choice = kept or fit_into(
            seconds,
            self.victim,
            objective,
            schedule,
            Stream(lesson.examples, schedule.batch_size, options.seed, extra=lesson.extra),
            lambda tried: self.cost(schedule, tried),
            most=options.epochs,
            own_optimizer=getattr(self.hardened, "optimizer", None),
            sources=self.sources,
            accumulate=micro_batches,
            rivals=self.rivals,
            augment=self.augment,
        )
        chosen = dataclasses.replace(schedule, epochs=choice.epochs)
        changed: dict[str, Any] = {"attack": choice.attack(objective.attack)}
        if not isinstance(options.objective, Objective):
            changed["warmup_steps"] = warmup_steps(options, lesson.steps(chosen)[1])
        objective = dataclasses.replace(objective, **changed)
        return chosen, objective, {"time": {"seconds": seconds, **dataclasses.asdict(choice)}}

    def opening(self, schedule: Schedule, objective: Objective, expected: Cost, notes: Sequence[str]) -> list[str]:
        """What is told when training starts, a line each."""
        options, lesson, victim = self.options, self.lesson, self.victim
        why = why_eps(victim, options.norm, options.eps) if self.threat is None else self.threat.describe()
        lines = [
            f"data: {lesson.examples.describe()}; {lesson.validated}",
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
        if options.resume and not (self.checkpoint and self.checkpoint.exists()):
            lines.insert(0, f"nothing to continue at {options.checkpoint}: starting anew")
        lines += notes
        lines += [f"around the objective: {', '.join(map(str, self.wrappers))}"] if self.wrappers else []
        lines += [f"augment: {', '.join(map(str, self.augment))}"] if self.augment else []
        words = f"; chosen for {options.time}: {schedule.epochs} epochs, {objective.attack}" if options.time else ""
        return [*lines, f"cost: {expected}{words}"]

    def recipe(self, schedule: Schedule, objective: Objective) -> dict[str, Any]:
        """How the model was trained, as plain data, for its file."""
        options, lesson = self.options, self.lesson
        recipe = {**schedule.noted(), "objective": objective.to_dict(), "data": self.data.name}
        if lesson.balance is not None:
            recipe["class_weight"] = lesson.balance
        recipe |= {"wrappers": [wrapper.to_dict() for wrapper in self.wrappers]} if self.wrappers else {}
        recipe |= {"augment": [str(each) for each in self.augment]} if self.augment else {}
        recipe |= {"extra": lesson.facts} if lesson.extra else {}
        recipe |= {"time": options.time} if options.time else {}
        recipe |= {"precision": self.computed, "defences": self.shields, "validation": lesson.validation}
        return recipe | {name: value for name, value in options.noted(always=False).items() if name not in recipe}


def set_up(model: ModelType, data: DataType | None, options: TrainSettings) -> TrainingSetup:
    """The model to train and what it learns from.

    Raises:
        TurtlenetError: What does not fit.
    """
    models.check_precision(options.precision)
    said = Said.of(options)
    bounds, seen = _as_seen(model, options, said.outer)
    how = reading_of(options, trained_on(model))
    before, data = normalized_for(in_memory(model), options.normalize, data, bounds=bounds, how=how, **seen)
    own = _own(before, options.tell)
    hardened, restore, victim = _shielded(own, options, bounds, seen)
    wrappers = make_wrappers(options.wrappers)
    augment = _augmentations(options, victim)
    # What is in front of the model is new to it: the model as it came says whether the data are its own.
    known = models.classifier(before, bounds=victim.bounds, **seen) if options.defences else None
    within = victim.bounds
    victim, loaded, threat = with_features(
        said,
        options.norm,
        victim,
        lambda bounds: models.classifier(hardened, bounds=bounds, **seen),
        lambda victim: load_data(data, victim, judge=known or victim, weighted=True, how=how),
        training=True,
        table=is_tabular(data),
    )
    ends = _bounds_told(within, victim, threat)
    if options.defences and ends is not None:
        # The data say where inputs lie: what was put in front of the model took other bounds for them.
        restore()
        hardened, restore, victim = _shielded(own, options, victim.bounds, seen, ends)
        known = models.classifier(before, bounds=victim.bounds, **seen)
    return TrainingSetup(
        options=options,
        hardened=hardened,
        restore=restore,
        victim=victim,
        known=known or victim,
        head=seen["head"],
        wrappers=wrappers,
        augment=augment,
        data=loaded,
        lesson=lesson_of(loaded, before, victim, options, how),
        computed=victim.precision,
        shields=[str(each) for each in models.defences_of(hardened)],
        threat=threat,
        validation_attack=attack_family.build(options.validation_attack) if options.validation_attack else None,
    )


def _as_seen(
    model: ModelType, options: TrainSettings, bounds: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, dict[str, Any]]:
    """The bounds of an input, and `head` and `usage` of the model, as the user says, else as a `Classifier` has them.

    Args:
        model: The model, as it was given.
        options: The settings.
        bounds: The outermost that the user says; None for none.
    """
    head, usage = options.head, usage_of(options, model)
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    return bounds, {"head": head, "usage": usage}


def _augmentations(options: TrainSettings, victim: Classifier) -> Sequence[Augmentation]:
    """The changes of each training batch.

    Raises:
        SettingError, SpecError: Such that do not fit the inputs, or that there are not.
    """
    augment = augmentation_family.build(options.augment, victim.input_shape)
    for change in augment:
        change.check(victim.input_shape, victim.bounds)
    return augment


def _bounds_told(before: tuple[float, float], victim: Classifier, threat: FeatureThreat | None) -> Any:
    """The bounds that the data told, those of each feature where they differ; None where they are as before."""
    if threat is not None and any(map(np.ndim, threat.bounds)):
        return threat.bounds
    return victim.bounds if victim.bounds != before else None


def _shielded(
    own: keras.Model, options: TrainSettings, bounds: Any, seen: dict[str, Any], ends: Any = None
) -> tuple[keras.Model, Callable[[], None], Classifier]:
    """A model behind the options' defences, what undoes its precision, and the same as attackers see it.

    Args:
        own: The model.
        options: Tells the defences.
        bounds: Smallest and largest value of an input.
        seen: How else attackers see the model.
        ends: Bounds of each feature, for the defences; None for those of all.
    """
    hardened = models.wrap(own, options.defences, bounds if ends is None else ends)
    if options.out is not None:
        models.check_writable(options.out, hardened)
    restore = models.compute_in(hardened, options.precision)
    return hardened, restore, models.classifier(hardened, bounds=bounds, **seen)


def _own(model: keras.Model, tell: Callable[[str], None]) -> keras.Model:
    """A model to train that leaves the given one as it is, or that one itself where Keras cannot make another."""
    try:
        return models.copy(model)
    except models.NoTwinError as error:
        tell(f"{model.name} is trained in place, since it has no twin: {error}")
        return model


def warmup_steps(options: TrainSettings, steps: int) -> int:
    """Steps in which the radius grows, of so many."""
    return round(options.warmup * steps)
