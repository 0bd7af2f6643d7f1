"""The robustness of one model at several radii: what fell at a smaller radius has fallen at every larger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet.evaluation.results.paired import withstood
from turtlenet.evaluation.results.report import Report
from turtlenet.evaluation.results.save import stacked_tables, with_folders
from turtlenet.reports.base import BaseReport, Doubt
from turtlenet.reports.frames import Columns
from turtlenet.reports.statistics import mean_interval, share
from turtlenet.typing import Interval

if TYPE_CHECKING:
    from turtlenet.reports.document import Document


_MISSED = 0.5
"""An image counts as missed where it withstands so much likelier than at a smaller radius: less may be chance."""


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """What is left at one radius.

    Attributes:
        eps: The radius in input units.
        robust_accuracy: Share of the images that withstood everything that was run at this radius and at all smaller
            ones: their examples lie in this ball too. Of a model that draws random numbers the mean over the images of
            the least probability of a right answer at these radii.
        robust_accuracy_interval: Its 95 % interval.
        alone: The same, of what was run at this radius alone.
        examples: How many images.
    """

    eps: float
    robust_accuracy: float
    robust_accuracy_interval: Interval
    alone: float
    examples: int


@dataclass(frozen=True, kw_only=True)
class Sweep(BaseReport):
    """One model under the same attacks at growing radii.

    Attributes:
        points: One for each radius, the smallest first.
        reports: Their whole reports.
        doubts: What the radii together give reason to doubt; each report has its own besides.
    """

    points: tuple[SweepPoint, ...]
    reports: tuple[Report, ...]
    doubts: tuple[Doubt, ...] = ()

    main_table = "points"

    def document(self) -> Document:
        """See `turtlenet.evaluation.views.sweep_sections`."""
        from turtlenet.evaluation.views.sweep_sections import document

        return document(self)

    def tables(self) -> dict[str, Columns]:
        """`points`, and the tables of all reports one below the other, with the radius in the first column."""
        named = [({"eps": point.eps}, report) for point, report in zip(self.points, self.reports, strict=True)]
        return {"points": super().tables()["points"], **stacked_tables(named)}

    def files(self) -> dict[str, bytes]:
        """The common files, and those of each radius in a folder of its own."""
        return with_folders(super().files(), [f"eps-{point.eps:g}" for point in self.points], self.reports)


def sweep_of(reports: Sequence[Report]) -> Sweep:
    """Puts reports of the same model, images and norm at several radii together."""
    ordered = sorted(reports, key=lambda report: float(report.threat["eps"]))
    standing = np.array([withstood(report) for report in ordered], "float64")
    together = np.minimum.accumulate(standing, axis=0)
    points = tuple(
        SweepPoint(
            eps=float(report.threat["eps"]),
            robust_accuracy=share(left),
            robust_accuracy_interval=mean_interval(left),
            alone=report.robust_accuracy,
            examples=len(left),
        )
        for report, left in zip(ordered, together, strict=True)
    )
    return Sweep(points=points, reports=tuple(ordered), doubts=tuple(_missed(ordered, standing, together)))


def _missed(reports: Sequence[Report], alone: np.ndarray, together: np.ndarray) -> list[Doubt]:
    """The radii at which attacks failed on images that had fallen at a smaller one."""
    missed = {
        f"{count} at eps {report.threat['eps']:g}": count
        for report, count in zip(reports, (alone - together >= _MISSED).sum(axis=1).tolist(), strict=True)
        if count
    }
    if not missed:
        return []
    return [
        Doubt(
            code="missed-at-larger-eps",
            finding=f"Inputs that fell at a smaller radius withstood a larger one: {', '.join(missed)}. "
            "The accuracies here count them as broken.",
            advice="The attacks are too weak at these radii: more steps and restarts, and another loss.",
        )
    ]


def radii_of(eps: Any) -> list[Any]:
    """The radii of a sweep as they were given: numbers, or texts such as `8/255`; one alone too."""
    return list(eps) if isinstance(eps, list | tuple | np.ndarray) else [eps]
