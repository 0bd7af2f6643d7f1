"""What every run has in common: it takes up a saved state and goes on from the step where it stood."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet import backend
from turtlenet.data import Examples
from turtlenet.errors import OutputError, SettingError
from turtlenet.training.data.stream import Batches, Stream
from turtlenet.training.resumable import ResumableTrainer
from turtlenet.training.run.callbacks import ROBUSTNESS, Best, CollapseWatch, Progress
from turtlenet.training.run.checkpoint import Checkpoint, load_state, read_notes, versions


@dataclass
class ResumableRun:
    """A run of Keras `fit` that survives being killed.

    Args:
        trainer: Compiled, with its optimizer built.
        best: Holds the best weights so far.
        notes: What else a continued run must know; what tells this run from others under `identity`.
        steps: Steps of an epoch.
        epochs: How many.
        checkpoint: Where the state lies; None saves none.
        seconds: Least time between two saves of that state within an epoch.
        watch: Holds the state to go back to after a collapse.
        done: Steps that are done.
    """

    trainer: ResumableTrainer
    best: Best
    notes: dict[str, Any]
    steps: int
    epochs: int
    checkpoint: Path | None = None
    seconds: float = 60.0
    watch: CollapseWatch | None = None
    done: int = 0

    def take_up(self, tell: Callable[[str], None] = print) -> None:
        """Takes up the saved state, if the first of all processes has one.

        Args:
            tell: Is given a line where other versions wrote the state.

        Raises:
            SettingError: The state is that of a run with other settings.
            OutputError: It cannot be read, has weights that are not finite, or a step that this run does not have.
        """
        path = self.checkpoint
        if path is None or not backend.from_first(path.exists):
            return
        read, total = read_notes(path), self.steps * self.epochs
        then, now, step = read.get("identity", {}), self.notes["identity"], read.get("step")
        other = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
        if other:
            raise SettingError(
                f"Expected the settings of the run in {path}; got other values of {', '.join(other)}: "
                "leave out --resume to start anew."
            )
        if type(step) is not int or not 0 <= step <= total:
            raise OutputError(
                f"Expected a step from 0 to {total:,} in the training state {path}; got {str(step)[:40]}: leave out "
                "--resume to start anew."
            )
        if changed := _changed(read.get("versions")):
            tell(f"{path} was written by {changed}: the run goes on, and may end with other weights")
        saved, self.best.weights, good = load_state(path, self.trainer)
        if self.watch is not None:
            self.watch.good = good
        self.notes.update(saved)
        self.notes.pop("versions", None)
        self.done = self.notes.pop("step")

    def fit(
        self,
        stream: Stream,
        validation: Examples | None,
        watchers: Sequence[Any],
        callbacks: Sequence[Any],
        *,
        micro_batches: int = 1,
        verbose: bool = False,
        shown: Mapping[str, str] = ROBUSTNESS,
        gradients: float = 0.0,
    ) -> int:
        """Trains from the step where the run stands to its end, unless it was stopped for good.

        Args:
            stream: What to train on.
            validation: What to validate on after each epoch.
            watchers: The run's own callbacks.
            callbacks: The user's; called after the others.
            micro_batches: How many a batch is worked on in, one after the other.
            verbose: Whether to print a line for each epoch where no terminal shows the bar.
            shown, gradients: The bar's numbers; see `Progress`.

        Returns:
            Steps that are done.
        """
        first = backend.process()[0] == 0
        how: dict[str, Any] = {"lines": verbose, "hidden": not first, "shown": shown, "gradients": gradients}
        progress = Progress(self.steps * self.epochs, self.done, **how)
        everyone = [*watchers, progress, *callbacks]
        if self.checkpoint and first:
            state = (self.checkpoint, self.best, self.notes, self.seconds, self.done, self.watch)
            everyone.append(Checkpoint(*state))
        held_out = None if validation is None else Batches(validation, max(stream.batch_size, 128) // micro_batches)
        try:
            if not self.notes.get("stopped"):
                with backend.together(self.trainer.everything):
                    self._fit(stream, held_out, everyone)
        finally:
            progress.close()
        return progress.done

    def _fit(self, stream: Stream, validation: Batches | None, callbacks: Sequence[Any]) -> None:
        """Keras `fit`: what is left of the epoch first, then the others."""
        epoch, within = divmod(self.done, self.steps)
        legs = [(epoch, epoch + 1, self.steps - within)] if within else []
        start = epoch + 1 if within else epoch
        if start < self.epochs:
            legs.append((start, self.epochs, self.steps))
        for first, last, steps in legs:
            self.trainer.fit(
                backend.pipeline(stream.at((first + 1) * self.steps - steps), None),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps,
                shuffle=False,
                validation_data=None if validation is None else backend.pipeline(validation, len(validation)),
                callbacks=list(callbacks),
                verbose=0,
            )
            if self.trainer.stop_training:
                break


def _changed(then: Any) -> str:
    """What wrote a state where it was something else than what reads it, in words; empty where it was the same."""
    now = versions()
    if not isinstance(then, dict):
        return "an older turtlenet, which did not note its versions"
    other = [name for name in now if then.get(name) != now[name]]
    return ", ".join(f"{name} {str(then.get(name, 'unknown'))[:20]} (now {now[name]})" for name in other)
