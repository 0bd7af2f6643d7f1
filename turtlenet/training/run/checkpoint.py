"""The whole state of a training run in one file, written at once or not at all."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.errors import OutputError, one_line
from turtlenet.files import write_whole
from turtlenet.files.numpy_files import check_arrays
from turtlenet.training.run.callbacks import Best, CollapseWatch
from turtlenet.version import __version__

_NOTES: dict[str, Any] = {
    "identity": dict,
    "best": list,
    "best_epoch": int,
    "findings": dict,
    "history": list,
    "stopped": bool,
    "halvings": int,
    "versions": dict,
}


class Checkpoint(keras.callbacks.Callback):
    """Saves the run's state after every epoch, and within one when some time has passed.

    Args:
        path: Where to save.
        best: Holds the best weights so far, which a continued run must know too.
        notes: What else it must know; read at every save.
        seconds: Least time between two saves within an epoch.
        done: Steps done before, for a run that continues.
        watch: Holds the state to go back to after a collapse, if there is one.
    """

    def __init__(
        self,
        path: Path,
        best: Best,
        notes: dict[str, Any],
        seconds: float = 60.0,
        done: int = 0,
        watch: CollapseWatch | None = None,
    ):
        super().__init__()
        self.path = path
        self.best = best
        self.notes = notes
        self.seconds = seconds
        self.watch = watch
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
        good = (self.watch and self.watch.good) or []
        save_state(self.path, self.model, self.best.weights or [], {**self.notes, "step": self.step}, good)
        self._saved = time.monotonic()


def save_state(
    path: Path, trainer: Any, best: Sequence[np.ndarray], notes: dict[str, Any], good: Sequence[np.ndarray] = ()
) -> None:
    """Writes what a trainer says it is (`saved`), best weights and notes, at once or not at all.

    Args:
        path: The file.
        trainer: Says what it is.
        best: Values of its network's variables.
        notes: What else a continued run must know.
        good: An earlier value of all that it is, to go back to after a collapse.

    Raises:
        OutputError: The file cannot be written.
    """
    now = [ops.convert_to_numpy(variable) for variable in trainer.saved()]
    named = (("now", now), ("best", best), ("good", good))
    values: dict[str, Any] = {
        f"{name}{number}": _plain(value) for name, each in named for number, value in enumerate(each)
    }
    values["notes"] = np.array(json.dumps({**notes, "versions": versions()}))
    write_whole(path, lambda file: np.savez(file, **values))


def load_state(path: Path, trainer: Any) -> tuple[dict[str, Any], list[np.ndarray] | None, list[np.ndarray] | None]:
    """Puts a saved state into a compiled trainer with a built optimizer; of several processes the first one reads it.

    Returns:
        The notes, the best weights if there were any, and a good state to go back to, likewise.

    Raises:
        OutputError: The file is not a training state, or that of another model.
    """
    variables = trainer.saved()
    values, notes = backend.from_first(lambda: _read(path))
    now = [values.get(f"now{number}", np.empty(0)) for number in range(len(variables))]
    if [value.shape for value in now] != [tuple(variable.shape) for variable in variables]:
        raise OutputError(f"Expected the training state of this model in {path}; got that of another one.")
    network = trainer.network.variables
    best = [values.get(f"best{number}", np.empty(0)) for number in range(len(network))] if "best0" in values else None
    if best is not None and [value.shape for value in best] != [tuple(variable.shape) for variable in network]:
        raise OutputError(f"Expected the best weights of this model in {path}; got those of another one.")
    good = [values.get(f"good{number}", np.empty(0)) for number in range(len(now))] if "good0" in values else None
    if good is not None and [value.shape for value in good] != [value.shape for value in now]:
        raise OutputError(f"Expected the good weights of this model in {path}; got those of another one.")
    for value in (*now, *(best or ()), *(good or ())):
        if value.dtype.kind not in "fiub" or (value.dtype.kind == "f" and not np.isfinite(value).all()):
            raise OutputError(
                f"Expected finite numbers in the training state {path}; got others: leave out --resume to start anew."
            )
    for variable, value in zip(variables, now, strict=True):
        variable.assign(value)
    return notes, best, good


def _plain(value: np.ndarray) -> np.ndarray:
    """Numbers that NumPy's files know: it writes bfloat16 as bytes without a type, and float32 holds all of them."""
    return value.astype("float32") if value.dtype.name == "bfloat16" else value


def versions() -> dict[str, str]:
    """The versions that a run's numbers depend on: those of turtlenet, Keras and the backend."""
    engine = keras.backend.backend()
    # Its package may go by several names.
    framework = str(getattr(sys.modules.get(engine), "__version__", "unknown"))
    return {"turtlenet": __version__, "keras": keras.version(), engine: framework}


def read_notes(path: Path) -> dict[str, Any]:
    """The notes of a saved state, as the first of several processes reads it."""
    return backend.from_first(lambda: _read(path)[1])


def reseed(model: keras.Model, seed: int) -> None:
    """Gives every random layer (dropout and its like) a state that belongs to the run's seed."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, state in enumerate(states):
        state.assign(np.array([(seed + number) % 2**31, 0], state.dtype))


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    check_arrays(path, OutputError)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            values = {name: data[name] for name in data.files}
        notes = json.loads(str(values.pop("notes")))
        if not isinstance(notes, dict):
            raise ValueError("no notes of a run")
        for name, kind in _NOTES.items():
            if name in notes and not isinstance(notes[name], kind):
                raise ValueError(f"{name!r} of another type than a run notes")
        return values, notes
    except Exception as error:  # Damaged bytes fail in as many ways as there are libraries below.
        reason = one_line(error, 150)
        raise OutputError(f"Expected a training state in {path}; got: {reason}.") from None
