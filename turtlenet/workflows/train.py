"""Hardening runs from what a user gives: a model, data, and the settings of an objective."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend, models
from turtlenet.attacks.features.memory import remember_features
from turtlenet.bars import aside
from turtlenet.checked import checked
from turtlenet.data import Data
from turtlenet.data.parts import note, remember, trained_on
from turtlenet.data.prepare import DataType
from turtlenet.gan.co_training import keep_rivals, rivals_in, with_generators
from turtlenet.models.as_classifier import ModelType, name_of
from turtlenet.settings import recipes
from turtlenet.settings.base import takes
from turtlenet.settings.train import TrainSettings
from turtlenet.tracking import Logs, opened
from turtlenet.training import (
    Objective,
    Run,
    Schedule,
    harden,
    objectives,
)
from turtlenet.training.data.feature_data import check_for_features
from turtlenet.training.objective.attack_pool import check_without_ball, drawn_from
from turtlenet.training.run.cost import Clock, few_updates
from turtlenet.training.run.logged import LogCurves
from turtlenet.training.run.setup import TrainingSetup, set_up, warmup_steps
from turtlenet.training.run.time_limit import parsed_time
from turtlenet.training.surrogates.sources import source_states

_EPOCHS = 20


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
    options = TrainSettings(**recipes.with_recipe(settings))
    places = options.log if _first() else ()
    with opened(places, f"train {name_of(model)}", options.tell) as logs:
        hardened, run = _hardened(model, data, options, logs)
        if logs and logs not in options.log:
            _log_model(logs, hardened, run)
    return hardened, run


def _hardened(model: ModelType, data: DataType | None, options: TrainSettings, logs: Logs) -> tuple[keras.Model, Run]:
    schedule = options.only(Schedule, batch_size=options.batch_size or 128, epochs=options.epochs or _EPOCHS)
    seconds = None if options.time is None else parsed_time(options.time)
    setup = set_up(model, data, options)
    tell = aside(options.tell) if _first() else _silent
    notes = setup.notes()
    micro_batches = setup.micro_batches(schedule, notes)
    with tempfile.TemporaryDirectory() as nowhere:
        objective = _objective(setup, schedule, Path(nowhere), tell)
        setup.sources = setup.sources_for(objective, schedule, micro_batches, tell)
        schedule, objective, chosen = setup.in_time(seconds, objective, schedule, micro_batches)
        expected = setup.cost(schedule, objective)
        recipe = setup.recipe(schedule, objective)
        logs.parameters(recipe)
        few = few_updates(expected, objective, timed=seconds is not None, fixed=options.steps_per_epoch > 0)
        opening = [*setup.opening(schedule, objective, expected, notes), *few]
        told = [_Opening(tell, opening), Clock(expected, tell)]
        watching = [*told, *([LogCurves(logs, expected.steps)] if logs else []), *options.callbacks]
        run = _run(
            setup, objective, schedule, micro_batches=micro_batches, chosen=chosen, callbacks=watching, tell=tell
        )
    setup.restore()
    _keep_states(setup, objective, run, tell)
    learned = [setup.data]
    learned += [] if setup.lesson.extra is None else [Data(setup.lesson.facts["name"], setup.lesson.extra.examples)]
    remember(setup.hardened, [*trained_on(model), *map(note, learned)])
    remember_features(setup.hardened, None if setup.threat is None else setup.threat.to_dict())
    logs.numbers({f"best_{name}": value for name, value in run.validation.items()}, run.steps)
    return setup.hardened, dataclasses.replace(run, recipe=recipe, findings=(*few, *run.findings))


def _objective(setup: TrainingSetup, schedule: Schedule, nowhere: Path, tell: Callable[[str], None]) -> Objective:
    """What the options ask to minimize, with its attack; generators that learn in turns go to `setup.rivals`."""
    options, victim, ball = setup.options, setup.victim, setup.ball
    attack = drawn_from(options.attack, options.attack_weights, options.attack_drawn)
    check_for_features([attack], ball)
    attack.check_task(victim)
    files: dict[str, Any] = {"checkpoint": setup.checkpoint, "resume": options.resume, "nowhere": nowhere}
    how: dict[str, Any] = {"head": setup.head, "seed": options.seed, "tell": tell}
    attack = with_generators(attack, setup.hardened, victim, setup.data, ball, **how, **files)
    if isinstance(options.objective, Objective):
        # An objective that was given whole has a generator of its own, which is left as it is.
        return options.objective
    check_without_ball(attack)
    usual: dict[str, Any] = {"warmup_steps": warmup_steps(options, setup.lesson.steps(schedule)[1])}
    if victim.question is not None:
        usual["minimize"] = victim.question.task.minimize[0]
    objective = objectives.build(options.objective, usual, attack=attack, ball=ball)
    setup.rivals = rivals_in(attack, ball, options.generator_moves, options.seed)
    return objective


def _run(
    setup: TrainingSetup,
    objective: Objective,
    schedule: Schedule,
    *,
    micro_batches: int,
    chosen: dict[str, Any],
    callbacks: Sequence[keras.callbacks.Callback],
    tell: Callable[[str], None],
) -> Run:
    """Trains `setup.hardened` in place; `chosen` tells the run from others, as the options do."""
    options, lesson = setup.options, setup.lesson
    return harden(
        setup.victim,
        lesson.examples,
        objective,
        schedule,
        validation=lesson.held_out,
        validation_attack=setup.validation_attack,
        sources=setup.sources,
        own_optimizer=getattr(setup.hardened, "optimizer", None),
        checkpoint=setup.checkpoint,
        resume=options.resume,
        identity={**lesson.identity, "validation": lesson.validation, **_noted(options), **chosen},
        callbacks=callbacks,
        accumulate=None if options.batch_size is None else micro_batches,
        begin_with=micro_batches,
        rivals=setup.rivals,
        wrappers=setup.wrappers,
        on_collapse=options.on_collapse,
        augment=setup.augment,
        extra=lesson.extra,
        tell=tell,
        verbose=options.verbose,
    )


def _keep_states(setup: TrainingSetup, objective: Objective, run: Run, tell: Callable[[str], None]) -> None:
    """Removes what training the sources left beside the checkpoint, and keeps generators that learned in turns."""
    if not _first():
        return
    for state in () if setup.options.sources else source_states(setup.checkpoint, objective):
        state.unlink(missing_ok=True)
    if setup.rivals and setup.checkpoint:
        # It has had the gradients of the model as it is now, whatever it was trained on before.
        for path in keep_rivals(objective.attack, models.weights_sha256(setup.victim.model), played=run.steps):
            tell(f"saved {path}: the generator that learned in turns with the model")


def _log_model(logs: Logs, hardened: keras.Model, run: Run) -> None:
    """Logs a model that no file holds yet, with how it was trained."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hardened.h5"
        models.save(hardened, path, {"recipe": run.recipe})
        logs.file(path, "model")


def _noted(options: TrainSettings) -> dict[str, Any]:
    """The settings that tell a run from another, but for those of its schedule."""
    schedule = {field.name for field in dataclasses.fields(Schedule)}
    return {name: value for name, value in options.noted().items() if name not in schedule}


def _first() -> bool:
    """Whether this is the one process that speaks and keeps files."""
    return backend.process()[0] == 0


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
