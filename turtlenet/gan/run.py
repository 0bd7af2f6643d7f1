"""One run of a generator's training, which survives being killed."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import ModelError, SettingError
from turtlenet.gan.objective import GeneratorObjective, Players
from turtlenet.gan.trainer import GanTrainer
from turtlenet.training.run import Schedule
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.network import History, NetworkRun, RunOptions

_SHOWN = {
    "adversarial": "adversarial",
    "gan": "gan",
    "hinge": "hinge",
    "success": "success",
    "val_success": "val success",
}


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The means of an epoch: the terms of the losses, and the success on training and validation images.

    Attributes:
        gan: The generator's side; None where no discriminator plays.
        discriminator: The discriminator's side, likewise.
        val_success: None without validation.
    """

    adversarial: float
    hinge: float
    success: float
    gan: float | None = None
    discriminator: float | None = None
    val_success: float | None = None


@dataclass(frozen=True, kw_only=True)
class GanRun(NetworkRun):
    """What a run did.

    Attributes:
        val_success: That of the best epoch on the validation images.
        stopped_early: Whether the run ended because success no longer rose.
    """

    epochs: tuple[Epoch, ...]
    val_success: float | None
    stopped_early: bool


def check_game(game: GeneratorObjective, victim: Classifier, patience: int) -> None:
    """Refuses what a run cannot work with.

    Raises:
        ModelError: A target that no classifier can answer.
        SettingError: Less than no patience.
    """
    if patience < 0:
        raise SettingError(f"Expected patience >= 0 epochs; got {patience}.")
    if game.target and int(game.target) >= victim.num_classes:
        raise ModelError(f"Expected a target class from 0 to {victim.num_classes - 1}; got {game.target}.")


def train_players(
    players: Players,
    victims: Sequence[Classifier],
    examples: Examples,
    schedule: Schedule,
    *,
    patience: int = 0,
    keep_last: bool = False,
    **how: Any,
) -> GanRun:
    """Trains a generator and its discriminator in place, and leaves the generator with its best weights.

    Args:
        players: Both networks, the rules and the ball.
        victims: What to attack.
        examples: What to train on.
        schedule: How long and how fast; always Adam.
        patience: Epochs without a better success after which to stop; 0 never stops early.
        keep_last: Whether the last epoch counts as the best, where each has other classifiers to succeed against.
        **how: See `RunOptions`; on validation images the success is measured, on the first classifier.

    Raises:
        ModelError: A target that no classifier can answer.
        SettingError: The state to continue from belongs to a run with other settings.
        OutputError: The state cannot be read or written.
    """
    check_game(players.game, victims[0], patience)
    options = RunOptions(**how)
    ball = {"norm": players.ball.norm, "eps": float(players.ball.eps)}
    notes = options.notes(schedule, **ball, game=dataclasses.asdict(players.game), patience=patience)
    trainer = GanTrainer(players, victims, seed=schedule.seed)
    best: Best = (_LastGenerator if keep_last else _BestGenerator)(notes)
    history = History(notes, Epoch, digits=6, patience=patience)
    did = options.fit(trainer, players.weights, best, history, examples, schedule, shown=_SHOWN)
    success = notes["best"][-1] if "best" in notes else None
    return GanRun(**did, val_success=success, stopped_early=bool(notes.get("stopped")))


class _BestGenerator(Best):
    """Keeps the generator of the epoch with the most success on validation images."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        success = logs.get("val_success")
        return None if success is None else [round(float(success), 6)]


class _LastGenerator(_BestGenerator):
    """Keeps the generator of the last epoch."""

    def rank(self, logs: dict[str, Any]) -> list[float] | None:
        success = super().rank(logs)
        return None if success is None else [len(self.notes.get("history", ())), *success]
