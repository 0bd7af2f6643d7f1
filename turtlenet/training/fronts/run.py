"""One run of the training of a front's network, which survives being killed."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.training.data.stream import Stream
from turtlenet.training.fronts.objectives import FrontObjective
from turtlenet.training.fronts.trainer import FrontTrainer
from turtlenet.training.run import Schedule
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun

_SHOWN = {"loss": "loss", "error": "error", "rival": "rival", "val_error": "val error", "val_accuracy": "val accuracy"}


@dataclass(frozen=True, kw_only=True)
class FrontEpoch:
    """The means of an epoch.

    Attributes:
        loss: The network's.
        error: Mean square between what it makes and the clean image, pixels in [0, 1]; None for images from noise.
        gan: -log D of what a generator makes.
        penalty: The contractive or the gradient penalty.
        rival: The discriminator's loss; for a critic, by how much it tells images from generated ones.
        val_error: The error on validation images.
        val_accuracy: Of the model behind the network, there.
    """

    loss: float
    error: float | None = None
    gan: float | None = None
    penalty: float | None = None
    rival: float | None = None
    val_error: float | None = None
    val_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class FrontRun:
    """What a run did.

    Attributes:
        steps: Steps of the optimizer.
        seconds: In this process; a run that was continued took more.
        epochs: One for each epoch.
        best_epoch: The one whose network was kept, counted from 1; None where the last was.
    """

    steps: int
    seconds: float
    epochs: tuple[FrontEpoch, ...]
    best_epoch: int | None


def train_network(
    objective: FrontObjective,
    examples: Examples,
    schedule: Schedule,
    *,
    validation: Examples | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    seconds: float = 60.0,
    identity: dict[str, Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tell: Callable[[str], None] = print,
    verbose: bool = False,
) -> FrontRun:
    """Trains a front's network in place, and leaves it with the weights of the least validation error.

    Args:
        objective: The network and its losses.
        examples: What to train on.
        schedule: How long and how fast; always Adam.
        validation: Held-out images; not looked at where the network makes images from noise.
        checkpoint: Where the run's state lies; None saves none.
        resume: Whether to continue from there.
        seconds: Least time between two saves of that state within an epoch.
        identity: What tells this run from another besides (hashes of data and model).
        callbacks: Further Keras callbacks.
        tell: Is given what is to be known of the state, a line.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.

    Raises:
        SettingError: The state to continue from belongs to a run with other settings.
        OutputError: The state cannot be read or written.
    """
    began = time.perf_counter()
    stream = Stream(examples, schedule.batch_size, schedule.seed)
    each, total = schedule.steps(len(examples))
    notes: dict[str, Any] = {"identity": {**(identity or {}), **dataclasses.asdict(schedule)}}
    trainer = FrontTrainer(objective, learning_rate=schedule.learning_rate, seed=schedule.seed)
    optimizer = schedule.make(total, None)
    optimizer.beta_1, optimizer.beta_2 = objective.momentum
    trainer.compile(optimizer=optimizer, jit_compile=backend.uses_xla())
    trainer.optimizer.build(objective.network.trainable_variables)
    best = _LeastError(notes)
    run = ResumableRun(trainer, best, notes, each, schedule.epochs, checkpoint, seconds)
    if resume:
        run.take_up(tell)
    held_out = validation if objective.judged else None
    run.fit(stream, held_out, [best, _History(notes)], callbacks, verbose=verbose, shown=_SHOWN)
    best.restore(objective.network)
    epochs = tuple(FrontEpoch(**epoch) for epoch in notes.get("history", ()))
    return FrontRun(
        steps=len(epochs) * each,
        seconds=round(time.perf_counter() - began, 3),
        epochs=epochs,
        best_epoch=notes.get("best_epoch"),
    )


class _LeastError(Best):
    """Keeps the network of the epoch with the least error on validation images."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        error = logs.get("val_error")
        return None if error is None else [-round(float(error), 9)]


class _History(keras.callbacks.Callback):
    """Writes each epoch down; `notes` carries it through a killed run."""

    def __init__(self, notes: dict[str, Any]):
        super().__init__()
        self.notes = notes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        known = {field.name for field in dataclasses.fields(FrontEpoch)}
        means = {name: round(float(value), 9) for name, value in (logs or {}).items() if name in known}
        self.notes["history"] = [*self.notes.get("history", []), means]
