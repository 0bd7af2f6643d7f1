"""One hardening run, from a classifier to its best robust weights, that survives being killed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import ModelError, SettingError
from turtlenet.models.classifier import check_numbers
from turtlenet.ranges import count
from turtlenet.settings.train import ScheduleSettings
from turtlenet.training.co_training import Turns
from turtlenet.training.data.augmentation import Augmentation
from turtlenet.training.data.stream import Extra, Stream, own_share
from turtlenet.training.objective.base import Objective
from turtlenet.training.run.batch_statistics import recalibrate
from turtlenet.training.run.callbacks import (
    DIVERGED,
    RANKED,
    BestRobust,
    CollapseWatch,
    Diverged,
    Judged,
    Stages,
    halved,
)
from turtlenet.training.run.checkpoint import reseed
from turtlenet.training.run.cost import cost_of
from turtlenet.training.run.curves import Curves, thinned
from turtlenet.training.run.micro_batches import check_shares, fit_in_micro_batches
from turtlenet.training.run.resume import ResumableRun
from turtlenet.training.trainer import Trainer
from turtlenet.training.wrappers import Plan, Wrapper, make_wrappers

__all__ = ["Run", "Schedule", "harden"]


@dataclass(frozen=True, kw_only=True)
class Schedule(ScheduleSettings):
    """How long and how fast to train: see the fields of `turtlenet.settings.train.ScheduleSettings`."""

    epochs: int = count(20, low=1, help="Passes over the training data.", identity="always")
    batch_size: int = count(128, low=1, help="Examples in a batch.", identity="always")

    def steps(self, examples: int, extra: Extra | None = None, replays: int = 1) -> tuple[int, int]:
        """Steps of an epoch, and of the whole run, for a number of training examples beside the extra ones.

        >>> Schedule(epochs=3, batch_size=32).steps(1000)
        (31, 93)

        Args:
            examples: How many there are.
            extra: What else is mixed in.
            replays: How often a batch is descended on; an epoch has as many descents for any number.
        """
        each = self.steps_per_epoch or max(1, examples // own_share(self.batch_size, extra))
        each = max(1, each // replays)
        return each, each * self.epochs

    def make(self, steps: int, own: Any) -> Any:
        """The Keras optimizer for a run of so many steps; `own` is the model's."""
        if self.optimizer == "compiled":
            if own is None:
                raise SettingError("Expected a compiled model for optimizer=compiled; got one without an optimizer.")
            if self.clip_norm:
                raise SettingError(f"Expected no clip_norm for optimizer=compiled; got {self.clip_norm}.")
            return own
        clip = self.clip_norm or None
        ramp = max(1, steps // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            self.learning_rate / ramp, max(1, steps - ramp), warmup_target=self.learning_rate, warmup_steps=ramp
        )
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, global_clipnorm=clip)
        return {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[self.optimizer](
            rate, global_clipnorm=clip
        )


@dataclass(frozen=True)
class Run:
    """What a hardening run did.

    Attributes:
        steps: Optimizer steps.
        best_epoch: The epoch whose weights were kept, counted from 1; None without validation.
        validation: Clean and robust accuracy of those weights on the validation images, and the certified one where
            the objective gives bounds.
        findings: One line for each collapse that was noticed, and one where the weights were updated too few times.
        recipe: Schedule, objective, attack and seed, as plain data, for the file that the model is saved in.
        history: What was measured after each epoch; see `turtlenet.training.run.curves.Curves`. Of an epoch within
            which a run was continued, the numbers of training are those of what was left of it.
    """

    steps: int
    best_epoch: int | None = None
    validation: dict[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = field(default=(), compare=False)

    @property
    def told(self) -> dict[str, Any]:
        """Steps, best epoch and curves as plain data, for the file that the model is saved in."""
        return {"steps": self.steps, "best_epoch": self.best_epoch, "history": thinned(self.history)}


def harden(
    classifier: Classifier,
    examples: Examples,
    objective: Objective,
    schedule: Schedule,
    *,
    validation: Examples | None = None,
    validation_attack: Attack | None = None,
    sources: Sequence[Classifier] = (),
    own_optimizer: Any = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    seconds: float = 60.0,
    identity: dict[str, Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    accumulate: int | None = 1,
    begin_with: int = 1,
    rivals: Sequence[Turns] = (),
    wrappers: Sequence[str | Wrapper] = (),
    on_collapse: str = "tell",
    augment: Sequence[Augmentation] = (),
    extra: Extra | None = None,
    tell: Callable[[str], None] = print,
    verbose: bool = False,
) -> Run:
    """Trains a classifier's weights in place and leaves it with the best of them.

    Args:
        classifier: What to harden.
        examples: What to train on.
        objective: What to minimize.
        schedule: How long and how fast.
        validation: Held-out examples; after each epoch clean and robust accuracy are measured on them.
        validation_attack: The attack of validation.
        sources: Fixed classifiers to craft on.
        own_optimizer: The model's own, for `optimizer="compiled"`.
        checkpoint: Where the run's state lies; None saves none.
        resume: Whether to continue from there.
        seconds: Least time between two saves of that state within an epoch.
        identity: What tells this run from another, besides the settings given here (hashes of data and model).
        callbacks: Further Keras callbacks.
        accumulate: Parts that a batch is worked on in; see `Trainer`. None for as few as fit into memory.
        begin_with: Parts that are tried first where `accumulate` is None.
        rivals: Networks that learn to attack the model meanwhile; they are trained in place.
        wrappers: What is put around the objective, as specs or as they are; see `turtlenet.training.wrappers`.
        on_collapse: What to do about catastrophic overfitting: `tell`, `stop` or `recover`; see `CollapseWatch`.
        augment: Changes of each training batch before it is attacked.
        extra: Further examples, of which each training batch holds a share; an epoch is a pass over the others.
        tell: Is given findings, a line each.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.

    Raises:
        SettingError: The state to continue from belongs to a run with other settings.
        ModelError: A model without weights to train, or one whose weights training made NaN.
        OutputError: The state cannot be read or written.
    """
    _check_trainable(classifier.model)
    stream = Stream(examples, schedule.batch_size, schedule.seed, extra=extra)
    micro_batches = accumulate or begin_with
    check_shares(stream.batch_size, micro_batches)
    _check_rivals(rivals)
    steps, total = schedule.steps(len(examples), extra, objective.replays)
    around = make_wrappers(wrappers)
    plan = Plan(steps=total, epoch=steps, validated=validation is not None)
    who = {**(identity or {}), **_identity(schedule, objective, around, augment, extra)}
    notes: dict[str, Any] = {"identity": who}
    watch = CollapseWatch(tell, notes, on_collapse)
    if on_collapse != "tell":
        who["on_collapse"] = on_collapse
        _check_collapse(on_collapse, objective, validation)
    reseed(classifier.model, schedule.seed)
    trainer = Trainer(
        classifier,
        objective,
        seed=schedule.seed,
        sources=sources,
        validation_attack=validation_attack,
        accumulate=micro_batches,
        rivals=rivals,
        by_weight=False,
        batch_size=stream.batch_size,
        wrappers=around,
        plan=plan,
        augment=augment,
    )
    _compile(trainer, schedule.make(total * objective.replays, own_optimizer))
    judged = _judged(trainer, stream)
    run = ResumableRun(trainer, BestRobust(notes, judged), notes, steps, schedule.epochs, checkpoint, seconds, watch)
    if resume:
        run.take_up(tell)
    if notes.get("halvings"):
        trainer.objective = halved(objective, notes["halvings"])
    each = cost_of(objective, classifier.num_classes, (steps, total), stream.batch_size).gradients
    how: dict[str, Any] = {"automatic": accumulate is None, "verbose": verbose, "gradients": each}
    watchers = partial(_watchers, run, objective, judged, watch, tell)
    done = fit_in_micro_batches(run, stream, validation, watchers, callbacks, **how)
    _leave_best(run, judged)
    return _outcome(done, notes)


def _check_trainable(model: keras.Model) -> None:
    if not model.trainable_variables:
        raise ModelError(
            f"Expected weights to train; all {model.count_params():,} of the model are frozen (trainable=False)."
        )


def _check_rivals(rivals: Sequence[Turns]) -> None:
    if rivals and backend.shares() > 1:
        raise SettingError(f"Expected one device to train a generator in turns; got {backend.shares()}.")


def _compile(trainer: Trainer, optimizer: Any) -> None:
    """Compiles a trainer, whose optimizer then has its variables."""
    trainer.compile(optimizer=optimizer, jit_compile=backend.uses_xla())
    if not trainer.optimizer.built:
        trainer.optimizer.build(trainer.network.trainable_variables)


def _judged(trainer: Trainer, stream: Stream) -> Judged:
    """The weights that are validated, with statistics of batches of their own where a wrapper asks for them."""
    batches = max([0, *(wrapper.recalibration for wrapper in trainer.wrappers)])
    return Judged(trainer, lambda: recalibrate(trainer, stream, batches))


def _watchers(
    run: ResumableRun, objective: Objective, judged: Judged, watch: CollapseWatch, tell: Callable[[str], None]
) -> list[keras.callbacks.Callback]:
    """The callbacks of a fit, in their order; each fit has its own.

    Args:
        run: The run, as far as it is known.
        objective: What the run began with; a collapse may have changed the trainer's.
        judged: Puts the weights in place that are validated.
        watch: Notices a collapse.
        tell: Is given findings, a line each.
    """
    trainer: Any = run.trainer
    firsts = [first for wrapper in trainer.wrappers for first in wrapper.stages(objective, trainer.plan)]
    own = [*([judged] if trainer.judged() else []), run.best, watch, Curves(run.notes)]
    own += [Stages(trainer, firsts, run.done), Diverged(tell, run.notes)]
    return [*own, *(each for wrapper in trainer.wrappers for each in wrapper.callbacks(run.notes, trainer.plan))]


def _leave_best(run: ResumableRun, judged: Judged) -> None:
    """Puts the best weights into the model, those of the end where nothing was validated.

    Raises:
        ModelError: Training made them NaN.
    """
    model = run.trainer.network
    if run.best.weights is None:
        judged.place()
    run.best.restore(model)
    check_numbers(model, DIVERGED)


def _outcome(steps: int, notes: dict[str, Any]) -> Run:
    """What a run did, out of its notes."""
    ranks = notes.get("best", ())
    kept = dict(zip(RANKED[-len(ranks) :], ranks, strict=True)) if ranks else {}
    findings = tuple(notes.get("findings", {}).values())
    return Run(steps, notes.get("best_epoch"), kept, findings, history=tuple(notes.get("history", ())))


def _identity(
    schedule: Schedule,
    objective: Objective,
    wrappers: Sequence[Wrapper],
    augment: Sequence[Augmentation],
    extra: Extra | None,
) -> dict[str, Any]:
    """What tells a run with these settings from another."""
    who = {**schedule.noted(), "objective": objective.to_dict()}
    who |= {"wrappers": [wrapper.to_dict() for wrapper in wrappers]} if wrappers else {}
    who |= {"augment": [str(part) for part in augment]} if augment else {}
    who |= {"extra_share": extra.share, "extra_count": len(extra.examples)} if extra else {}
    return who


def _check_collapse(on_collapse: str, objective: Objective, validation: Examples | None) -> None:
    if validation is None:
        raise SettingError(f"Expected validation data for on_collapse={on_collapse}; got none.")
    if on_collapse == "recover":
        halved(objective)
