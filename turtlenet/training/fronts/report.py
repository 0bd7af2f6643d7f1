"""What a front was found to be worth on images that it never saw: frozen data, of which JSON is the truth."""

from dataclasses import dataclass
from typing import Any

from turtlenet.reports.base import BaseReport, Doubt, findings
from turtlenet.reports.blocks import Column, Facts, Table, View
from turtlenet.reports.document import Document, Section
from turtlenet.reports.findings import Findings
from turtlenet.reports.format import clean, count, fraction, number
from turtlenet.training.fronts.run import FrontEpoch
from turtlenet.typing import Interval

_ROWS = (
    Column("", "words"),
    Column("accuracy", ("accuracy", "accuracy_interval"), fraction, "Share of all images classified correctly."),
)
_EPOCHS = tuple(
    Column(title, name, lambda value: "-" if value is None else number(value))
    for title, name in (
        ("loss", "loss"),
        ("error", "error"),
        ("GAN", "gan"),
        ("penalty", "penalty"),
        ("rival", "rival"),
        ("validation error", "val_error"),
        ("validation accuracy", "val_accuracy"),
    )
)


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """The accuracy of the model, or of the model behind the front, on some images; `strong` for the headline's."""

    words: str
    accuracy: float
    accuracy_interval: Interval
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class FrontReport(BaseReport):
    """A front before a model, on unseen images.

    Attributes:
        model: `name`, `path`, `sha256`, and whatever else the caller knows.
        front: What its file says it was trained for and how.
        defence: The layer, as a spec.
        adaptive: What an attacker differentiates in it.
        data: `name`, `count`, `sha256`, `description`.
        threat: `norm`, `eps` (input units), `bounds`.
        attack: The attack, as a spec.
        rows: The model alone, clean and attacked; behind the front, clean, under the examples of the model alone,
            under those crafted through the front, and under both.
        epochs: The training, epoch by epoch.
        doubts: Why a number is not the robustness of the defended model.
    """

    model: dict[str, Any]
    front: dict[str, Any]
    defence: str
    adaptive: str
    data: dict[str, Any]
    threat: dict[str, Any]
    attack: str
    seed: int
    versions: dict[str, str]
    created: str
    rows: tuple[FrontRow, ...]
    epochs: tuple[FrontEpoch, ...]
    doubts: tuple[Doubt, ...]

    def document(self) -> Document:
        """The document of `report.md`, of `report.html` and of the terminal."""
        last, left = self.rows[-1], self.rows[2]
        origin = {**self.front, "attack": self.attack, "seed": self.seed, "written": self.created}
        return Document(
            title="A trained front",
            headline=f"Behind {self.defence}, {fraction(last.accuracy, last.accuracy_interval)} of the images "
            f"withstand {self.attack}; {fraction(left.accuracy)} are right before any attack",
            facts=[
                clean(self.model.get("name")),
                f"{self.threat['norm'].capitalize()} eps {self.threat['eps']:g}",
                clean(self.data.get("name")),
                f"{count(self.data.get('count'))} images",
                f"attacked {self.adaptive}",
            ],
            sections=[
                Section("", [Table(_ROWS, self.rows)]),
                Section("Reasons to doubt", [Findings(findings(self.doubts))]),
                Section("Training", [Table(_EPOCHS, self.epochs, views=View.FILES)]),
                Section("Provenance", [Facts(origin)]),
            ],
        )
