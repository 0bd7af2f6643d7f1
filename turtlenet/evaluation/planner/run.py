"""A run of a suite part by part: everything on a few images, and on the others what may still break them."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from turtlenet import backend
from turtlenet.batching import usual
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade, ImageBlock
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.planner.account import Audit, broken, record_of, spent
from turtlenet.evaluation.planner.choice import EVERYTHING, NOTHING, Known, Step, followed, plan_of, within
from turtlenet.evaluation.planner.record import PlanRecord
from turtlenet.evaluation.planner.units import Unit, known_of, merged, ranks_of
from turtlenet.evaluation.time_limit import TimeLimit

LEARNED, _LEARNED_SHARE = 100, 16
"""Images on which everything is run, to learn from; of fewer than 1,600 one in 16."""
_FEWEST = 8
"""Of those, so many must withstand everything, or as many images again are learned from."""
AUDITED, _AUDITED_SHARE = 50, 32
"""Further images on which everything is run, to see whether the plan would have missed something there: as above."""
_SHARE = 0.5
"""Share of a budget, or of a time, that learning and auditing may take."""
_LEAST = 20
"""Images below which there is nothing to learn from, and a portion where there is a budget or a time."""
_ORDER = 0x0DE


class Planned(NamedTuple):
    """What comes of a plan.

    Attributes:
        per_image: What the attacks did, a row of each.
        record: What was run and what was left out.
        learned: Images on which everything was run in the suite's order, bool (n,).
        rows: Places of the images that the time was enough for, int (n,); None for all. The others are left out above.
    """

    per_image: PerImageResults
    record: PlanRecord
    learned: np.ndarray
    rows: np.ndarray | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of a planner; see `Planner` and `Planner.run`."""

    cascade: Cascade
    units: tuple[Unit, ...]
    num_classes: int
    budget: int | None
    model: Classifier
    examples: Examples
    per_image: PerImageResults
    after_block: Callable[[PerImageResults], Any]
    tick: Callable[[int], Any]
    limit: TimeLimit | None = None

    @functools.cached_property
    def prices(self) -> list[float]:
        """What each unit costs at most, before anything was measured."""
        return [unit.price(self.cascade.ball.norm, self.num_classes) for unit in self.units]

    @functools.cached_property
    def ranks(self) -> list[float]:
        """How many attempts like it go before each unit; see `ranks_of`."""
        return ranks_of(self.units)

    @functools.cached_property
    def whole(self) -> list[int]:
        """The units that together are the suite."""
        return [at for at, unit in enumerate(self.units) if unit.whole is None]

    def all(self) -> Planned:
        """Learns, audits, and follows the plan on all other images."""
        for start in range(0, len(self.examples), self._size):
            rows = np.arange(start, min(start + self._size, len(self.examples)))
            self.cascade.ask(self.model, self._block(rows), self.per_image)
        order = self._order()
        self.tick((len(self.examples) - len(order)) * self._attacks)
        learned = self._learn(order)
        steps, audits = self._audits(order, learned, self._plan(order, learned))
        audited = learned + sum(audit.images for audit in audits)
        done, size = audited, self._size if self.limit is None else self._batch
        while done < len(order) and (self.per_image.done > done or self._in_time()):
            rows = order[done : done + size]
            done += len(rows)
            self._chunk(rows, done, lambda block: self._follow(steps, block))
        if self.limit is not None and not done and len(order):
            raise self.limit.refuse(self.examples.kind.count(min(size, len(order))), 0, self._attacks, fixed=True)
        result, order = merged(self.units, self.per_image, self._attacks), order[:done]
        rows = self._reached(order)
        record = record_of(self.units, self.per_image, order, learned, audits, steps, self.budget, images=len(rows))
        result.done = len(rows)
        if len(rows) == len(self.examples):
            return Planned(result, record, np.isin(rows, order[:learned]))
        return Planned(result.of(rows), record, np.isin(rows, order[:learned]), rows)

    @property
    def _attacks(self) -> int:
        return 1 + max(unit.number for unit in self.units)

    @property
    def _size(self) -> int:
        return self.cascade.block_size(self.examples.shape)

    @property
    def _batch(self) -> int:
        return (self.cascade.batch_size or usual()) * backend.process()[1]

    @functools.cached_property
    def _shuffled(self) -> np.ndarray:
        """All images in random order, int (n,)."""
        return np.random.default_rng([_ORDER, self.cascade.seed]).permutation(len(self.examples))

    def _order(self) -> np.ndarray:
        """The images to attack, in the order in which they are taken: a random sample first, the rest as it comes."""
        spared, shuffled = self.cascade.spared, self._shuffled
        wanted = self.per_image.right if spared is None else self.per_image.right & ~spared
        return shuffled[wanted[shuffled]]

    def _reached(self, order: np.ndarray) -> np.ndarray:
        """Places of the images that a report is about, where so many were attacked: those, and what lies between."""
        last = len(self._order())
        if len(order) == last:
            return np.arange(len(self.examples))
        until = int(np.flatnonzero(self._shuffled == order[-1])[0]) + 1
        rows: np.ndarray = np.sort(self._shuffled[:until])
        return rows

    def _in_time(self, part: float = 1.0) -> bool:
        """Whether another chunk fits into the time, or into a part of it."""
        limit = self.limit
        return limit is None or bool(backend.from_first(lambda: limit.has_room(part)))

    def _learn(self, order: np.ndarray) -> int:
        """Runs everything on the first images; gives how many."""
        done = 0
        while done < len(order) and self._affords(order, done, _LEAST):
            # What everything costs is not known before it was run: a budget, or a time, is spent in small portions.
            enough = max(_LEAST, min(LEARNED, len(order) // _LEARNED_SHARE))
            rows = order[done : done + (enough if self.budget is None and self.limit is None else _LEAST)]
            done += len(rows)
            self._chunk(rows, done, self._everything)
            if done >= enough and (~self._broken(order[:done])).sum() >= _FEWEST:
                break
        return done

    def _audits(self, order: np.ndarray, seen: int, steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], list[Audit]]:
        """Tests a plan on further images, and makes another where it would have missed something."""
        audits: list[Audit] = []
        size = max(_LEAST, min(AUDITED, len(order) // _AUDITED_SHARE))
        while seen < len(order) and self._leaves_out(steps) and self._affords(order, seen, size):
            rows = order[seen : seen + size]
            seen += len(rows)
            audits.append(Audit(len(rows), self._audit(steps, rows, seen)))
            if not audits[-1].missed:
                break
            steps = self._plan(order, seen)
        return steps, audits

    def _affords(self, order: np.ndarray, done: int, more: int) -> bool:
        """Whether a budget, or a time, lets one run everything on some more images, by what those before took."""
        if done and self.per_image.done <= done and not self._in_time(_SHARE):
            return False
        if self.budget is None:
            return True
        paid = float(spent(self.per_image, order[:done]).sum())
        each = paid / done if done else sum(self.prices[at] for at in self.whole)
        return paid + more * each <= _SHARE * self.budget * len(order)

    def _plan(self, order: np.ndarray, seen: int) -> tuple[Step, ...]:
        """What to run on the others, by what was seen on the first images."""
        budget = self.budget
        if not seen and budget is not None:
            return self._blind(float(budget))
        known = self._known(order[:seen])
        if budget is None:
            return plan_of(known, self.prices, self.ranks)
        paid = spent(self.per_image, order[:seen]).sum()
        left = max(0.0, budget * len(order) - paid) / max(1, len(order) - seen)
        return within(known, self.prices, self.ranks, left)

    def _blind(self, budget: float) -> tuple[Step, ...]:
        """The first parts of the suite that fit, where nothing can be learned."""
        steps = []
        for at in self.whole:
            fits = self.prices[at] <= budget
            budget -= self.prices[at] if fits else 0.0
            steps.append(Step(at, EVERYTHING if fits else NOTHING))
        return tuple(steps)

    def _leaves_out(self, steps: Sequence[Step]) -> bool:
        return any(step.bar != EVERYTHING for step in steps if step.part in self.whole)

    def _chunk(self, rows: np.ndarray, done: int, work: Callable[[ImageBlock], None]) -> None:
        """Some images, unless an earlier run has done them."""
        if self.per_image.done < done and len(rows):
            limit, first = self.limit, done == len(rows)
            if limit is not None:
                limit.start_lap()
            work(self._block(rows))
            if limit is not None:
                limit.end_lap()
                if first and backend.from_first(lambda: limit.over):
                    raise limit.refuse(self.examples.kind.count(len(rows)), self._attacks, self._attacks, fixed=True)
            self.per_image.done = done
            self.after_block(self.per_image)
        self.tick(len(rows) * self._attacks)

    def _everything(self, block: ImageBlock) -> None:
        """Every whole unit on what those before left; the first attempt of each round with a gradient on all."""
        standing = np.ones(len(block.rows), bool)
        for at in self.whole:
            unit = self.units[at]
            opening = unit.span.first == 0 and not unit.blind
            hit = self._attack(at, block, np.ones_like(standing) if opening else standing)
            standing = standing & ~hit

    def _audit(self, steps: Sequence[Step], rows: np.ndarray, done: int) -> int:
        """Follows the plan, then runs what it left out; gives how many images that broke."""

        def both(block: ImageBlock) -> None:
            self._follow(steps, block)
            standing = ~self._broken(block.rows)
            for at in self.whole:
                standing = standing & ~self._attack(at, block, standing & ~self.per_image.attacked[at, block.rows])

        self._chunk(rows, done, both)
        stands, _ = followed(steps, self._known(rows))
        return int((stands & self._broken(rows)).sum())

    def _follow(self, steps: Sequence[Step], block: ImageBlock) -> None:
        standing, nearest = np.ones(len(block.rows), bool), np.full(len(block.rows), -np.inf)
        for step in steps:
            taken = step.takes(standing, nearest)
            hit = self._attack(step.part, block, taken)
            near = self._known(block.rows).near[step.part]
            standing, nearest = standing & ~hit, np.where(taken, np.maximum(nearest, near), nearest)

    def _attack(self, at: int, block: ImageBlock, taken: np.ndarray) -> np.ndarray:
        if not taken.any():
            return np.zeros_like(taken)
        self.cascade.attack_block(at, self.model, block, taken, self.per_image)
        settled: np.ndarray = taken & self.per_image.settled(block.rows)[at]
        return settled

    def _block(self, rows: np.ndarray) -> ImageBlock:
        return ImageBlock(rows, *self.examples.batch(rows))

    def _known(self, rows: np.ndarray) -> Known:
        return known_of(self.units, self.per_image, rows)

    def _broken(self, rows: np.ndarray) -> np.ndarray:
        return broken(self.per_image, rows)
