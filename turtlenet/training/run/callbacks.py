"""What watches a training run: progress, the best weights, and a collapse."""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from turtlenet.bars import Bar
from turtlenet.errors import SettingError, did_you_mean
from turtlenet.settings.train import ON_COLLAPSE
from turtlenet.training.objective.base import Objective
from turtlenet.training.wrappers.base import changed

_COLLAPSE = 0.3
"""A lead of one step over many that a model which resists does not show; the usual one is below 0.1."""
_MOST_HALVINGS = 3
_LEAK = 0.02
"""A lead of crafted over clean images that chance does not explain on a thousand images."""
RANKED = ("certified_accuracy", "robust_accuracy", "accuracy")
"""What epochs are compared by, in turn, as far as validation gives it."""
_PAUSE = 0.2
"""Seconds between two readings of the numbers that the bar shows."""
ROBUSTNESS = {
    "loss": "loss",
    "robust_accuracy": "robust",
    "val_accuracy": "val clean",
    "val_robust_accuracy": "val robust",
    "val_certified_accuracy": "val certified",
}
"""The numbers that the bar of a hardening run shows."""


DIVERGED = "Training diverged: a lower --learning-rate, or an optimizer that clips gradients, keeps it from that."


def diverged(logs: dict[str, Any]) -> bool:
    """Whether the loss of an epoch is no number."""
    return not np.isfinite(float(logs.get("loss", 0.0)))


class Diverged(keras.callbacks.Callback):
    """Ends a run whose loss is no number any more: no further step brings it back.

    Args:
        tell: Is given a line that says so.
        notes: Carries the best epoch; see `Best`.
    """

    def __init__(self, tell: Callable[[str], None], notes: dict[str, Any]):
        super().__init__()
        self.tell, self.notes = tell, notes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if diverged(logs or {}):
            self.model.stop_training = True
            best = self.notes.get("best_epoch")
            kept = f" The weights of epoch {best} are kept." if best else ""
            self.tell(f"! The loss of epoch {epoch + 1} is no number.{kept} {DIVERGED}")


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
            self.weights = self.now()

    def now(self) -> list[np.ndarray]:
        """The weights that were validated last."""
        return _values(self.model.network.variables)

    def restore(self, network: keras.Model) -> None:
        """Puts the best weights back."""
        if self.weights is not None:
            for variable, value in zip(network.variables, self.weights, strict=True):
                variable.assign(value)


class BestRobust(Best):
    """Keeps the weights of the epoch with the best robust validation accuracy: robust overfitting is real.

    With an objective of certificates the certified accuracy goes before it.

    Args:
        notes: See `Best`.
        judged: Puts other weights in place for validation, such as an average; those are kept then.
    """

    def __init__(self, notes: dict[str, Any], judged: "Judged | None" = None):
        super().__init__(notes)
        self.judged = judged

    def now(self) -> list[np.ndarray]:
        """The weights that were validated last."""
        values = self.judged.values if self.judged is not None else None
        return super().now() if values is None else values

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        if diverged(logs):
            return None
        # Rounding of float32 means must not decide between epochs; clean accuracy breaks a tie.
        found = {name: round(float(logs[f"val_{name}"]), 6) for name in RANKED if f"val_{name}" in logs}
        return list(found.values()) if "robust_accuracy" in found else None


class Judged(keras.callbacks.Callback):
    """Puts the weights that a wrapper wants to be judged in place for validation, and takes them away after it.

    Args:
        trainer: The `Trainer` whose weights are put in place.
        recalibrate: Computes the statistics of batch normalization anew for the weights in place.
    """

    def __init__(self, trainer: Any, recalibrate: Callable[[], None]):
        super().__init__()
        self.trainer = trainer
        self.recalibrate = recalibrate
        self.values: list[np.ndarray] | None = None
        """What was in place last."""
        self._trained: list[np.ndarray] | None = None

    def on_test_begin(self, logs: Any = None) -> None:
        self._trained = _values(self.trainer.network.variables)
        self.place()

    def on_test_end(self, logs: Any = None) -> None:
        if self._trained is not None:
            _assign(self.trainer.network.variables, self._trained)
            self._trained = None

    def place(self) -> None:
        """Leaves those weights in place."""
        values = self.trainer.judged()
        if values is not None:
            trained = _values(self.trainer.network.variables)
            _assign(self.trainer.network.variables, values)
            # An average that has not begun is the weights themselves, whose statistics are their own.
            if not all(map(np.array_equal, values, trained)):
                self.recalibrate()
            self.values = _values(self.trainer.network.variables)


class Stages(keras.callbacks.Callback):
    """Has the step of training compiled anew where a stage of a wrapper begins.

    Args:
        trainer: The `Trainer` whose step is compiled.
        firsts: The first steps of all stages.
        done: Steps done before, for a run that continues.
    """

    def __init__(self, trainer: Any, firsts: Sequence[int], done: int = 0):
        super().__init__()
        self.trainer = trainer
        self.firsts = sorted({0, *firsts})
        self.step = done
        trainer.stage = self._stage()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Not by `self.model`, which fetches all variables from the device under JAX.
        if self._stage() != self.trainer.stage:
            self.trainer.stage = self._stage()
            self.trainer.make_train_function(force=True)
        self.step += 1

    def _stage(self) -> int:
        return max(first for first in self.firsts if first <= self.step)


