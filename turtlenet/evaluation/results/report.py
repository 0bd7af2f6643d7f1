"""What was found, with the reasons to doubt it. The JSON form is the truth; Markdown and HTML are views of it."""

from dataclasses import dataclass, field
from typing import Any

from turtlenet.errors import DataError
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.planner.record import PlanRecord
from turtlenet.evaluation.results.moves import Moves
from turtlenet.evaluation.results.records import (
    AnswerPartRow,
    AttackRow,
    ClassRow,
    CurvePoint,
    ImageResults,
    LargestChange,
    PartRow,
    Picture,
)
from turtlenet.evaluation.results.save import stacked_tables, with_folders
from turtlenet.evaluation.views.text import names
from turtlenet.reports.badge import badge, color_of
from turtlenet.reports.base import BaseReport, Doubt
from turtlenet.reports.document import Document
from turtlenet.reports.format import percent
from turtlenet.reports.frames import Columns, to_bytes
from turtlenet.typing import Interval


@dataclass(frozen=True, kw_only=True)
class Report(BaseReport):
    """The robustness of one model on one data set under one threat.

    Attributes:
        model: `path`, `name`, `sha256` (of the file; of the weights for a model in memory), `parameters`, `head`.
        data: `name`, `count`, `sha256`, `description`, `kind` (`image`, `table`, `series` or `volume`) and, where they
            have names, `classes`; of `turtlenet.evaluate` also `split` (`train`, `test` or
            `all`, empty for data that are one part), `part` (the same in words) and `seen_in_training`; where the
            time was not enough for all that were asked for also `wanted`, their number.
        threat: `norm`, `eps` (input units), `bounds`, `eps_share` and `eps_gray_levels` (what that is for a pixel: a
            share of the range, and gray levels of 255, None for inputs that are no images; see
            `turtlenet.balls.Ball.per_pixel`), `eps_from` (`given`, or why it is the usual one), `access`, `labels`,
            `pixels` (`real`, or `8-bit` where a success
            had to survive rounding); of a grey box also `attacks` (those that everyone ran), `surrogates` (`name`,
            `path`, `sha256`, `clean_accuracy`) and how they were trained.
        mode: `table`, every attack on all images, or `cascade`, each on the survivors of those before.
        robust_accuracy: Share of the images that every attack failed on, of those that the threat allows, and every
            part of the evaluation beside them (`parts`). Of a model that draws random numbers the expected share in
            one fresh draw (`chance`), and so in `attacks` and `per_class`; `robust` in `verdicts` is about the mean of
            its draws.
        parts: What the evaluation ran beside its attacks, in the order in which it counts.
        asked: What `turtlenet.evaluate` was asked for, beside what the others tell: `data` as the user named it (None
            for arrays), `split`, `limit`, ...; see `turtlenet.evaluation.views.again`.
        largest_changes: Two images at the edge of the ball, to see what its radius means; none for other inputs, and
            where features have radii of their own.
        training: What the model's file tells of the run that made it: `objective`, `attack`, `steps`, `best_epoch` and
            `history`, what was measured after each epoch; empty where it is not known.
        moves: Which features of a table were moved, by the attack that broke most rows; None for other inputs.
        certificate: Of an evaluation that certified first: `method`, `accuracy` (the share that is certified) and its
            interval, `attacked` (the robust accuracy: the truth is between the two), `spared` (certified images that
            no attack was run on), `audited` (those that were attacked all the same), `gradients_saved` (about) and
            `contradictions`, the places of certified images that something broke. None where nobody asked.
        plan: Of an evaluation in adaptive order: what was run, what was left out, and how much that can hide.
        chance: Of a model that draws random numbers: its expected accuracy under the attacks, over single fresh draws,
            and two other readings of them; see `turtlenet.evaluation.chance.summary`. None for others.
        per_part: Where an answer has parts, such as several labels: how many of each hold. Attacks break an answer by
            whichever part is the easiest, so what is left of one alone is an upper bound.
        beside: Who stands beside, in words: one who knows more than the threat allows; empty for nobody.
        beside_accuracy: Share of the images on which all attacks failed, those beside too.
        curve_attack: The attack behind `curve`.
        perceptibility: How visible a change must become before the model fails; None where nobody asked.
        verdicts: For each image: its label, the clean prediction and its confidence, `robust`, 1 where every attack
            and every part of the threat failed, and `part`, the number (from 1) of the part that broke it where all
            attacks failed, else 0. Of a model that draws random numbers also `probability`, that of a right answer in
            one fresh draw under the attacks: `robust_accuracy` is its mean.
        results: What each attack did to each image, in the order of `attacks`; empty in reports of older versions.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    seed: int
    versions: dict[str, str]
    mode: str
    created: str
    seconds: float
    clean_accuracy: float
    clean_accuracy_interval: Interval
    robust_accuracy: float
    robust_accuracy_interval: Interval
    attacks: tuple[AttackRow, ...]
    doubts: tuple[Doubt, ...]
    per_class: tuple[ClassRow, ...] = ()
    per_part: tuple[AnswerPartRow, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    curve_attack: str = ""
    pictures: tuple[Picture, ...] = ()
    verdicts: dict[str, list[Any]] = field(default_factory=dict)
    results: tuple[ImageResults, ...] = ()
    perceptibility: Perceptibility | None = None
    beside: str = ""
    beside_accuracy: float | None = None
    beside_accuracy_interval: Interval | None = None
    parts: tuple[PartRow, ...] = ()
    asked: dict[str, Any] = field(default_factory=dict)
    moves: Moves | None = None
    certificate: dict[str, Any] | None = None
    plan: PlanRecord | None = None
    chance: dict[str, Any] | None = None
    largest_changes: tuple[LargestChange, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)

    main_table = "results"

    def tables(self) -> dict[str, Columns]:
        """See `turtlenet.evaluation.views.tables`."""
        from turtlenet.evaluation.views.tables import tables

        return tables(self)

    @property
    def stopped(self) -> bool:
        """Whether the time was not enough for all images that were asked for."""
        return bool(self.data.get("wanted"))

    @property
    def reports(self) -> tuple["Report", ...]:
        """This one alone, as a comparison has several."""
        return (self,)

    def document(self) -> Document:
        """See `turtlenet.evaluation.views.sections`."""
        from turtlenet.evaluation.views.sections import document

        return document([self])

    def files(self) -> dict[str, bytes]:
        """`report.json`, `report.md`, `report.html`, `examples.csv` and `badge.svg`."""
        return {
            **super().files(),
            "examples.csv": to_bytes(self.table("examples"), ".csv"),
            "badge.svg": self._badge(),
        }

    def _badge(self) -> bytes:
        threat = self.threat
        # Where each feature has a radius of its own, eps is in units of those.
        eps = "by feature" if isinstance(threat.get("features"), dict) else f"eps {threat['eps']:.3g}"
        value = f"{percent(self.robust_accuracy)} at {threat['norm']} {eps}"
        return badge("robust accuracy", value, color_of(self.robust_accuracy, doubted=bool(self.doubts)))


@dataclass(frozen=True)
class Comparison(BaseReport):
    """Several models under the same threat, side by side: before and after."""

    reports: tuple[Report, ...]

    main_table = "results"

    def tables(self) -> dict[str, Columns]:
        """Those of all models, one below the other, with the model in the first column."""
        named = zip(names(self.reports), self.reports, strict=True)
        return stacked_tables([({"model": name}, report) for name, report in named])

    def document(self) -> Document:
        """See `turtlenet.evaluation.views.sections`."""
        from turtlenet.evaluation.views.sections import document

        return document(self.reports)

    def files(self) -> dict[str, bytes]:
        """The common files, and those of each model in a folder of its own.

        Raises:
            DataError: A comparison of nothing.
        """
        if not self.reports:
            raise DataError("Expected a comparison of at least one report; got none.")
        called = [str(report.model.get("name") or "") for report in self.reports]
        return with_folders(super().files(), called, self.reports)
