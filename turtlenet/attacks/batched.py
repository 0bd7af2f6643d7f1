"""An attack on any number of images: in batches, over all processes, with restarts that see only the survivors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import Attack, Crafted
from turtlenet.balls import Ball
from turtlenet.batches import dealt, in_batches
from turtlenet.classifier import Classifier

__all__ = ["Outcome", "attack_all"]


@dataclass
class Outcome:
    """What an attack did to n images; arrays on the host.

    Attributes:
        x: Adversarial examples, float32 (n, ...).
        logits: Logits at them, float32 (n, classes).
        reached: Whether the attack's goal was reached, bool (n,).
        gradients: Input gradients computed, over all images.
        queries: Forward passes without a gradient, over all images.
    """

    x: np.ndarray
    logits: np.ndarray
    reached: np.ndarray
    gradients: int = 0
    queries: int = 0


def attack_all(
    attack: Attack,
    model: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    *,
    ball: Ball,
    seed: int = 0,
    index: np.ndarray | None = None,
    target: np.ndarray | None = None,
    batch_size: int | None = 128,
) -> Outcome:
    """Attacks n images in batches, each process of a cluster its share of them.

    Args:
        attack: What to run; each of its rounds sees only the images on which those before it failed.
        model: The classifier under attack.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where the images may move.
        seed: Repeats the draws.
        index: The images' places in their data set; 0, 1, ... if not given.
        target: Classes to answer (n,), in place of the attack's own choice.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.

    Raises:
        SettingError: Not enough memory for the batch size.
    """
    index = np.arange(len(x), dtype="int32") if index is None else np.asarray(index, "int32")
    mine = dealt(len(x))

    def share() -> Outcome:
        aims = None if target is None else target[mine]
        return _attack(attack, model, x[mine], y[mine], ball, seed, index[mine], aims, batch_size)

    return _together(backend.gather(share), len(x))


def _attack(
    attack: Attack,
    model: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    ball: Ball,
    seed: int,
    index: np.ndarray,
    target: np.ndarray | None,
    batch_size: int | None,
) -> Outcome:
    outcome = Outcome(x.copy(), np.zeros((len(x), model.num_classes), "float32"), np.zeros(len(x), bool))
    for attempt, part in enumerate(attack.rounds()):

        def craft(rows: np.ndarray, attempt: int = attempt, part: Attack = part) -> Crafted:
            aims = None if target is None else target[rows]
            place = {"seed": seed, "index": index[rows], "target": aims, "attempt": attempt}
            return Crafted(*map(ops.convert_to_numpy, part.run(model, x[rows], y[rows], ball=ball, **place)))

        for rows, crafted in in_batches(model, np.flatnonzero(~outcome.reached), batch_size, craft):
            _take(outcome, rows, crafted, fresh=attempt == 0, judge=_margin(y))
    return outcome


def _together(parts: list[Outcome], count: int) -> Outcome:
    """The outcome of all images from those that the processes attacked in turn."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    whole = Outcome(
        np.empty((count, *first.x.shape[1:]), "float32"),
        np.empty((count, first.logits.shape[1]), "float32"),
        np.empty(count, bool),
        sum(part.gradients for part in parts),
        sum(part.queries for part in parts),
    )
    for number, part in enumerate(parts):
        mine = slice(number, None, len(parts))
        whole.x[mine], whole.logits[mine], whole.reached[mine] = part.x, part.logits, part.reached
    return whole


def _take(outcome: Outcome, rows: np.ndarray, crafted: Any, *, fresh: bool, judge: Any) -> None:
    """Keeps what a round found where it beats what was found before."""
    count = len(rows)
    moved, logits, reached = crafted.x[:count], crafted.logits[:count], crafted.reached[:count]
    better = np.ones(count, bool) if fresh else reached | (judge(logits, rows) > judge(outcome.logits[rows], rows))
    outcome.x[rows[better]] = moved[better]
    outcome.logits[rows[better]] = logits[better]
    outcome.reached[rows] |= reached
    outcome.gradients += int(crafted.gradients) * count
    outcome.queries += int(crafted.queries) * count


def _margin(y: np.ndarray) -> Any:
    """How near an image is to being misclassified, to choose between two attempts that failed."""

    def margin(logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        own = np.arange(logits.shape[1]) == y[rows][:, None]
        return np.max(np.where(own, -np.inf, logits), axis=1) - np.max(np.where(own, logits, -np.inf), axis=1)

    return margin
