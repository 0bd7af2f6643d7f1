"""A generator from a model's answers alone: a substitute learns them, and the generator trains on the substitute."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from turtlenet import random
from turtlenet.bars import aside
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.gan import GanRun, Players, train_players
from turtlenet.training import Schedule
from turtlenet.training.surrogates.oracle import Oracle
from turtlenet.training.surrogates.substitute import fit_answers


def distill(
    players: Players,
    oracle: Oracle,
    student: Classifier,
    others: Sequence[Classifier],
    examples: Examples,
    schedule: Schedule,
    *,
    dynamic: bool,
    passes: int,
    tell: Callable[[str], None],
    state: dict[str, Any],
    **same: Any,
) -> GanRun:
    """Trains a substitute on a model's answers, and a generator on the substitute's gradients (Xiao et al., 2018).

    Args:
        players: The generator and its discriminator.
        oracle: Answers for the model, and counts the questions.
        student: The substitute, with fresh weights.
        others: Further models that the generator is trained against.
        examples: What to train on.
        schedule: Of the generator.
        dynamic: Whether the substitute learns, after each epoch, from the answers to the generator's own examples.
        passes: Over the images in the substitute's first training.
        tell: Is given what happens, a line each.
        state: How a static run is put down and taken up, as arguments of `train_players`.
        same: Further arguments of `train_players`.

    Returns:
        What the run did. Of a dynamic one the last generator is kept: each epoch meets another substitute, and the
        best by success would be the one that an easier one fell to.
    """
    x, y = examples.batch(slice(None))
    answers = oracle.ask(x)
    fit_answers(student, x, answers, epochs=passes, batch_size=schedule.batch_size, seed=schedule.seed)
    tell(f"substitute: trained on {oracle.queries:,} answers")
    if not dynamic:
        return train_players(players, [student, *others], examples, schedule, tell=tell, **state, **same)
    turns = _Turns(oracle, student, (x, answers), schedule, aside(tell))
    same["callbacks"] = [turns, *same.get("callbacks", ())]
    return train_players(players, [student, *others], examples, schedule, keep_last=True, **same)


class _Turns(keras.callbacks.Callback):
    """Has the substitute learn, after each epoch but the last, from the answers to the generator's own examples.

    All turns are one run: the generator's and the discriminator's Adam goes on from turn to turn, as the substitute's
    does, and so does the learning rate.

    Args:
        oracle: Answers for the model.
        student: The substitute.
        known: The images, float32 (n, ...), and the answers to them, float32 (n, classes).
        schedule: Of the generator.
        tell: Is given a line after each turn.
    """

    def __init__(
        self,
        oracle: Oracle,
        student: Classifier,
        known: tuple[np.ndarray, np.ndarray],
        schedule: Schedule,
        tell: Callable[[str], None],
    ):
        super().__init__()
        self.oracle, self.student, self.known, self.schedule, self.tell = oracle, student, known, schedule, tell

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        schedule, (x, answers) = self.schedule, self.known
        if epoch + 1 == schedule.epochs:
            # Nobody would learn from further answers.
            return
        # Asked for by `self.model`, which has its variables up to date under JAX.
        players = self.model.players
        moved = np.concatenate([_moved(players, part) for part in np.array_split(x, -(-len(x) // 256))])
        both = np.concatenate([x, moved]), np.concatenate([answers, self.oracle.ask(moved)])
        fit_answers(self.student, *both, epochs=1, batch_size=schedule.batch_size, seed=schedule.seed + epoch)
        self.tell(f"turn {epoch + 1} of {schedule.epochs}: {self.oracle.queries:,} queries")


def _moved(players: Players, x: np.ndarray) -> np.ndarray:
    keys = random.keys(0, np.arange(len(x), dtype="int32"))
    moved: np.ndarray = keras.ops.convert_to_numpy(players.moved(keras.ops.convert_to_tensor(x), keys))
    return moved
