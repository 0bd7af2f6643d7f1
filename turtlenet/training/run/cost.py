"""What a hardening run costs: steps, gradients, and time on this machine."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from turtlenet.attacks import Attack, Mixed
from turtlenet.reports.format import several
from turtlenet.training.objective.base import Objective
from turtlenet.training.objective.madry import Natural

TIMED = 3
"""Steps that are timed, after a first one, which builds the graph."""

FEW_UPDATES = 100
"""Fewer updates of the weights than these harden nothing that is worth a run.

By default the radius grows over the first quarter of them, and the learning rate falls to 0 over the rest, so that few
are made at full strength. Of `models/mnist-wong.h5` at eps 0.3 PGD leaves nothing after 100 updates with all other
settings as they are, as before them: they only cost clean accuracy. Runs that harden it have thousands.
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run computes.

    Attributes:
        steps: Steps of an epoch.
        epochs: Epochs.
        batch_size: Images of a weight gradient.
        attacked: Images of an input gradient: those of a batch that are attacked.
        input_gradients: Of a step; a mean where one of several attacks is drawn for each batch.
        weight_gradients: Of a step.
        validation: Images of validation after each epoch.
        validation_gradients: Input gradients of each of those, at most: examples that give way at once cost less.
        inputs: The word for several inputs.
    """

    steps: int
    epochs: int
    batch_size: int
    attacked: int
    input_gradients: float
    weight_gradients: float
    validation: int
    validation_gradients: float
    inputs: str = "images"

    @property
    def total(self) -> int:
        """Steps of the run."""
        return self.steps * self.epochs

    @property
    def gradients(self) -> float:
        """Gradients of single examples that a step takes, of both kinds."""
        return self.batch_size * self.weight_gradients + self.attacked * self.input_gradients

    @property
    def validation_steps(self) -> float:
        """How many steps of training cost as much as one validation, about."""
        # A weight gradient takes about as long as an input gradient, and the forward passes of a validation as one.
        return self.validation * (self.validation_gradients + 1) / self.gradients

    def seconds(self, step: float, epochs: float | None = None) -> float:
        """Seconds of some epochs, or of all, where a step takes so many."""
        return (self.epochs if epochs is None else epochs) * (self.steps + self.validation_steps) * step

    def __str__(self) -> str:
        parts = [several(self.total, "step")]
        if self.input_gradients:
            gradients = round(self.total * self.input_gradients)
            parts.append(f"{several(gradients, 'input gradient')} of {self.attacked:,} {self.inputs}")
        parts.append(f"{several(round(self.total * self.weight_gradients), 'weight gradient')} of {self.batch_size:,}")
        if self.validation:
            parts.append(f"{several(self.epochs, 'validation')} on {self.validation:,}")
        return ", ".join(parts)


def few_updates(cost: Cost, objective: Objective, *, timed: bool, fixed: bool) -> list[str]:
    """A warning where a run updates the weights too few times to harden a model; nothing where it attacks none.

    Args:
        cost: What the run computes.
        objective: What it minimizes; ordinary training and distillation harden by no number of updates.
        timed: Whether the number of epochs was chosen for a time.
        fixed: Whether an epoch has a number of steps of its own, which the batch size does not change.
    """
    updates = cost.total * objective.replays
    if updates >= FEW_UPDATES or isinstance(objective, Natural):
        return []
    needed = math.ceil(FEW_UPDATES * cost.epochs / updates)
    longer = "Give more --time" if timed else f"Raise --epochs to {needed} or more"
    smaller = "" if fixed or cost.batch_size == 1 else ", or lower --batch-size"
    return [
        f"! The run updates the weights {several(updates, 'time')} in all; fewer than {FEW_UPDATES} updates harden "
        f"hardly any model -> {longer}{smaller}."
    ]


class Clock(keras.callbacks.Callback):
    """Times the first steps of a run and tells how long the rest will take.

    What lies between epochs, validation above all, is no part of a step. The graph of the first validation is still to
    be built: that takes about as long as that of a step.

    Args:
        cost: What the run computes.
        tell: Is given one line, after the first `TIMED` steps that follow the one in which the graph is built.
    """

    def __init__(self, cost: Cost, tell: Callable[[str], None]):
        super().__init__()
        self.cost = cost
        self.tell = tell
        self.step = 0.0
        """Seconds of a step, once that is known."""
        self._epoch = 0
        self._done = 0
        self._began = 0.0
        self._first = 0.0
        self._spent = 0.0
        self._validated = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_test_end(self, logs: Any = None) -> None:
        self._validated = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if not self.step and batch == 0:
            self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.step:
            return
        # To read a number is to wait for the device.
        float((logs or {}).get("loss", 0.0))
        now = time.perf_counter()
        spent, self._began = now - self._began, now
        self._done += 1
        if self._done == 1:
            self._first = spent
            return
        self._spent += spent
        if self._done < 1 + TIMED:
            return
        self.step = self._spent / TIMED
        left = (self.params.get("steps") or self.cost.steps) - batch - 1
        rest = self.cost.seconds(self.step, self.cost.epochs - self._epoch - 1)
        rest += (left + self.cost.validation_steps) * self.step
        if self.cost.validation and not self._validated:
            rest += max(0.0, self._first - self.step)
        self.tell(f"time: about {duration(rest)} on this machine, {self.step:.3g} s a step")


def cost_of(
    objective: Objective,
    num_classes: int,
    steps: tuple[int, int],
    batch_size: int,
    validation: int = 0,
    checked_by: Attack | None = None,
    inputs: str = "images",
) -> Cost:
    """What a run computes.

    Args:
        objective: What it minimizes; an objective's `passes` tell its weight gradients of a step, 1 without it.
        num_classes: Of the model.
        steps: Steps of an epoch, and of the run; see `Schedule.steps`.
        batch_size: Images of a batch.
        validation: Images of validation.
        checked_by: The attack of validation.
        inputs: The word for several inputs.
    """
    attacked = batch_size - objective.clean_examples(batch_size)
    gradients = input_gradients(objective.attack, objective.ball.norm, num_classes) if attacked else 0.0
    checked = 0.0 if checked_by is None else 1.0
    if checked_by is not None:
        checked = input_gradients(checked_by, objective.ball.norm, num_classes)
    passes, each = getattr(objective, "passes", 1), getattr(objective, "class_passes", 0.0)
    return Cost(
        steps=steps[0],
        epochs=steps[1] // steps[0],
        batch_size=batch_size,
        attacked=attacked,
        input_gradients=gradients,
        weight_gradients=(passes() if callable(passes) else passes) + each * num_classes,
        validation=validation,
        validation_gradients=checked,
        inputs=inputs,
    )


def input_gradients(attack: Attack, norm: str, num_classes: int) -> float:
    """Input gradients of an attack on a batch, at most: steps times restarts, of all its members."""
    if isinstance(attack, Mixed):
        costs = [input_gradients(member, norm, num_classes) for member in attack.members]
        if attack.drawn == "example":
            return sum(costs)
        return float(sum(share * cost for share, cost in zip(attack._shares(), costs, strict=True)))
    rounds = attack.under(norm).rounds(num_classes)
    return float(sum(attempts * part.attempt_gradients(num_classes) for part, attempts in rounds))


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(40), duration(1560), duration(12240)
    ('40 seconds', '26 minutes', '3.4 hours')
    """
    for size, word, most in ((1, "second", 90), (60, "minute", 5400), (3600, "hour", 172800)):
        if seconds < most:
            count = f"{seconds / size:.0f}" if size < 3600 else f"{seconds / size:.1f}"
            return f"{count} {word}{'' if count == '1' else 's'}"
    return f"{seconds / 86400:.1f} days"
