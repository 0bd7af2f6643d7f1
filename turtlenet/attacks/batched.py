"""An attack on any number of images: batches of a few sizes, and restarts that see only the survivors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet.attacks.base import Attack
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier

__all__ = ["Outcome", "attack_all", "bucket"]


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
    batch_size: int = 128,
) -> Outcome:
    """Attacks n images in batches.

    Args:
        attack: What to run; each of its rounds sees only the images on which those before it failed.
        model: The classifier under attack.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where the images may move.
        seed: Repeats the draws.
        index: The images' places in their data set; 0, 1, ... if not given.
        target: Classes to answer (n,), in place of the attack's own choice.
        batch_size: Images in one compiled call; changes the speed, not a verdict.
    """
    index = np.arange(len(x), dtype="int32") if index is None else np.asarray(index, "int32")
    outcome = Outcome(x.copy(), np.zeros((len(x), model.num_classes), "float32"), np.zeros(len(x), bool))
    for attempt, part in enumerate(attack.rounds()):
        left = np.flatnonzero(~outcome.reached)
        for start in range(0, len(left), batch_size):
            rows = left[start : start + batch_size]
            padded = np.resize(rows, bucket(len(rows), batch_size))
            crafted = part.run(
                model,
                x[padded],
                y[padded],
                ball=ball,
                seed=seed,
                index=index[padded],
                target=None if target is None else target[padded],
                attempt=attempt,
            )
            _take(outcome, rows, crafted, fresh=attempt == 0, judge=_margin(y))
    return outcome


def bucket(count: int, batch_size: int) -> int:
    """The smallest of batch_size, batch_size/2, batch_size/4, ... (at least 8) that holds `count` images."""
    size = batch_size
    while size // 2 >= max(count, 8):
        size //= 2
    return size


def _take(outcome: Outcome, rows: np.ndarray, crafted: Any, *, fresh: bool, judge: Any) -> None:
    """Keeps what a round found where it beats what was found before."""
    count = len(rows)
    moved, logits = ops.convert_to_numpy(crafted.x)[:count], ops.convert_to_numpy(crafted.logits)[:count]
    reached = ops.convert_to_numpy(crafted.reached)[:count]
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
