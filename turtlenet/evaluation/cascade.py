"""Runs attacks over a data set block by block: as a table, or as a cascade over the survivors."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.runner import Outcome, attack_all
from turtlenet.balls import Ball
from turtlenet.batching import predict, usual
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.reports.statistics import distances, similarity

MODES = ("cascade", "table")
_BLOCK_BYTES = 64 << 20
_SIMILARITIES = 256
_STRETCHES = (1.1, 1.25, 1.5, 2.0)


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
        quantize_pixels: Whether a success counts only if it survives rounding to 8-bit pixels.
        spared: Images that no attack is run on, because they are certified, bool (n,); None for none.
    """

    attacks: Sequence[Attack]
    ball: Ball
    mode: str = "table"
    labels: str = "true"
    seed: int = 0
    batch_size: int | None = 256
    quantize_pixels: bool = False
    spared: np.ndarray | None = None

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
        ledger: PerImageResults,
        *,
        after_block: Callable[[PerImageResults], Any] = lambda ledger: None,
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

    def tried(
        self,
        attack: Attack,
        model: Classifier,
        x: np.ndarray,
        y: np.ndarray,
        *,
        ball: Ball,
        seed: int,
        index: np.ndarray,
        looked: Ball | None = None,
    ) -> tuple[Outcome, np.ndarray]:
        """What an attack does to images, as it counts here.

        Args:
            attack: What to run.
            model: The classifier under attack.
            x: Images, float32 (n, ...).
            y: Labels, int32 (n,).
            ball: Where a success counts.
            seed: Repeats the draws.
            index: The images' places in the data set.
            looked: Where it looks; there, if not given.

        Returns:
            The outcome after rounding, and in draws that the attack has not seen; and the images where a success did
            not happen again in those, bool (n,).
        """
        found = attack_all(
            attack, model, x, y, ball=looked or ball, seed=seed, index=index, batch_size=self.batch_size
        )
        if not (model.stochastic or self.quantize_pixels):
            return found, np.zeros(len(x), bool)
        targeted = attack.targeted

        def judge(moved: np.ndarray, rows: np.ndarray) -> Outcome:
            mine = found.at(rows)
            return judged(model, dataclasses.replace(mine, x=moved), y[rows], self.batch_size, targeted=targeted)

        everything = np.arange(len(x))
        if not self.quantize_pixels:
            outcome = judge(found.x, everything)
            return outcome, found.reached & ~outcome.reached
        outcome = judge(eight_bit(found.x, x, ball), everything)
        # The smallest perturbation ends on the edge, and falls back when it is rounded; a little beyond it does not.
        smallest = np.array([part.minimal for part, _ in attack.under(ball.norm).rounds(model.num_classes)])
        for stretch in _STRETCHES if smallest.any() else ():
            rows = np.flatnonzero(found.reached & ~outcome.reached & smallest[found.part])
            if not len(rows):
                break
            farther = x[rows] + stretch * (found.x[rows] - x[rows])
            inside = np.asarray(ball.project(np.clip(farther, ball.low, ball.high), x[rows]))
            outcome.put(rows, judge(eight_bit(inside, x[rows], ball), rows))
        return outcome, found.reached & ~outcome.reached & model.stochastic

    def wrong(self, model: Classifier, x: np.ndarray, y: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Whether perturbed images count as broken wherever they lie in the ball, bool (n,).

        What is asked for is asked here too: that they survive rounding to 8-bit pixels, and other draws of a random
        model than those in which they were found.
        """
        if self.quantize_pixels:
            moved = eight_bit(moved, x, self.ball)
        fresh = model.taking(seed=model.seed + 1) if model.stochastic else model
        answers: np.ndarray = predict(fresh, moved, self.batch_size).argmax(axis=1)
        return (answers != y) & inside(self.ball, x, moved)

    def searched(self, number: int, model: Classifier) -> Ball:
        """Where an attack looks: in its own ball or the threat's, or everywhere for the smallest perturbation."""
        attack = self.variant(number)
        ball = attack.own_ball(self.ball, model.input_shape)
        # One search for the smallest perturbation answers for every radius; one that shall be content with the first
        # success needs the radius to tell it. Those that stop by default go outwards, and find the smallest first.
        content = getattr(attack, "early_stop", False) and not getattr(type(attack), "early_stop", False)
        everywhere = attack.minimal and self.mode == "table" and not content
        return ball.with_eps(ball.widest(model.input_shape)) if everywhere else ball

    def _attack(
        self, number: int, model: Classifier, block: "_Block", standing: np.ndarray, ledger: PerImageResults
    ) -> np.ndarray:
        """Runs one attack on one block; gives the images of the block that it broke."""
        naive = self.labels == "predicted"
        attack = self.variant(number)
        ball = attack.own_ball(self.ball, model.input_shape)
        looked = self.searched(number, model)
        tried = np.ones_like(standing) if naive and self.mode == "table" else standing
        # A certificate speaks of the threat alone: not of a ball of the attack's own, nor of all that lies beyond.
        spares = self.spared is not None and looked == self.ball
        mine = block.only(tried & ~self.spared[block.rows] if spares else tried)  # type: ignore[index]
        ledger.correct[number, block.rows] = standing
        began = time.perf_counter()
        labels = ledger.clean[mine.rows] if naive else mine.y
        outcome, lucky = self.tried(
            attack, model, mine.x, labels, ball=ball, looked=looked, seed=self.seed, index=mine.rows
        )
        ledger.cost[number] += time.perf_counter() - began, outcome.gradients.sum(), outcome.queries.sum()
        ledger.queries[number, mine.rows] = outcome.queries
        ledger.lucky[number, mine.rows] = lucky
        ledger.part[number, mine.rows] = outcome.part
        self._note(number, mine, outcome, ledger, ball)
        return standing & ~ledger.correct[number, block.rows]

    def _note(self, number: int, mine: "_Block", outcome: Outcome, ledger: PerImageResults, ball: Ball) -> None:
        ledger.attacked[number, mine.rows] = True
        length = ball.length(outcome.x, mine.x)
        ledger.minimum[number, mine.rows] = np.where(outcome.reached, length, np.inf)
        far = ~inside(ball, mine.x, outcome.x) if self.attacks[number].minimal else np.zeros(len(mine.x), bool)
        ledger.near[number, mine.rows] = inside(self.ball, mine.x, outcome.x) if ball != self.ball else ~far
        ledger.reached[number, mine.rows] = outcome.reached & ~far
        right = outcome.logits.argmax(axis=1) == mine.y
        ledger.correct[number, mine.rows] = np.where(far, ledger.right[mine.rows], right)
        ledger.loss[number, mine.rows] = _cross_entropy(outcome.logits, mine.y)
        found = np.flatnonzero(outcome.reached & ~far)
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


def inside(ball: Ball, x: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Whether perturbed images are finite and lie in the ball and the bounds, one float32 ulp apart, bool (n,)."""
    size = int(np.prod(x.shape[1:]))
    whole = np.isfinite(moved).reshape(len(x), size).all(axis=1)
    moved = np.where(np.isfinite(moved), moved, x)
    reach = float(ball.eps) * (1 + 1e-6) + slack(ball, x.shape[1:])
    near = ball.length(moved, x) <= reach
    ulp = _ulp(ball)
    pixels = moved.reshape(len(x), size)
    within = ((pixels >= ball.low - ulp) & (pixels <= ball.high + ulp)).all(axis=1)
    found: np.ndarray = whole & near & within
    return found


def slack(ball: Ball, shape: tuple[int, ...]) -> float:
    """How much a length in a ball's norm can grow by the rounding of each float32 pixel, in input units."""
    # A number of values that change does not round.
    return _ulp(ball) * ball.span(int(np.prod(shape))) if ball.order else 0.0


def _ulp(ball: Ball) -> float:
    return float(np.spacing(np.float32(max(abs(ball.low), abs(ball.high)))))


def judged(
    model: Classifier, outcome: Outcome, y: np.ndarray, batch_size: int | None, *, targeted: bool = False
) -> Outcome:
    """What a random model answers to the examples in draws that the attack has not seen: luck is no success."""
    fresh = predict(model.taking(seed=model.seed + 1), outcome.x, batch_size)
    answer = fresh.argmax(axis=1)
    reached = outcome.reached & (answer == outcome.logits.argmax(axis=1)) if targeted else answer != y
    return dataclasses.replace(outcome, logits=fresh, reached=reached)


def eight_bit(moved: np.ndarray, x: np.ndarray, ball: Ball) -> np.ndarray:
    """Rounds perturbed images to 256 values of a pixel, within the ball around the images they come from.

    A value goes to the nearest one, or, in an image that would leave the ball by that, to the next one towards the
    original: no norm grows by it, if the original has 8-bit pixels itself.
    """
    level = (ball.high - ball.low) / 255
    units, origin = (moved.astype("float64") - ball.low) / level, (x.astype("float64") - ball.low) / level
    nearest, nearer = np.rint(units), np.where(units > origin, np.floor(units + 1e-4), np.ceil(units - 1e-4))
    rounded, careful = ((ball.low + level * each).astype("float32") for each in (nearest, nearer))
    leaves = ball.length(rounded, x) > float(ball.eps) * (1 + 1e-6)
    rounded[leaves] = careful[leaves]
    # What did not move stays as it was, on the grid or not.
    return np.where(moved == x, x, np.clip(rounded, ball.low, ball.high))


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide = logits.astype("float64")
    top = wide.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(wide - top).sum(axis=1)) - wide[np.arange(len(y)), y]
