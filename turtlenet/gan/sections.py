"""What the report of a generator says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.gan.pictures import curve, picture_of
from turtlenet.reports.base import findings
from turtlenet.reports.blocks import Column, Facts, Figures, Table, View
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.findings import Findings
from turtlenet.reports.format import clean, count, fraction, number

if TYPE_CHECKING:
    from turtlenet.gan.report import GeneratorReport

_ATTACKS = (
    Column("", "spec"),
    Column("accuracy", ("accuracy", "accuracy_interval"), fraction, "Share of all images still classified correctly."),
    Column("ms an image", "milliseconds", number, "Wall-clock time of an image, in batches, once all is compiled."),
)
_LENGTHS = (
    Column("Linf", "linf_mean", number, "Largest change of a pixel, in input units."),
    Column("L2", "l2_mean", number, "Euclidean length of the change, in input units."),
    Column("PSNR, dB", "psnr_mean", number, "Peak signal-to-noise ratio: more is closer."),
    Column("SSIM", "ssim_mean", number, "Structural similarity: 1 is identical."),
)
_CLASSES = (
    Column("class", "label"),
    Column("images that were right", "count"),
    Column("turned", "success", fraction),
)


def document(report: GeneratorReport, samples: bytes = b"") -> Document:
    """The document of `report.md`, of `report.html` and of the terminal.

    Args:
        report: What to show.
        samples: A PNG file of samples, if there is one.
    """
    threat = report.threat
    aim = f" towards class {threat['target']}" if threat["target"] else ""
    turned = fraction(report.success, report.success_interval)
    numbers = (
        Number("accuracy, before any attack", report.clean_accuracy, report.clean_accuracy_interval),
        Number("accuracy under the generator", report.accuracy, report.accuracy_interval),
        Number("of the images that were right, turned", report.success, report.success_interval, big=True),
    )
    origin = {**report.generator, "attack": report.spec, "seed": report.seed, "written": report.created}
    return Document(
        title="A generator of adversarial examples",
        headline=f"The generator turns {turned} of the images that were right{aim}",
        facts=[
            clean(report.model.get("name")),
            f"{threat['norm'].capitalize()} eps {threat['eps']:g}",
            clean(report.data.get("name")),
            f"{count(report.data.get('count'))} images",
        ],
        verdicts=[KeyFigures(numbers=numbers)],
        sections=[
            Section("", [Table(_ATTACKS, _attacks(report))]),
            Section("Reasons to doubt", [Findings(findings(report.doubts))]),
            Section(
                "How far the successes are from their images (means)", [Table(_LENGTHS, [report], views=View.FILES)]
            ),
            Section("By class", [Table(_CLASSES, report.classes, views=View.FILES)]),
            Section("Samples: image, change, example", [Figures(lambda: [picture_of(samples)] if samples else [])]),
            Section("Training", [Figures(lambda: [curve(report)] if report.epochs else [])]),
            Section("Provenance", [Facts(origin)]),
        ],
    )


def _attacks(report: GeneratorReport) -> list[Any]:
    """The model without an attack, the generator, and the other attacks."""
    clean_row = SimpleNamespace(
        spec="clean", accuracy=report.clean_accuracy, accuracy_interval=report.clean_accuracy_interval
    )
    own = SimpleNamespace(**{**vars(report), "spec": "generator"})
    alone = SimpleNamespace(spec="its pass alone, the model not asked", milliseconds=report.forward_milliseconds)
    return [clean_row, own, *([alone] if report.forward_milliseconds is not None else []), *report.beside]
