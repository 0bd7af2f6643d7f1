"""What a plan ran and left out, and what that could have changed."""

from dataclasses import dataclass

from turtlenet.reports.base import Doubt
from turtlenet.reports.format import percent

CODE = "parts-left-out"


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """One part's line, in the order in which the parts were run.

    Attributes:
        name: The part.
        tried: Images that it was run on.
        broke: Those that it broke.
        skipped: Images that withstood all that was run on them, and that it was not run on.
        gradients: Input gradients computed, over all images.
        queries: Forward passes without a gradient, over all images.
    """

    name: str
    tried: int
    broke: int
    skipped: int
    gradients: int
    queries: int


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """What a plan did.

    Attributes:
        images: All images of the evaluation.
        attacked: Those that were right before, and not certified: drawn in random order.
        learned: Those on which everything was run, to learn from.
        audited: Those on which the plan that was followed was tested: everything else was run on them too.
        audits: How many plans were tested so: one that had missed something was followed by another.
        missed: Images that the plan would have missed in the last of these tests.
        left: Images that withstood all that was run on them, while something was left out.
        withstood: Images that withstood all that was run on them.
        bound: By how much, at most, the robust accuracy may be too high for what was left out, with a confidence of
            95 %.
        each: Gradients and queries for an image, on average.
        whole: The same, of the whole suite in its own order, on the images on which everything was run.
        budget: Gradients and queries for an image that were asked for, on average; None for no limit.
        parts: The parts in the order in which they were run.
    """

    images: int
    attacked: int
    learned: int
    audited: int
    audits: int
    missed: int
    left: int
    withstood: int
    bound: float
    each: float
    whole: float
    budget: int | None
    parts: tuple[PartRecord, ...]


def find_skipped(record: PlanRecord | None) -> tuple[Doubt, ...]:
    """The doubt that comes with every plan that left something out."""
    if record is None or not record.left:
        return ()
    rest = (
        f"Everything was run on {record.audited:,} further inputs, drawn at random, and nothing fell that the plan "
        "would have spared"
        if record.audited and not record.missed
        else "No sample says how much that hides"
    )
    why = "that had never broken one that resisted so far"
    if record.budget is not None:
        why += f", or for the budget of {record.budget:,} gradients and queries an input"
    return (
        Doubt(
            code=CODE,
            finding=f"Of {record.withstood:,} inputs that withstood, {record.left:,} were spared attacks {why}. {rest}"
            ": with a confidence of 95 % the robust accuracy is too high by at most "
            f"{percent(record.bound)}.",
            advice="Run with --order full for the number to publish.",
        ),
    )
