"""What was measured after each epoch of a run: kept in its state, and in the file of the model that it made."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from turtlenet.attacks import attacks
from turtlenet.reports.format import clip

MOST = 500
"""Epochs that a model's file keeps at most."""
EPOCH = "epoch"
NUMBERS = (
    EPOCH,
    "loss",
    "accuracy",
    "robust_accuracy",
    "val_accuracy",
    "val_robust_accuracy",
    "val_crafted_accuracy",
    "val_certified_accuracy",
)
"""What is told of an epoch."""
_LARGEST = 1e9


class Curves(keras.callbacks.Callback):
    """Notes the numbers of every epoch.

    Args:
        notes: Carries them through a killed run, as `history`: for each epoch its number, from 1, and the numbers.
    """

    def __init__(self, notes: dict[str, Any]):
        super().__init__()
        self.notes = notes

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        kept = {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)}
        self.notes.setdefault("history", []).append({EPOCH: epoch + 1, **kept})


def thinned(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most `MOST` epochs, evenly apart, the first and the last among them.

    >>> [each["epoch"] for each in thinned([{"epoch": number} for number in range(1, 999)])][:4]
    [1, 3, 5, 7]
    """
    if len(history) <= MOST:
        return list(history)
    last = len(history) - 1
    return [history[round(number * last / (MOST - 1))] for number in range(MOST)]


def training_told(provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a file's provenance tells of the run that made the model, for reports; empty where it tells nothing.

    It is read and not trusted: what does not look like it is left out, and a name that no attack has is no attack.

    Returns:
        `objective` and `attack` by their names, `steps`, `best_epoch`, and `history`, a list with the numbers of each
        epoch; those of them that are known.
    """
    told = provenance or {}
    found: dict[str, Any] = {}
    recipe = told.get("recipe")
    objective = recipe.get("objective") if isinstance(recipe, dict) else None
    if isinstance(objective, dict) and isinstance(objective.get("name"), str):
        found["objective"] = clip(objective["name"], 60)
        attack = objective.get("attack")
        name = attack.get("name") if isinstance(attack, dict) else None
        found |= {"attack": name} if name in attacks.names() else {}
    run = told.get("training")
    if not isinstance(run, dict):
        return found
    found |= {name: run[name] for name in ("steps", "best_epoch") if type(run.get(name)) is int}
    history = history_of(run.get("history"))
    return found | ({"history": history} if history else {})


def history_of(found: Any) -> list[dict[str, float]]:
    """The epochs of a history that a file tells, each with those of its values that are numbers; empty for none.

    >>> history_of([{"epoch": 1, "loss": 2.0, "accuracy": "x"}]), history_of([{"loss": 2.0}])
    ([{'epoch': 1, 'loss': 2.0}], [])
    """
    listed = found[:MOST] if isinstance(found, list) else []
    history = [_numbers(each) for each in listed if isinstance(each, dict)]
    return history if all(EPOCH in each for each in history) else []


def _numbers(epoch: Mapping[str, Any]) -> dict[str, float]:
    told = {name: epoch[name] for name in NUMBERS if type(epoch.get(name)) in (int, float)}
    return {name: value for name, value in told.items() if -_LARGEST <= value <= _LARGEST}
