"""One run of the training of a front's network, which survives being killed."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from turtlenet.data import Examples
from turtlenet.training.fronts.objectives import FrontObjective
from turtlenet.training.fronts.trainer import FrontTrainer
from turtlenet.training.run import Schedule
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.network import History, NetworkRun, RunOptions

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
class FrontRun(NetworkRun):
    """What a run did."""

    epochs: tuple[FrontEpoch, ...]


def train_network(objective: FrontObjective, examples: Examples, schedule: Schedule, **how: Any) -> FrontRun:
    """Trains a front's network in place, and leaves it with the weights of the least validation error.

    Args:
        objective: The network and its losses.
        examples: What to train on.
        schedule: How long and how fast; always Adam.
        **how: See `RunOptions`; validation images are not looked at where the network makes images from noise.

    Raises:
        SettingError: The state to continue from belongs to a run with other settings.
        OutputError: The state cannot be read or written.
    """
    options = RunOptions(**how)
    if not objective.judged:
        options = dataclasses.replace(options, validation=None)
    notes = options.notes(schedule)
    trainer = FrontTrainer(objective, learning_rate=schedule.learning_rate, seed=schedule.seed)
    best, history = _LeastError(notes), History(notes, FrontEpoch, digits=9)
    weights = objective.network.trainable_variables
    told: dict[str, Any] = {"shown": _SHOWN, "momentum": objective.momentum}
    return FrontRun(**options.fit(trainer, weights, best, history, examples, schedule, **told))


class _LeastError(Best):
    """Keeps the network of the epoch with the least error on validation images."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        error = logs.get("val_error")
        return None if error is None else [-round(float(error), 9)]
