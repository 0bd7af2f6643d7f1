"""The account of a plan: what was run, what was left out, and what that could have changed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.planner.choice import Step, upper_bound
from turtlenet.evaluation.planner.record import PartRecord, PlanRecord
from turtlenet.evaluation.planner.units import Unit, known_of

_ERROR = 0.05
"""Probability that a bound does not hold."""


class Audit(NamedTuple):
    """A test of a plan on images on which everything else was run too: how many, and what the plan had missed."""

    images: int
    missed: int


def record_of(
    units: Sequence[Unit],
    per_image: PerImageResults,
    order: np.ndarray,
    learned: int,
    audits: Sequence[Audit],
    steps: Sequence[Step],
    budget: int | None,
    *,
    images: int,
) -> PlanRecord:
    """What was run and what was left out.

    Args:
        units: The parts.
        per_image: What they did, a row of each.
        order: Places of the images that were attacked, in the order in which they were taken, int (m,).
        learned: How many of them were learned from.
        audits: Tests of the plans, on the next of them.
        steps: The plan that the others met.
        budget: What was asked for.
        images: All images that the report is about.
    """
    rest = order[learned + sum(audit.images for audit in audits) :]
    standing = ~broken(per_image, rest)
    skipped = {at: standing & ~per_image.attacked[at, rest] for at, unit in enumerate(units) if unit.whole is None}
    left = int(np.any(list(skipped.values()), axis=0).sum())

    def part(at: int) -> PartRecord:
        return PartRecord(
            name=units[at].title,
            tried=int(per_image.attacked[at].sum()),
            broke=int((per_image.attacked[at] & ~per_image.correct[at]).sum()),
            skipped=int(skipped[at].sum()) if at in skipped else 0,
            gradients=int(per_image.gradients[at].sum()),
            queries=int(per_image.queries[at].sum()),
        )

    return PlanRecord(
        images=images,
        attacked=len(order),
        learned=learned,
        audited=audits[-1].images if audits else 0,
        audits=len(audits),
        missed=audits[-1].missed if audits else 0,
        left=left,
        withstood=int((~broken(per_image, order)).sum()),
        bound=round(changed_at_most(audits, len(rest), left) / max(1, images), 6),
        each=round(float(spent(per_image, order).mean()), 1) if len(order) else 0.0,
        whole=round(_whole_cost(units, per_image, order[:learned]), 1),
        budget=budget,
        parts=tuple(part(step.part) for step in steps),
    )


def broken(per_image: PerImageResults, rows: np.ndarray) -> np.ndarray:
    """Images that any part broke, for good (see `PerImageResults.settled`), bool (m,)."""
    return np.asarray(per_image.settled(rows).any(axis=0))


def spent(per_image: PerImageResults, rows: np.ndarray) -> np.ndarray:
    """Gradients and queries that images took, int (m,)."""
    total: np.ndarray = (per_image.gradients + per_image.queries)[:, rows].sum(axis=0)
    return total


def _whole_cost(units: Sequence[Unit], per_image: PerImageResults, rows: np.ndarray) -> float:
    """What everything costs an image in the suite's order, on those on which everything was run in it."""
    if not len(rows):
        return 0.0
    known, standing, total = known_of(units, per_image, rows), np.ones(len(rows), bool), 0.0
    for at in (at for at, unit in enumerate(units) if unit.whole is None):
        total += float(known.cost[at][standing].sum())
        standing = standing & ~known.broke[at]
    return total / len(rows)


def changed_at_most(audits: Sequence[Audit], rest: int, left: int) -> int:
    """How many images, at most, that were spared something would have fallen to it.

    The last audit and the rest are a random split of the same images: what it did not find is rare among them. Each
    plan is given half the error of the one before, so that all bounds hold together.

    Args:
        audits: Tests of the plans, the last one of that which was followed.
        rest: Images on which it was followed untested.
        left: Those of them that withstood while something was left out.
    """
    if not audits or audits[-1].missed:
        return left
    images = audits[-1].images
    share = upper_bound(0, images, _ERROR / 2 ** len(audits))
    return min(left, math.ceil(share * (rest + images)))
