"""Training of a network beside a fixed classifier, which survives being killed: generators and fronts."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.training.data.stream import Stream
from turtlenet.training.resumable import ResumableTrainer
from turtlenet.training.run import Schedule
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.resume import ResumableRun


@dataclass(frozen=True, kw_only=True)
class NetworkRun:
    """What a run did.

    Attributes:
        steps: Steps of the optimizer.
        seconds: In this process; a run that was continued took more.
        epochs: One for each epoch.
        best_epoch: The one whose network was kept, counted from 1; None without validation, where the last was.
    """

    steps: int
    seconds: float
    epochs: tuple[Any, ...]
    best_epoch: int | None


class History(keras.callbacks.Callback):
    """Writes the means of each epoch down, and stops the run when it no longer gets better.

    Args:
        notes: Carries both through a killed run.
        kind: The dataclass of an epoch, whose fields are kept.
        digits: Behind the point.
        patience: Epochs to wait for a better one; 0 waits for ever.
    """

    def __init__(self, notes: dict[str, Any], kind: Any, *, digits: int, patience: int = 0):
        super().__init__()
        self.notes, self.kind, self.digits, self.patience = notes, kind, digits, patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        known = {field.name for field in dataclasses.fields(self.kind)}
        means = {name: round(float(value), self.digits) for name, value in (logs or {}).items() if name in known}
        self.notes["history"] = [*self.notes.get("history", []), means]
        waited = epoch + 1 - self.notes.get("best_epoch", epoch + 1)
        if self.patience and waited >= self.patience:
            self.notes["stopped"] = True
            self.model.stop_training = True

    def epochs(self) -> tuple[Any, ...]:
        """The epochs so far."""
        return tuple(self.kind(**each) for each in self.notes.get("history", ()))


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is validated, kept and told of.

    Attributes:
        validation: Held-out examples, which are looked at after each epoch.
        checkpoint: Where the run's state lies; None saves none.
        resume: Whether to continue from there.
        seconds: Least time between two saves of that state within an epoch.
        identity: What tells this run from another besides its settings (hashes of data and models).
        callbacks: Further Keras callbacks.
        tell: Is given what is to be known of the state, a line.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.
    """

    validation: Examples | None = None
    checkpoint: Path | None = None
    resume: bool = False
    seconds: float = 60.0
    identity: Mapping[str, Any] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    tell: Callable[[str], None] = print
    verbose: bool = False

    def notes(self, schedule: Schedule, **settings: Any) -> dict[str, Any]:
        """What a continued run must know, with what tells this one from others."""
        return {"identity": {**(self.identity or {}), **dataclasses.asdict(schedule), **settings}}

    def fit(
        self,
        trainer: ResumableTrainer,
        weights: Sequence[Any],
        best: Best,
        history: History,
        examples: Examples,
        schedule: Schedule,
        *,
        shown: Mapping[str, str],
        momentum: tuple[float, float] | None = None,
    ) -> dict[str, Any]:
        """Trains the trainer's network in place by Adam, and leaves it with its best weights.

        Args:
            trainer: Not compiled yet.
            weights: Those that its optimizer moves.
            best: Holds the best weights so far.
            history: Writes the epochs down.
            examples: What to train on.
            schedule: How long and how fast.
            shown: The bar's numbers; see `turtlenet.training.run.callbacks.Progress`.
            momentum: Adam's two decays; None for Keras's.

        Returns:
            The fields of a `NetworkRun`.

        Raises:
            SettingError: The state to continue from belongs to a run with other settings.
            OutputError: The state cannot be read or written.
        """
        began = time.perf_counter()
        stream = Stream(examples, schedule.batch_size, schedule.seed)
        each, total = schedule.steps(len(examples))
        optimizer = schedule.make(total, None)
        if momentum is not None:
            optimizer.beta_1, optimizer.beta_2 = momentum
        trainer.compile(optimizer=optimizer, jit_compile=backend.uses_xla())
        trainer.optimizer.build(weights)
        run = ResumableRun(trainer, best, best.notes, each, schedule.epochs, self.checkpoint, self.seconds)
        if self.resume:
            run.take_up(self.tell)
        watchers = [best, history]
        run.fit(stream, self.validation, watchers, self.callbacks, verbose=self.verbose, shown=shown)
        best.restore(trainer.network)
        epochs = history.epochs()
        return {
            "steps": len(epochs) * each,
            "seconds": round(time.perf_counter() - began, 3),
            "epochs": epochs,
            "best_epoch": best.notes.get("best_epoch"),
        }
