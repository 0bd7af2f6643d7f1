"""Logs the curves of a training run."""

from typing import Any

import keras

from turtlenet.tracking import Logs

_POINTS = 20
"""Within an epoch."""


class LogCurves(keras.callbacks.Callback):
    """Logs the numbers of training a few times an epoch, and those of validation after each.

    Args:
        logs: The logs of the run.
        steps: Steps of a whole epoch.
    """

    def __init__(self, logs: Logs, steps: int):
        super().__init__()
        self.logs = logs
        self.steps = steps
        self._before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # A run that continues within an epoch has the rest of its steps alone.
        self._before = (epoch + 1) * self.steps - (self.params.get("steps") or self.steps)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # To read a number is to wait for the device.
        if self.logs and (self._before + batch + 1) % max(1, self.steps // _POINTS) == 0:
            self.logs.numbers(logs or {}, self._before + batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = {name: value for name, value in (logs or {}).items() if name.startswith("val_")}
        self.logs.numbers({**values, "epoch": epoch + 1}, (epoch + 1) * self.steps)
