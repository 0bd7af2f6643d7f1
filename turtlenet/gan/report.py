"""What a generator was found to do on images that it never saw: frozen data, of which JSON is the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet.gan.run import Epoch
from turtlenet.reports.base import BaseReport, Doubt
from turtlenet.reports.document import Document
from turtlenet.typing import Interval


@dataclass(frozen=True, kw_only=True)
class ClassShare:
    """Images of one class that were right, and how many of them the generator turned."""

    label: int
    count: int
    success: float


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Another attack on the same images: the accuracy that it leaves."""

    spec: str
    accuracy: float
    accuracy_interval: Interval
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class GeneratorReport(BaseReport):
    """A generator against a model, on unseen images.

    Attributes:
        model: `name`, `path`, `sha256`, and whatever else the caller knows.
        generator: What its file says it was trained for and how.
        data: `name`, `count`, `sha256`, `description`.
        threat: `norm`, `eps` (input units), `bounds`, `target`.
        spec: The attack, as `evaluate` takes it.
        clean_accuracy: Share of the images that are right as they are.
        accuracy: Share that is right after the generator.
        success: Of those right as they are, the share at which the model answers as the attacker wants.
        milliseconds: Of the attack, for each image, in batches; without the first, which compiles. It asks the model
            about the image and the example, to give back what is worse for it.
        forward_milliseconds: Of the generator alone, likewise: one pass and the projection; None in older reports.
        linf_mean, l2_mean: Mean length over the successes, in input units.
        psnr_mean: In dB, likewise.
        ssim_mean: Structural similarity, likewise, over at most 256; None where images are too small.
        classes: One for each class that was right anywhere.
        beside: Other attacks on the same images, for measure.
        epochs: The training, epoch by epoch.
        doubts: Why this number is not the model's robustness.
    """

    model: dict[str, Any]
    generator: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    spec: str
    seed: int
    versions: dict[str, str]
    created: str
    clean_accuracy: float
    clean_accuracy_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    success: float
    success_interval: Interval
    milliseconds: float
    linf_mean: float | None
    l2_mean: float | None
    psnr_mean: float | None
    ssim_mean: float | None
    classes: tuple[ClassShare, ...]
    beside: tuple[Beside, ...]
    epochs: tuple[Epoch, ...]
    doubts: tuple[Doubt, ...]
    forward_milliseconds: float | None = None

    def document(self, samples: bytes = b"") -> Document:
        """See `turtlenet.gan.sections`."""
        from turtlenet.gan.sections import document

        return document(self, samples)

    def save(self, folder: str | Path, samples: bytes = b"") -> tuple[Path, ...]:
        """Writes `report.json`, `.md` and `.html`, `curve.png`, and `samples.png` if there are any.

        Raises:
            OutputError: The folder cannot be written.
        """
        return self.write(folder, self.views(self.document(samples)))
