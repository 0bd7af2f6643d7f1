"""A generator from a model's answers alone: a substitute learns them, and the generator trains on the substitute."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from turtlenet import random
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
    """
    x, y = examples.batch(slice(None))
    answers = oracle.ask(x)
    fit_answers(student, x, answers, epochs=passes, batch_size=schedule.batch_size, seed=schedule.seed)
    tell(f"substitute: trained on {oracle.queries:,} answers")
    if not dynamic:
        return train_players(players, [student, *others], examples, schedule, tell=tell, **state, **same)
    runs = []
    for number in range(schedule.epochs):
        turn = dataclasses.replace(schedule, epochs=1, seed=schedule.seed + number)
        runs.append(train_players(players, [student, *others], examples, turn, **same))
        if number + 1 == schedule.epochs:
            # Nobody would learn from further answers.
            break
        moved = np.concatenate([_moved(players, part) for part in np.array_split(x, -(-len(x) // 256))])
        both = np.concatenate([x, moved]), np.concatenate([answers, oracle.ask(moved)])
        fit_answers(student, *both, epochs=1, batch_size=schedule.batch_size, seed=schedule.seed + number)
        tell(f"turn {number + 1} of {schedule.epochs}: {oracle.queries:,} queries")
    epochs = tuple(epoch for run in runs for epoch in run.epochs)
    # Each turn meets another substitute: the last generator is kept, not the one that an easier one fell to.
    return dataclasses.replace(
        runs[-1],
        steps=sum(run.steps for run in runs),
        seconds=round(sum(run.seconds for run in runs), 3),
        epochs=epochs,
        best_epoch=schedule.epochs if runs[-1].best_epoch else None,
    )


def _moved(players: Players, x: np.ndarray) -> np.ndarray:
    keys = random.keys(0, np.arange(len(x), dtype="int32"))
    moved: np.ndarray = keras.ops.convert_to_numpy(players.moved(keras.ops.convert_to_tensor(x), keys))
    return moved
