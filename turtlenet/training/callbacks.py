"""What watches a training run: progress, the best weights, and a collapse."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from turtlenet.bars import Bar

__all__ = ["Best", "BestRobust", "CollapseWatch", "Progress"]

_COLLAPSE = 0.3
"""A lead of one step over many that a model which resists does not show; the usual one is below 0.1."""
_LEAK = 0.02
"""A lead of crafted over clean images that chance does not explain on a thousand images."""
_PAUSE = 0.2
"""Seconds between two readings of the numbers that the bar shows."""
_SHOWN = {
    "loss": "loss",
    "robust_accuracy": "robust",
    "val_accuracy": "val clean",
    "val_robust_accuracy": "val robust",
}


class Best(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, those of the trainer's `network`.

    Args:
        notes: Carries the best rank, its epoch and the weights' place through a killed run.
    """

    def __init__(self, notes: dict[str, Any]):
        super().__init__()
        self.notes = notes
        self.weights: list[np.ndarray] | None = None

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        """What epochs are compared by, higher is better; None without validation."""
        raise NotImplementedError

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rank = self.rank(logs or {})
        if rank is not None and rank > self.notes.get("best", [-float("inf")]):
            self.notes.update(best=rank, best_epoch=epoch + 1)
            self.weights = [keras.ops.convert_to_numpy(variable) for variable in self.model.network.variables]

    def restore(self, network: keras.Model) -> None:
        """Puts the best weights back."""
        if self.weights is not None:
            for variable, value in zip(network.variables, self.weights, strict=True):
                variable.assign(value)


class BestRobust(Best):
    """Keeps the weights of the epoch with the best robust validation accuracy: robust overfitting is real."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        robust = logs.get("val_robust_accuracy")
        # Rounding of float32 means must not decide between epochs; clean accuracy breaks a tie.
        return None if robust is None else [round(float(robust), 6), round(float(logs["val_accuracy"]), 6)]


class CollapseWatch(keras.callbacks.Callback):
    """Notices when a model learns to defeat a one-step attack instead of resisting it.

    Catastrophic overfitting (Wong et al., 2020): validation images withstand the training attack and not the many
    steps of the validation attack. Label leaking (Kurakin et al., 2017): crafted images are easier than clean ones.

    Args:
        tell: Is given one line for each finding.
        notes: Carries the findings through a killed run.
    """

    def __init__(self, tell: Callable[[str], None], notes: dict[str, Any]):
        super().__init__()
        self.tell = tell
        self.notes = notes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        crafted = logs.get("val_crafted_accuracy")
        if crafted is None:
            return
        robust, clean = logs["val_robust_accuracy"], logs["val_accuracy"]
        if crafted > clean + _LEAK:
            self._say(
                "leak",
                f"Epoch {epoch + 1}: validation images crafted by the training attack are easier ({crafted:.3f}) than "
                f"clean ones ({clean:.3f}): label leaking. Train with pgd or rfgsm.",
            )
        if crafted > robust + _COLLAPSE:
            self._say(
                "collapse",
                f"Epoch {epoch + 1}: accuracy {crafted:.3f} under the training attack, but {robust:.3f} under the "
                "validation attack: catastrophic overfitting. Train with pgd, or with rfgsm and a smaller step_size; "
                "the best weights so far are kept.",
            )

    def _say(self, code: str, line: str) -> None:
        found = self.notes.setdefault("findings", {})
        if code not in found:
            found[code] = line
            self.tell(line)


class Progress(keras.callbacks.Callback):
    """A bar on a terminal with clean and robust accuracy and the time left; lines elsewhere if wished, else nothing.

    Args:
        steps: Steps of the whole run.
        done: Steps done before, for a run that continues.
        lines: Whether to print a line for each epoch where no bar is shown.
        hidden: Whether to show nothing: another process does.
        shown: The bar's numbers: a metric's name and its word on the bar.
    """

    def __init__(
        self,
        steps: int,
        done: int = 0,
        *,
        lines: bool = False,
        hidden: bool = False,
        shown: Mapping[str, str] = _SHOWN,
    ):
        super().__init__()
        self.steps = steps
        self.done = done
        self.lines = lines and not hidden
        self.hidden = hidden
        self.shown = shown
        self._bar: Any = None
        self._epoch: dict[str, float] = {}
        self._shown = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        if self._bar is None:
            hidden = self.hidden or not sys.stderr.isatty()
            self._bar = Bar(self.steps, done=self.done, unit="step", hidden=hidden)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update(1)
        # To read a number is to wait for the device: a few times a second is enough for the eye.
        if logs and not self._bar.disable and time.monotonic() - self._shown > _PAUSE:
            self._shown = time.monotonic()
            self._show(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        self._epoch = {name: value for name, value in logs.items() if name.startswith("val_")}
        self._show(logs)
        if self.lines and self._bar.disable:
            words = " ".join(f"{name}={float(value):.4f}" for name, value in logs.items())
            print(f"epoch {epoch + 1}: {words}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def _show(self, logs: dict[str, Any]) -> None:
        found = {word: logs.get(name, self._epoch.get(name)) for name, word in self.shown.items()}
        self._bar.show({word: f"{float(value):.3f}" for word, value in found.items() if value is not None})
