"""What was found about a detector: frozen data, of which JSON is the truth."""

from dataclasses import dataclass
from typing import Any

from turtlenet.detection.fitted import Point, Scores
from turtlenet.reports.base import BaseReport, Doubt
from turtlenet.reports.document import Document
from turtlenet.reports.format import clean
from turtlenet.typing import Interval


@dataclass(frozen=True, kw_only=True)
class Share:
    """Some of a number of images, with the 95 % Wilson interval of their share."""

    hits: int
    count: int
    share: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A point of the detector, and how often clean images of the scored part set it off.

    Attributes:
        point: The point.
        successes: Of the clean images that are classified correctly.
        all: Of all clean images.
    """

    point: Point
    successes: Share
    all: Share


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well a detector tells one attack's examples from clean images.

    Attributes:
        clean: The readings of the clean side.
        adversarial: Those of the adversarial side.
        auc: Area under the ROC curve; None if a side is empty.
        accuracy: Mean of the shares that are right on either side, at a probability of 0.5; with as many on each side,
            as in paper 001, the share that is right.
        seen: Of the adversarial side, at each point of the detector.
        roc: Points (false positive rate, true positive rate).
    """

    clean: Scores
    adversarial: Scores
    auc: float | None
    auc_interval: Interval | None
    accuracy: float | None
    accuracy_interval: Interval | None
    seen: tuple[Share, ...]
    roc: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class AttackedRow:
    """One attack.

    Attributes:
        name: The attack's registered name.
        spec: How it was called.
        adaptive: Whether it knows of the detector.
        aims_at: The points of the detector that it was told of.
        fooled: Images that it got misclassified, of those that were right.
        slipped: Images that it got misclassified and not seen, of those that were right, at each point.
        successes: Clean images that are right against examples that succeed.
        all: All images against all examples, as in paper 001.
    """

    name: str
    spec: str
    adaptive: bool
    aims_at: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float
    linf_max: float
    fooled: Share
    slipped: tuple[Share, ...]
    successes: Separation
    all: Separation

    @property
    def title(self) -> str:
        """The attack as the user named it; an adaptive one by the points that it was told of."""
        return f"{self.name}, told {' and '.join(self.aims_at)}" if self.adaptive else clean(self.spec)


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of the images that were right, at one point of the detector; the four are all of them.

    Attributes:
        detected: Some attack got it misclassified, and the detector sees every such example.
        evaded: Only an attack that knows of the detector got it misclassified and not seen.
        missed: An attack that knows nothing of the detector got it misclassified and not seen.
        resisted: No attack got it misclassified.
    """

    detected: Share
    evaded: Share
    missed: Share
    resisted: Share


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of readings in bins of equal width from 0 to `top`; the last bin has what lies above as well.

    Attributes:
        names: `clean`, then the attacks' specs.
        counts: A row for each name.
    """

    top: float
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Detection(BaseReport):
    """A detector of one model on fresh images, under attacks that know of it and such that do not.

    Attributes:
        model: `name`, `path`, `sha256`, and whatever else the caller knows.
        detector: The fitted detector, as its file has it.
        data: `name`, `count`, `sha256`, `description` of the images it was scored on.
        threat: `norm`, `eps` (input units), `bounds`, `gradient`.
        clean_accuracy: Of the mean answer over the draws.
        alarms: One for each point of the detector.
        rows: The plain attacks, then the adaptive ones.
        slipped_plain: Images that any plain attack got misclassified and not seen, of those that were right, at each
            point.
        slipped_adaptive: The same of all attacks, those that know of the detector among them; empty if none ran.
        fates: What becomes of the images that were right, at each point.
        histogram: Of the images and examples of `AttackedRow.successes`.
        scores: For each image: `label`; `clean` reading (uncertainty, or the detector's probability) and
            `clean_answer`; for attack number k, `k` and `k_answer`.
    """

    model: dict[str, Any]
    detector: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    draws: int
    attack_draws: int
    seed: int
    versions: dict[str, str]
    created: str
    seconds: float
    clean_accuracy: float
    clean_accuracy_interval: Interval
    alarms: tuple[Alarm, ...]
    rows: tuple[AttackedRow, ...]
    slipped_plain: tuple[Share, ...]
    slipped_adaptive: tuple[Share, ...]
    fates: tuple[Fate, ...]
    doubts: tuple[Doubt, ...]
    histogram: Histogram
    scores: dict[str, list[float]]

    main_table = "rows"

    def document(self) -> Document:
        """See `turtlenet.detection.sections`."""
        from turtlenet.detection.sections import document

        return document(self)
