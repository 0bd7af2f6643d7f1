"""Runs attacks over a data set block by block: as a table, or as a cascade over the survivors."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.batched import Outcome, attack_all
from turtlenet.balls import Ball
from turtlenet.batches import dealt, in_batches, usual
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.statistics import distances, similarity

__all__ = ["MODES", "Cascade", "judged", "predict"]

MODES = ("cascade", "table")
_BLOCK_BYTES = 64 << 20
_SIMILARITIES = 256


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """Attacks in their order, and how they share the images.

    Args:
        attacks: What to run.
        ball: The threat.
        mode: `table` runs every attack on all images that are classified correctly; `cascade` each on the survivors
            of those before it, stopping at an image's first success.
        labels: `true`, or `predicted`: the attack is given the model's own answers, as papers 000 to 003 did, and
            runs on every image.
        seed: Repeats the draws.
        batch_size: Images in one compiled call; None for as many as fit.
    """

    attacks: Sequence[Attack]
    ball: Ball
    mode: str = "table"
    labels: str = "true"
    seed: int = 0
    batch_size: int | None = 256

    def block_size(self, shape: tuple[int, ...]) -> int:
        """Images held in memory at a time."""
        images = _BLOCK_BYTES // (4 * int(np.prod(shape)))
        size = (self.batch_size or usual()) * backend.process()[1]
        return max(size, min(4096, images) // size * size)

    def variant(self, number: int) -> Attack:
        """An attack as it is run here: in a cascade only the verdict counts, so it stops at an image's success."""
        attack = self.attacks[number]
        if self.mode == "cascade" and hasattr(attack, "early_stop"):
            return dataclasses.replace(attack, early_stop=True)  # type: ignore[call-arg]
        return attack

    def run(
        self,
        model: Classifier,
        examples: Examples,
        ledger: Ledger,
        *,
        after_block: Callable[[Ledger], Any] = lambda ledger: None,
        tick: Callable[[int], Any] = lambda count: None,
    ) -> None:
        """Fills the ledger from where it stands.

        Args:
            model: The classifier under attack.
            examples: Images and true labels.
            ledger: Where results go.
            after_block: Is called after each block, with the ledger.
            tick: Is given the number of images that an attack has finished with.
        """
        size = self.block_size(examples.shape)
        for start in range(ledger.done, len(examples), size):
            rows = np.arange(start, min(start + size, len(examples)))
            block = _Block(rows, *examples.batch(slice(int(rows[0]), int(rows[-1]) + 1)))
            ledger.clean[rows] = predict(model, block.x, self.batch_size).argmax(axis=1)
            standing = ledger.right[rows]
            for number in range(len(self.attacks)):
                hit = self._attack(number, model, block, standing, ledger)
                standing = standing & ~hit if self.mode == "cascade" else standing
                tick(len(rows))
            ledger.done = int(rows[-1]) + 1
            after_block(ledger)

    def _attack(
        self, number: int, model: Classifier, block: "_Block", standing: np.ndarray, ledger: Ledger
    ) -> np.ndarray:
        """Runs one attack on one block; gives the images of the block that it broke."""
        naive = self.labels == "predicted"
        mine = block.only(np.ones_like(standing) if naive and self.mode == "table" else standing)
        ledger.correct[number, block.rows] = standing
        began = time.perf_counter()
        outcome = attack_all(
            self.variant(number),
            model,
            mine.x,
            ledger.clean[mine.rows] if naive else mine.y,
            ball=self.ball,
            seed=self.seed,
            index=mine.rows,
            batch_size=self.batch_size,
        )
        ledger.cost[number] += time.perf_counter() - began, outcome.gradients, outcome.queries
        if model.stochastic:
            labels = ledger.clean[mine.rows] if naive else mine.y
            outcome = judged(model, outcome, labels, self.batch_size, targeted=self.attacks[number].targeted)
        self._note(number, mine, outcome, ledger)
        return standing & ~ledger.correct[number, block.rows]

    def _note(self, number: int, mine: "_Block", outcome: Outcome, ledger: Ledger) -> None:
        ledger.attacked[number, mine.rows] = True
        ledger.reached[number, mine.rows] = outcome.reached
        ledger.correct[number, mine.rows] = outcome.logits.argmax(axis=1) == mine.y
        ledger.loss[number, mine.rows] = _cross_entropy(outcome.logits, mine.y)
        found = np.flatnonzero(outcome.reached)
        full = self.ball.full
        for name, values in distances(mine.x[found], outcome.x[found], full).items():
            ledger.distance[name][number, mine.rows[found]] = values
        seen = int(np.isfinite(ledger.distance["ssim"][number]).sum())
        few = found[: max(0, _SIMILARITIES - seen)]
        ledger.distance["ssim"][number, mine.rows[few]] = similarity(mine.x[few], outcome.x[few], full)


@dataclass(frozen=True)
class _Block:
    """Images held in memory: their places in the data set, their pixels and their labels."""

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def only(self, mask: np.ndarray) -> "_Block":
        return _Block(self.rows[mask], self.x[mask], self.y[mask])


def judged(
    model: Classifier, outcome: Outcome, y: np.ndarray, batch_size: int | None, *, targeted: bool = False
) -> Outcome:
    """What a random model answers to the examples in draws that the attack has not seen: luck is no success."""
    fresh = predict(model.taking(seed=model.seed + 1), outcome.x, batch_size)
    answer = fresh.argmax(axis=1)
    reached = outcome.reached & (answer == outcome.logits.argmax(axis=1)) if targeted else answer != y
    return dataclasses.replace(outcome, logits=fresh, reached=reached)


def predict(model: Classifier, x: np.ndarray, batch_size: int | None) -> np.ndarray:
    """Logits of n images, float32 (n, classes), in batches of a few sizes, over all processes."""

    def share() -> np.ndarray:
        logits = np.empty((len(x), model.num_classes), "float32")
        for rows, found in in_batches(model, dealt(len(x)), batch_size, lambda rows: model.predict(x[rows])):
            logits[rows] = found[: len(rows)]
        return logits[dealt(len(x))]

    parts = backend.gather(share)
    logits = np.empty((len(x), model.num_classes), "float32")
    for number, part in enumerate(parts):
        logits[number :: len(parts)] = part
    return logits


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide = logits.astype("float64")
    top = wide.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(wide - top).sum(axis=1)) - wide[np.arange(len(y)), y]
