"""One run of a generator's training, which survives being killed."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import ModelError, SettingError
from turtlenet.gan.objective import GeneratorObjective, Players
from turtlenet.gan.trainer import GanTrainer
from turtlenet.training.data.stream import Stream
from turtlenet.training.run import Schedule
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun

_SHOWN = {
    "adversarial": "adversarial",
    "gan": "gan",
    "hinge": "hinge",
    "success": "success",
    "val_success": "val success",
}


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The means of an epoch: the terms of the losses, and the success on training and validation images.

    Attributes:
        gan: The generator's side; None where no discriminator plays.
        discriminator: The discriminator's side, likewise.
        val_success: None without validation.
    """

    adversarial: float
    hinge: float
    success: float
    gan: float | None = None
    discriminator: float | None = None
    val_success: float | None = None


@dataclass(frozen=True, kw_only=True)
class GanRun:
    """What a run did.

    Attributes:
        steps: Steps of the optimizer.
        seconds: In this process; a run that was continued took more.
        epochs: One for each epoch.
        best_epoch: The one whose generator was kept, counted from 1; None without validation.
        val_success: Its success on the validation images.
        stopped_early: Whether the run ended because success no longer rose.
    """

    steps: int
    seconds: float
    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    val_success: float | None
    stopped_early: bool


def check_game(game: GeneratorObjective, victim: Classifier, patience: int) -> None:
    """Refuses what a run cannot work with.

    Raises:
        ModelError: A target that no classifier can answer.
        SettingError: Less than no patience.
    """
    if patience < 0:
        raise SettingError(f"Expected patience >= 0 epochs; got {patience}.")
    if game.target and int(game.target) >= victim.num_classes:
        raise ModelError(f"Expected a target class from 0 to {victim.num_classes - 1}; got {game.target}.")


def train_players(
    players: Players,
    victims: Sequence[Classifier],
    examples: Examples,
    schedule: Schedule,
    *,
    validation: Examples | None = None,
    patience: int = 0,
    checkpoint: Path | None = None,
    resume: bool = False,
    seconds: float = 60.0,
    identity: dict[str, Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tell: Callable[[str], None] = print,
    verbose: bool = False,
) -> GanRun:
    """Trains a generator and its discriminator in place, and leaves the generator with its best weights.

    Args:
        players: Both networks, the rules and the ball.
        victims: What to attack.
        examples: What to train on.
        schedule: How long and how fast; always Adam.
        validation: Held-out images; after each epoch the success on them is measured, on the first classifier.
        patience: Epochs without a better success after which to stop; 0 never stops early.
        checkpoint: Where the run's state lies; None saves none.
        resume: Whether to continue from there.
        seconds: Least time between two saves of that state within an epoch.
        identity: What tells this run from another besides (hashes of data and models).
        callbacks: Further Keras callbacks.
        tell: Is given what is to be known of the state, a line.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.

    Raises:
        ModelError: A target that no classifier can answer.
        SettingError: The state to continue from belongs to a run with other settings.
        OutputError: The state cannot be read or written.
    """
    check_game(players.game, victims[0], patience)
    began = time.perf_counter()
    stream = Stream(examples, schedule.batch_size, schedule.seed)
    each, total = schedule.steps(len(examples))
    ball = {"norm": players.ball.norm, "eps": float(players.ball.eps)}
    who = {**(identity or {}), **dataclasses.asdict(schedule), **ball, "game": dataclasses.asdict(players.game)}
    notes: dict[str, Any] = {"identity": {**who, "patience": patience}}
    trainer = GanTrainer(players, victims, seed=schedule.seed)
    trainer.compile(optimizer=schedule.make(total, None), jit_compile=backend.uses_xla())
    trainer.optimizer.build(players.weights)
    best = _BestGenerator(notes)
    run = ResumableRun(trainer, best, notes, each, schedule.epochs, checkpoint, seconds)
    if resume:
        run.take_up(tell)
    watchers = [best, _History(notes, patience)]
    run.fit(stream, validation, watchers, callbacks, verbose=verbose, shown=_SHOWN)
    best.restore(players.generator)
    epochs = tuple(Epoch(**epoch) for epoch in notes.get("history", ()))
    return GanRun(
        steps=len(epochs) * each,
        seconds=round(time.perf_counter() - began, 3),
        epochs=epochs,
        best_epoch=notes.get("best_epoch"),
        val_success=notes["best"][0] if "best" in notes else None,
        stopped_early=bool(notes.get("stopped")),
    )


class _BestGenerator(Best):
    """Keeps the generator of the epoch with the most success on validation images."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        success = logs.get("val_success")
        return None if success is None else [round(float(success), 6)]


class _History(keras.callbacks.Callback):
    """Writes each epoch down, and stops the run when success no longer rises.

    Args:
        notes: Carries both through a killed run.
        patience: Epochs to wait for a better one; 0 waits for ever.
    """

    def __init__(self, notes: dict[str, Any], patience: int):
        super().__init__()
        self.notes = notes
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        known = {field.name for field in dataclasses.fields(Epoch)}
        means = {name: round(float(value), 6) for name, value in (logs or {}).items() if name in known}
        self.notes["history"] = [*self.notes.get("history", []), means]
        waited = epoch + 1 - self.notes.get("best_epoch", epoch + 1)
        if self.patience and waited >= self.patience:
            self.notes["stopped"] = True
            self.model.stop_training = True
