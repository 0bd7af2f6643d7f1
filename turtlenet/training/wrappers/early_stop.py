"""The end of a run that no longer gets better."""

from dataclasses import dataclass
from typing import Any

import keras

from turtlenet.errors import SettingError
from turtlenet.training.objective.base import Objective
from turtlenet.training.wrappers.base import Plan, Wrapper, check_share, wrappers


@wrappers.register("early-stop")
@dataclass(frozen=True, kw_only=True)
class EarlyStop(Wrapper):
    """Stops after some epochs without a better robust validation accuracy (Rice et al., 2020).

    The best weights are kept in any case; this saves the time after them. Epochs count from the best one on, by the
    weights that are judged; clean accuracy breaks a tie.

    Args:
        patience: Epochs without a better one, at least 1.
        start: Share of the run before which it never stops: while the radius grows, accuracy may fall.
    """

    patience: int = 5
    start: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience < 1:
            raise SettingError(f"Expected patience >= 1 epochs; got {self.patience}.")
        check_share("start", self.start)

    def check(self, objective: Objective, plan: Plan) -> None:
        if not plan.validated:
            raise SettingError("Expected validation data for early-stop; got none.")

    def callbacks(self, notes: dict[str, Any], plan: Plan) -> list[keras.callbacks.Callback]:
        return [_Stop(self.patience, -(-plan.at(self.start) // plan.epoch), notes)]


class _Stop(keras.callbacks.Callback):
    """Reads the best epoch from the notes of a run, and stops it."""

    def __init__(self, patience: int, start: int, notes: dict[str, Any]):
        super().__init__()
        self.patience = patience
        self.start = start
        self.notes = notes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done = epoch + 1
        if done >= self.start and done - self.notes.get("best_epoch", done) >= self.patience:
            self.notes["stopped"] = True
            self.model.stop_training = True
