"""The whole state of a training run in one file, written at once or not at all."""

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.errors import OutputError
from turtlenet.files import write_whole
from turtlenet.training.callbacks import Best

__all__ = ["Checkpoint", "load_state", "read_notes", "reseed", "save_state"]


class Checkpoint(keras.callbacks.Callback):
    """Saves the run's state after every epoch, and within one when some time has passed.

    Args:
        path: Where to save.
        best: Holds the best weights so far, which a continued run must know too.
        notes: What else it must know; read at every save.
        seconds: Least time between two saves within an epoch.
        done: Steps done before, for a run that continues.
    """

    def __init__(self, path: Path, best: Best, notes: dict[str, Any], seconds: float = 60.0, done: int = 0):
        super().__init__()
        self.path = path
        self.best = best
        self.notes = notes
        self.seconds = seconds
        # Batches, not the optimizer's iterations: where a scaled loss overflows, it leaves out a step.
        self.step = done
        self._saved = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
        # Never after an epoch's last step: its validation would be lost to the run that continues.
        last = batch + 1 >= (self.params.get("steps") or 0)
        if not last and time.monotonic() - self._saved >= self.seconds:
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._save()

    def _save(self) -> None:
        save_state(self.path, self.model, self.best.weights or [], {**self.notes, "step": self.step})
        self._saved = time.monotonic()


def save_state(path: Path, trainer: Any, best: Sequence[np.ndarray], notes: dict[str, Any]) -> None:
    """Writes what a trainer says it is (`saved`), best weights and notes, at once or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    values = {f"now{number}": ops.convert_to_numpy(variable) for number, variable in enumerate(trainer.saved())}
    values |= {f"best{number}": value for number, value in enumerate(best)}
    values["notes"] = np.array(json.dumps(notes))
    write_whole(path, lambda file: np.savez(file, **values))


def load_state(path: Path, trainer: Any) -> tuple[dict[str, Any], list[np.ndarray] | None]:
    """Puts a saved state into a compiled trainer with a built optimizer; of several processes the first one reads it.

    Returns:
        The notes, and the best weights if there were any.

    Raises:
        OutputError: The file is not a training state, or that of another model.
    """
    variables = trainer.saved()
    values, notes = backend.from_first(lambda: _read(path))
    now = [values.get(f"now{number}", np.empty(0)) for number in range(len(variables))]
    if [value.shape for value in now] != [tuple(variable.shape) for variable in variables]:
        raise OutputError(f"Expected the training state of this model in {path}; got that of another one.")
    for variable, value in zip(variables, now, strict=True):
        variable.assign(value)
    count = len(trainer.network.variables)
    return notes, [values[f"best{number}"] for number in range(count)] if "best0" in values else None


def read_notes(path: Path) -> dict[str, Any]:
    """The notes of a saved state, as the first of several processes reads it."""
    return backend.from_first(lambda: _read(path)[1])


def reseed(model: keras.Model, seed: int) -> None:
    """Gives every random layer (dropout and its like) a state that belongs to the run's seed."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, state in enumerate(states):
        state.assign(np.array([(seed + number) % 2**31, 0], state.dtype))


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            values = {name: data[name] for name in data.files}
        return values, json.loads(str(values.pop("notes")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise OutputError(f"Expected a training state in {path}; got: {reason}.") from None