class CollapseWatch(keras.callbacks.Callback):
    """Notices when a model learns to defeat a one-step attack instead of resisting it.

    Catastrophic overfitting (Wong et al., 2020): validation images withstand the training attack and not the many
    steps of the validation attack. Label leaking (Kurakin et al., 2017): crafted images are easier than clean ones.
    It watches where the training attack takes one step.

    Args:
        tell: Is given one line for each finding.
        notes: Carries the findings, and how often the step was halved, through a killed run.
        on_collapse: After catastrophic overfitting: `tell` goes on; `stop` ends the run; `recover` goes back to
            the weights and the optimizer's state of the last epoch without it, halves the attack's step and goes on,
            three times, and then stops. The optimizer's clock, and with it the learning rate, never goes back.
    """

    def __init__(self, tell: Callable[[str], None], notes: dict[str, Any], on_collapse: str = "tell"):
        super().__init__()
        if on_collapse not in ON_COLLAPSE:
            raise SettingError(f"Unknown on_collapse {on_collapse!r}.{did_you_mean(on_collapse, ON_COLLAPSE)}")
        self.tell = tell
        self.notes = notes
        self.on_collapse = on_collapse
        self.good: list[np.ndarray] | None = None
        """All that the trainer was when it was well last, for `recover`."""

    def on_train_begin(self, logs: Any = None) -> None:
        if self.on_collapse == "recover" and self.good is None:
            self.good = _values(self.model.saved())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        crafted = logs.get("val_crafted_accuracy")
        if crafted is None:
            return
        robust, clean = logs["val_robust_accuracy"], logs["val_accuracy"]
        if crafted > clean + _LEAK:
            self._say(
                "leak",
                f"Epoch {epoch + 1}: validation inputs crafted by the training attack are easier ({crafted:.3f}) than "
                f"clean ones ({clean:.3f}): label leaking. Train with pgd or rfgsm.",
            )
        if crafted > robust + _COLLAPSE:
            line = (
                f"Epoch {epoch + 1}: accuracy {crafted:.3f} under the training attack, but {robust:.3f} under the "
                "validation attack: catastrophic overfitting. "
            )
            self._collapsed(epoch, line)
        elif self.on_collapse == "recover":
            self.good = _values(self.model.saved())

    def _collapsed(self, epoch: int, line: str) -> None:
        times = self.notes.get("halvings", 0)
        if self.on_collapse == "recover" and times < _MOST_HALVINGS:
            self.notes["halvings"] = times + 1
            self._recover(times + 1)
            self._say(
                f"recovered {times + 1}",
                f"{line}Back to the last good weights, with the attack's step halved ({times + 1} of at most "
                f"{_MOST_HALVINGS} times).",
            )
        elif self.on_collapse == "tell":
            self._say(
                "collapse",
                f"{line}Train with pgd, on objective n-fgsm, or with a smaller step_size; the best weights are kept.",
            )
        else:
            self._say("collapse", f"{line}The run stops; the best weights so far are kept.")
            self.notes["stopped"] = True
            self.model.stop_training = True

    def _recover(self, times: int) -> None:
        trainer = self.model
        clock = getattr(trainer.optimizer, "inner_optimizer", trainer.optimizer)._iterations
        now = keras.ops.convert_to_numpy(clock)
        _assign(trainer.saved(), self.good or [])
        clock.assign(now)
        trainer.objective = halved(trainer.objective)
        trainer.make_train_function(force=True)
        trainer.make_test_function(force=True)

    def _say(self, code: str, line: str) -> None:
        findings = self.notes.setdefault("findings", {})
        if code not in findings:
            findings[code] = line
            self.tell(line)


def halved(objective: Objective, times: int = 1) -> Objective:
    """The same objective, whose attack takes steps of half the length.

    Args:
        objective: One with a `step_size` of its own, or with an attack that has one.
        times: How often to halve it.

    Raises:
        SettingError: There is no step to halve.
    """
    part = 0.5**times
    step = getattr(objective, "step_size", None)
    if isinstance(step, int | float) and step > 0:
        return changed(objective, step_size=step * part)
    lengths = {name: getattr(objective.attack, name, 0) for name in ("step", "step_size")}
    known: dict[str, Any] = {
        name: value * part for name, value in lengths.items() if isinstance(value, int | float) and value > 0
    }
    if not known:
        raise SettingError(f"Expected an attack with a step_size for on_collapse=recover; got {objective.attack}.")
    return changed(objective, attack=dataclasses.replace(objective.attack, **known))


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class Progress(keras.callbacks.Callback):
    """A bar on a terminal with clean and robust accuracy and the time left; lines elsewhere if wished, else nothing.

    Args:
        steps: Steps of the whole run.
        done: Steps done before, for a run that continues.
        lines: Whether to print a line for each epoch where no bar is shown.
        hidden: Whether to show nothing: another process does.
        shown: The bar's numbers: a metric's name and its word on the bar.
        gradients: Gradients of single examples that a step takes; 0 where they are not counted.
    """

    def __init__(
        self,
        steps: int,
        done: int = 0,
        *,
        lines: bool = False,
        hidden: bool = False,
        shown: Mapping[str, str] = ROBUSTNESS,
        gradients: float = 0.0,
    ):
        super().__init__()
        self.gradients = gradients
        self.steps = steps
        self.done = done
        """Steps that are done."""
        self.lines = lines and not hidden
        self.hidden = hidden
        self.shown = shown
        self._bar: Any = None
        self._epoch: dict[str, float] = {}
        self._shown = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        if self._bar is None:
            hidden = self.hidden or not sys.stderr.isatty()
            self._bar = Bar(self.steps, done=self.done, unit="step", hidden=hidden, gradients=self.gradients)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1
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
        values = {word: logs.get(name, self._epoch.get(name)) for name, word in self.shown.items()}
        self._bar.show({word: f"{float(value):.3f}" for word, value in values.items() if value is not None})
