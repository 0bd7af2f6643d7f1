"""What is certified of one model, image by image; the JSON form is the truth."""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

from turtlenet.reports.base import BaseReport
from turtlenet.reports.document import Document
from turtlenet.typing import Interval


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method's line.

    Attributes:
        name: The method, or the attack's spec.
        certified: Images that it certified, of those that the methods before left open.
        broken: Images of which it found an adversarial example.
        accuracy: Share of all images that are certified after it; None for an attack, which certifies nothing.
    """

    name: str
    certified: int
    broken: int
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Certificate(BaseReport):
    """What holds in the whole ball: certified <= true robust accuracy <= attacked.

    Attributes:
        model: `path`, `name`, `sha256`, `parameters`, `head`.
        data: `name`, `count`, `sha256`, `description`.
        threat: `norm`, `eps` (input units), `bounds`.
        method: The last method that was asked.
        exact_seconds: For an image, where that is `exact`.
        attack: What was run on the images that bounds left open; empty for nothing.
        certified_accuracy: Share of the images that are classified correctly, proven for every point of their balls.
        attacked_accuracy: Share of the images that are classified correctly and of which no adversarial example was
            found.
        methods: What each method settled.
        verdicts: For each image: `label`, `clean_prediction`, `verdict` (`wrong`, `certified`, `broken` or
            `unknown`), `method` (which settled it; empty for an attack) and `margin`, the best lower bound of how far
            the true logit stays above all others; None where there is none. By smoothing `radius` in its place, the
            certified L2 radius, and a prediction of -1 where it abstained.
        smoothing: `sigma`, `n0`, `n`, `alpha` (failure probability of a certificate), `bound`, `passes` (forward
            passes of an image) and `expected_failures` (most wrong certificates to expect); None for bounds.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    method: str
    exact_seconds: float | None
    attack: str
    seed: int
    versions: dict[str, str]
    created: str
    seconds: float
    clean_accuracy: float
    clean_accuracy_interval: Interval
    certified_accuracy: float
    certified_accuracy_interval: Interval
    attacked_accuracy: float
    attacked_accuracy_interval: Interval
    methods: tuple[MethodRow, ...]
    verdicts: dict[str, list[Any]] = field(default_factory=dict)
    smoothing: dict[str, Any] | None = None

    stem = "certificate"
    main_table = "verdicts"

    def document(self) -> Document:
        """See `turtlenet.certification.sections`."""
        from turtlenet.certification.sections import document

        return document(self)

    def files(self) -> dict[str, bytes]:
        """`certificate.json`, `certificate.md`, `certificate.html` and `certificate.csv`, a line for each image."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["index", *self.verdicts])
        rows = zip(*self.verdicts.values(), strict=True)
        writer.writerows([index, *("" if cell is None else cell for cell in row)] for index, row in enumerate(rows))
        return {**super().files(), f"{self.stem}.csv": text.getvalue().encode()}
