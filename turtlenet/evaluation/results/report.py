"""What was found, with the reasons to doubt it. The JSON form is the truth; Markdown and HTML are views of it."""

from dataclasses import dataclass, field
from typing import Any

from turtlenet.errors import DataError
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.planner.record import PlanRecord
from turtlenet.evaluation.results.moves import Moves
from turtlenet.evaluation.results.save import stacked_tables, with_folders
from turtlenet.evaluation.views.text import names
from turtlenet.reports.badge import badge, color_of
from turtlenet.reports.base import BaseReport, Doubt
from turtlenet.reports.document import Document
from turtlenet.reports.format import clean, percent
from turtlenet.reports.frames import Columns, to_bytes

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """One attack's line.

    Attributes:
        name: The attack's registered name.
        spec: How the user named it.
        kind: See `Attack.family`.
        settings: Every setting of the attack.
        accuracy: Share of all images that are still classified correctly; in a cascade, after this and all before.
        accuracy_interval: Its 95 % interval.
        success_rate: Share of the attacked images on which the attack reached its goal.
        loss: Mean cross-entropy at the examples found, over the attacked images.
        seconds: Wall-clock time.
        gradients: Input gradients computed, over all images.
        queries: Forward passes without a gradient, over all images.
        examples: Images attacked: those still classified correctly before.
        attacker: Who ran it, where not all know the same.
        counted: Whether the threat allows it, so that the robust accuracy counts it.
        linf_mean: Mean largest change of a pixel over the successes, in input units; so the next five.
        psnr_mean: Mean peak signal-to-noise ratio over the successes, in dB.
        ssim_mean: Mean structural similarity over the first successes, at most 256.
        norm: The norm of this attack's own ball; empty where it is the threat's. It does not count into the robust
            accuracy then.
        eps: The radius of that ball in input units.
        queries_median: Median number of forward passes that a success took.
        minimum_median: Median length of the smallest perturbations that an attack found which minimizes it, in the
            attack's norm, over the images classified correctly; None where it failed on half of them.
        minimum_curve: Accuracy against eps by those lengths, from this one run.
    """

    name: str
    spec: str
    kind: str
    settings: dict[str, Any]
    accuracy: float
    accuracy_interval: Interval
    success_rate: float
    loss: float | None
    seconds: float
    gradients: int
    queries: int
    examples: int
    attacker: str = ""
    counted: bool = True
    linf_mean: float | None = None
    linf_max: float | None = None
    l2_mean: float | None = None
    l2_max: float | None = None
    l1_mean: float | None = None
    l0_mean: float | None = None
    psnr_mean: float | None = None
    ssim_mean: float | None = None
    norm: str = ""
    eps: float | None = None
    queries_median: float | None = None
    minimum_median: float | None = None
    minimum_curve: tuple["CurvePoint", ...] = ()

    @property
    def title(self) -> str:
        """The attack as the user named it, and whose it is."""
        return clean(f"{self.attacker}: {self.spec or self.name}" if self.attacker else self.spec or self.name)


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class's line: how many images, how many right before and after all attacks; its name where it has one."""

    label: int
    count: int
    clean_accuracy: float
    robust_accuracy: float
    robust_accuracy_interval: Interval
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageResults:
    """What one attack did to each image: lists in the order of the images.

    Attributes:
        attacked: 1 where it was run, else 0.
        correct: 1 where the answer is right after it.
        prediction: The answer at what it found; -1 where it was not run.
        confidence: The probability of that answer; None where it was not run.
        distance: Length of the successful change in the attack's norm (of one that minimizes it, the smallest found,
            beyond the radius too); None where it found none.
        gradients: Input gradients computed.
        queries: Forward passes without a gradient.
    """

    attacked: list[int]
    correct: list[int]
    prediction: list[int]
    confidence: list[float | None]
    distance: list[float | None]
    gradients: list[int]
    queries: list[int]


@dataclass(frozen=True, kw_only=True)
class AnswerPartRow:
    """The line of one part of the answers: a label of several, or a number that is not too high.

    Attributes:
        name: The part; see `turtlenet.tasks.Task.part_names`.
        count: Examples that have it, which are all.
        positive: Examples of which the label is true; None where the part is no label.
        clean_accuracy: Share of the examples in which it holds before any attack.
        robust_accuracy: Share in which it holds before and after every attack that the threat allows.
    """

    name: str
    count: int
    positive: int | None
    clean_accuracy: float
    clean_accuracy_interval: Interval
    robust_accuracy: float
    robust_accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Accuracy under one attack at one radius, on a subset of the images."""

    eps: float
    accuracy: float
    accuracy_interval: Interval
    examples: int


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """What a part of an evaluation beside its attacks broke within the threat: the robust accuracy counts it too.

    Attributes:
        name: The part, in words.
        attack: What it ran, as a spec or in words.
        tried: Images that it was run on, of those classified correctly.
        broken: Images that it broke within the threat.
        more: Those of them that no attack and no part before had broken.
        accuracy: Share of all images that are still classified correctly after all attacks and the parts up to here.
        accuracy_interval: Its 95 % interval.
        counted: Whether the threat allows it; False where the part has more than an attacker of the threat has, and
            counts in `Report.beside_accuracy` alone.
    """

    name: str
    attack: str
    tried: int
    broken: int
    more: int
    accuracy: float
    accuracy_interval: Interval
    counted: bool = True

    @property
    def title(self) -> str:
        """The part and what it ran."""
        return f"+ {self.name}: {self.attack}"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image before and after; the three images are PNG files in base64.

    Attributes:
        perturbation: The change, scaled so that the ball's largest change spans the gray scale around its middle.
    """

    index: int
    label: int
    attack: str
    clean_prediction: int
    clean_confidence: float
    adversarial_prediction: int
    adversarial_confidence: float
    distance: float
    original: str
    perturbation: str
    adversarial: str


@dataclass(frozen=True, kw_only=True)
class LargestChange:
    """One image, and the most that the threat lets become of it; the three images are PNG files in base64.

    Attributes:
        index: Which image it is.
        label: Its class.
        distance: Length of the change in `even`, in the threat's norm and input units.
        original: As it is.
        even: Every pixel moved towards the far end of the range, as far as the ball lets all of them.
        random: Every pixel moved up or down by chance, as far.
    """

    index: int
    label: int
    distance: float
    original: str
    even: str
    random: str


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
