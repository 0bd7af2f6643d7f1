"""Runs attacks over a data set block by block: as a table, or as a cascade over the survivors."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.run.runner import AttemptRange, Outcome, attack_all
from turtlenet.balls import Ball, is_plain
from turtlenet.batching import check_answers, predict, softmax, usual
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.chance import fooled
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.time_limit import TimeLimit
from turtlenet.evaluation.within_ball import eight_bit, inside
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
        spans: Those of its attempts that each attack makes; all, if empty.
        random: Whether the model draws random numbers. A first success then says little of the next draw: attacks go
            on beyond it, and the next ones take up what not every fresh draw got wrong.
    """

    attacks: Sequence[Attack]
    ball: Ball
    mode: str = "table"
    labels: str = "true"
    seed: int = 0
    batch_size: int | None = 256
    quantize_pixels: bool = False
    spared: np.ndarray | None = None
    spans: Sequence[AttemptRange] = ()
    random: bool = False

    def block_size(self, shape: tuple[int, ...]) -> int:
        """Images held in memory at a time."""
        images = _BLOCK_BYTES // (4 * int(np.prod(shape)))
        size = (self.batch_size or usual()) * backend.process()[1]
        return max(size, min(4096, images) // size * size)

    def variant(self, number: int) -> Attack:
        """An attack as it is run here: in a cascade only the verdict counts, so it stops at an image's success."""
        attack = self.attacks[number]
        if self.mode == "cascade" and not self.random and hasattr(attack, "early_stop"):
            return dataclasses.replace(attack, early_stop=True)  # type: ignore[call-arg]
        return attack

    def run(
        self,
        model: Classifier,
        examples: Examples,
        per_image: PerImageResults,
        *,
        after_block: Callable[[PerImageResults], Any] = lambda per_image: None,
        tick: Callable[[int], Any] = lambda count: None,
        limit: TimeLimit | None = None,
    ) -> None:
        """Fills the results from where they stand.

        Args:
            model: The classifier under attack.
            examples: Images and true labels.
            per_image: Where results go.
            after_block: Is called after each block, with the results.
            tick: Is given the number of images that an attack has finished with.
            limit: The time; blocks are batches then, and there is none after the last that fits.

        Raises:
            SettingError: Not one batch fits into the time.
        """
        size = (
            self.block_size(examples.shape) if limit is None else (self.batch_size or usual()) * backend.process()[1]
        )
        for start in range(per_image.done, len(examples), size):
            if limit is not None and start and not backend.from_first(limit.has_room):
                return
            rows = np.arange(start, min(start + size, len(examples)))
            block = ImageBlock(rows, *examples.batch(slice(int(rows[0]), int(rows[-1]) + 1)))
            self.ask(model, block, per_image)
            whole = standing = per_image.right[rows]
            if limit is not None:
                limit.start_lap()
            for number in range(len(self.attacks)):
                hit = self.attack_block(number, model, block, standing, per_image)
                if self.mode == "cascade":
                    standing, whole = standing & ~hit, whole & per_image.correct[number, rows]
                    per_image.correct[number, rows] = whole
                tick(len(rows))
                if limit is not None and not start and backend.from_first(lambda: limit.over):
                    raise limit.refuse(examples.kind.count(len(rows)), number + 1, len(self.attacks))
            per_image.done = int(rows[-1]) + 1
            after_block(per_image)
            if limit is not None:
                limit.end_lap()

    def ask(self, model: Classifier, block: "ImageBlock", per_image: PerImageResults) -> None:
        """Notes what the model answers to a block before any attack."""
        logits = predict(model, block.x, self.batch_size, block.y)
        check_answers(logits)
        per_image.clean[block.rows] = logits.argmax(axis=1)
        per_image.clean_confidence[block.rows] = softmax(logits).max(axis=1)
        per_image.clean_parts[block.rows] = _parts_that_hold(logits, per_image)

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
        span: AttemptRange | None = None,
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
            span: Those of its attempts to make; all, if not given.

        Returns:
            The outcome after rounding, and in draws that the attack has not seen; and the images where a success did
            not happen again in those, bool (n,).
        """
        where: dict[str, Any] = {"ball": looked or ball, "seed": seed, "index": index}
        crafted = attack_all(attack, model, x, y, **where, batch_size=self.batch_size, span=span)
        if not (model.stochastic or self.quantize_pixels):
            return crafted, np.zeros(len(x), bool)
        targeted = attack.targeted

        def judge(perturbed: np.ndarray, rows: np.ndarray) -> Outcome:
            part_outcome = crafted.at(rows)
            return judged(
                model, dataclasses.replace(part_outcome, x=perturbed), y[rows], self.batch_size, targeted=targeted
            )

        everything = np.arange(len(x))
        if not self.quantize_pixels:
            outcome = judge(crafted.x, everything)
            return outcome, crafted.reached & ~outcome.reached
        outcome = judge(eight_bit(crafted.x, x, ball), everything)
        # The smallest perturbation ends on the edge, and falls back when it is rounded; a little beyond it does not.
        smallest = np.array([part.minimal for part, _ in attack.under(ball.norm).rounds(model.num_classes)])
        for stretch in _STRETCHES if smallest.any() else ():
            rows = np.flatnonzero(crafted.reached & ~outcome.reached & smallest[crafted.part])
            if not len(rows):
                break
            farther = x[rows] + stretch * (crafted.x[rows] - x[rows])
            inside = np.asarray(ball.project(np.clip(farther, ball.low, ball.high), x[rows]))
            outcome.put(rows, judge(eight_bit(inside, x[rows], ball), rows))
        return outcome, crafted.reached & ~outcome.reached & model.stochastic

    def wrong(self, model: Classifier, x: np.ndarray, y: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
        """Whether perturbed images count as broken wherever they lie in the ball, bool (n,).

        What is asked for is asked here too: that they survive rounding to 8-bit pixels, and other draws of a random
        model than those in which they were found.
        """
        if self.quantize_pixels:
            perturbed = eight_bit(perturbed, x, self.ball)
        fresh = model.taking(seed=model.seed + 1) if model.stochastic else model
        answers: np.ndarray = predict(fresh, perturbed, self.batch_size, y).argmax(axis=1)
        return (answers != model.classes(y)) & inside(self.ball, x, perturbed)

    def searched(self, number: int, model: Classifier) -> Ball:
        """Where an attack looks: in its own ball or the threat's, or everywhere for the smallest perturbation."""
        attack = self.variant(number)
        ball = attack.own_ball(self.ball, model.input_shape)
        # One search for the smallest perturbation answers for every radius; one that shall be content with the first
        # success needs the radius to tell it. Those that stop by default go outwards, and find the smallest first.
        content = getattr(attack, "early_stop", False) and not getattr(type(attack), "early_stop", False)
        everywhere = attack.minimal and self.mode == "table" and not content
        return ball.with_eps(ball.widest(model.input_shape)) if everywhere else ball

    def attack_block(
        self, number: int, model: Classifier, block: "ImageBlock", standing: np.ndarray, per_image: PerImageResults
    ) -> np.ndarray:
        """Runs one attack on one block.

        Args:
            number: Which attack.
            model: The classifier under attack.
            block: The images.
            standing: Those of them that nothing has broken yet, bool (m,).
            per_image: Where results go.

        Returns:
            Those that it broke, for good (see `PerImageResults.settled`), bool (m,).
        """
        naive = self.labels == "predicted"
        attack = self.variant(number)
        ball = attack.own_ball(self.ball, model.input_shape)
        looked = self.searched(number, model)
        tried = np.ones_like(standing) if naive and self.mode == "table" else standing
        if self.spared is not None and looked == self.ball:
            # A certificate speaks of the threat alone: not of an attack's own ball, nor of all that lies beyond.
            tried = tried & ~self.spared[block.rows]
        attacked = block.only(tried)
        # What an earlier call found of other images of the block stays: a plan's audit comes back to what it left out.
        untried = block.rows[~per_image.attacked[number, block.rows]]
        per_image.correct[number, untried] = standing[np.isin(block.rows, untried)]
        per_image.parts[number, untried] = per_image.clean_parts[untried]
        began = time.perf_counter()
        labels = per_image.clean[attacked.rows] if naive else attacked.y
        where: dict[str, Any] = {"ball": ball, "looked": looked, "seed": self.seed, "index": attacked.rows}
        span = self.spans[number] if self.spans else None
        outcome, lucky = self.tried(attack, model, attacked.x, labels, **where, span=span)
        per_image.cost[number] += time.perf_counter() - began, outcome.gradients.sum(), outcome.queries.sum()
        per_image.gradients[number, attacked.rows] = outcome.gradients
        per_image.queries[number, attacked.rows] = outcome.queries
        per_image.lucky[number, attacked.rows] = lucky
        per_image.part[number, attacked.rows] = outcome.part
        if model.stochastic and model.question is None:
            drawn = fooled(model, outcome.x, attacked.y, self.batch_size)
            per_image.fooled[number, attacked.rows], per_image.draws[number, attacked.rows] = drawn
        per_image.undone[number, attacked.rows] = outcome.undone
        self._note(number, model, attacked, outcome, per_image, ball)
        # What lies beyond the threat fools nobody within it.
        per_image.fooled[number, attacked.rows] *= per_image.near[number, attacked.rows]
        settled: np.ndarray = standing & per_image.settled(block.rows)[number]
        return settled

    def _note(
        self,
        number: int,
        model: Classifier,
        block: "ImageBlock",
        outcome: Outcome,
        per_image: PerImageResults,
        ball: Ball,
    ) -> None:
        per_image.attacked[number, block.rows] = True
        length = ball.length(outcome.x, block.x)
        per_image.minimum[number, block.rows] = np.where(outcome.reached, length, np.inf)
        far = ~inside(ball, block.x, outcome.x) if self.attacks[number].minimal else np.zeros(len(block.x), bool)
        per_image.near[number, block.rows] = inside(self.ball, block.x, outcome.x) if ball != self.ball else ~far
        per_image.reached[number, block.rows] = outcome.reached & ~far
        # Logits of which one is NaN are no answer: it would be another class on each backend.
        unknown = np.isnan(outcome.logits).any(axis=1)
        classes = model.classes(block.y)
        answers = np.where(unknown, per_image.clean[block.rows], outcome.logits.argmax(axis=1))
        confidence = softmax(outcome.logits).max(axis=1)
        per_image.prediction[number, block.rows] = answers
        per_image.confidence[number, block.rows] = np.where(
            unknown, per_image.clean_confidence[block.rows], confidence
        )
        per_image.correct[number, block.rows] = np.where(far, per_image.right[block.rows], answers == classes)
        held = _parts_that_hold(outcome.logits, per_image)
        as_before = (far | unknown)[:, None]
        per_image.parts[number, block.rows] = np.where(as_before, per_image.clean_parts[block.rows], held)
        per_image.loss[number, block.rows] = _cross_entropy(outcome.logits, classes)
        hits = np.flatnonzero(outcome.reached & ~far)
        full = self.ball.full
        both = ball.in_units(block.x[hits]), ball.in_units(outcome.x[hits])
        for name, values in distances(*both, full).items():
            per_image.distance[name][number, block.rows[hits]] = values
        if not is_plain(ball):
            # No picture has features of several ranges.
            per_image.distance["psnr"][number, block.rows[hits]] = np.nan
            return
        compared = int(np.isfinite(per_image.distance["ssim"][number]).sum())
        few = hits[: max(0, _SIMILARITIES - compared)]
        per_image.distance["ssim"][number, block.rows[few]] = similarity(block.x[few], outcome.x[few], full)


@dataclass(frozen=True)
class ImageBlock:
    """Images held in memory: their places in the data set, their pixels and their labels."""

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def only(self, mask: np.ndarray) -> "ImageBlock":
        return ImageBlock(self.rows[mask], self.x[mask], self.y[mask])


def judged(
    model: Classifier, outcome: Outcome, y: np.ndarray, batch_size: int | None, *, targeted: bool = False
) -> Outcome:
    """What a random model answers to the examples in draws that the attack has not seen: luck is no success.

    Args:
        model: A classifier that draws random numbers.
        outcome: What the attack found, with examples float32 (n, ...) and logits float32 (n, classes).
        y: Labels, int32 (n,), or rows of a question.
        batch_size: Examples in one compiled call; None for as many as fit.
        targeted: Whether a success is an answer that was aimed at: it must be the same in the fresh draws; else any
            wrong answer there is one.

    Returns:
        The outcome with the logits of the fresh draws, and `reached` by them.
    """
    fresh = predict(model.taking(seed=model.seed + 1), outcome.x, batch_size, y)
    answer = fresh.argmax(axis=1)
    same = answer == outcome.logits.argmax(axis=1)
    reached = outcome.reached & same if targeted else answer != model.classes(y)
    return dataclasses.replace(outcome, logits=fresh, reached=reached)


def _parts_that_hold(logits: np.ndarray, per_image: PerImageResults) -> np.ndarray:
    """Which parts of the answers hold at logits (n, classes), bool (n, parts); nothing where answers have no parts."""
    count = per_image.clean_parts.shape[1]
    found: np.ndarray = logits[:, 1 : 1 + count] <= logits[:, :1]
    return found


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide = logits.astype("float64")
    top = wide.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(wide - top).sum(axis=1)) - wide[np.arange(len(y)), y]
