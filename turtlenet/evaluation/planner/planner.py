"""The adaptive order of a suite: what breaks most images for its cost comes first."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import SettingError
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.planner.run import Planned, PlannedRun
from turtlenet.evaluation.planner.units import Unit, affordable, units_of
from turtlenet.evaluation.time_limit import TimeLimit


@dataclass(frozen=True)
class Planner:
    """A suite in the order in which it pays.

    Args:
        cascade: The attacks, in the suite's order, and how they are run.
        units: Their parts; see `units_of`.
        num_classes: Classes that the model tells apart.
        budget: Gradients and queries for an image, on average; None for as many as it takes.
    """

    cascade: Cascade
    units: tuple[Unit, ...]
    num_classes: int
    budget: int | None = None

    @staticmethod
    def of(cascade: Cascade, model: Classifier, budget: int | None) -> "Planner":
        """The planner of a suite.

        Raises:
            SettingError: Attacks that are not about one verdict: in a table, or with predicted labels; a budget that
                no part of the suite fits into.
        """
        check_order(cascade)
        suite = [cascade.variant(number) for number in range(len(cascade.attacks))]
        units = units_of(suite, cascade.ball.norm, model.num_classes)
        units = units if budget is None else affordable(units, cascade.ball.norm, model.num_classes, budget)
        inner = dataclasses.replace(
            cascade, attacks=tuple(unit.attack for unit in units), spans=tuple(unit.span for unit in units)
        )
        return Planner(inner, units, model.num_classes, budget)

    def run(
        self,
        model: Classifier,
        examples: Examples,
        per_image: PerImageResults,
        *,
        after_block: Callable[[PerImageResults], Any] = lambda per_image: None,
        tick: Callable[[int], Any] = lambda count: None,
        limit: TimeLimit | None = None,
    ) -> Planned:
        """Attacks all images.

        Args:
            model: The classifier under attack.
            examples: Images and true labels.
            per_image: Where results go, a row of each unit; what is done there already is not done again.
            after_block: Is called after each block, with that per_image.
            tick: Is given the number of images that are finished with, times the attacks of the suite.
            limit: The time, half of which goes into learning at most; images that it is not enough for are left out.

        Raises:
            SettingError: The first images that everything is run on do not fit into the time.
        """
        return PlannedRun(
            cascade=self.cascade,
            units=self.units,
            num_classes=self.num_classes,
            budget=self.budget,
            model=model,
            examples=examples,
            per_image=per_image,
            after_block=after_block,
            tick=tick,
            limit=limit,
        ).all()


def check_order(cascade: Cascade) -> None:
    """Refuses what has no order to choose.

    Raises:
        SettingError: See `Planner.of`.
    """
    if cascade.mode != "cascade":
        raise SettingError(f"Expected mode cascade with order adaptive; got {cascade.mode}, which runs everything.")
    if cascade.labels != "true":
        raise SettingError(f"Expected true labels with order adaptive; got {cascade.labels}.")
