"""The report of a generator as text, as Markdown, as a page and in pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from PIL import Image

from turtlenet.errors import OutputError
from turtlenet.files import write_whole
from turtlenet.reports import figures
from turtlenet.reports import markdown as md
from turtlenet.reports.base import TEMPLATES
from turtlenet.reports.format import MISSING, aligned, clean, count, fraction, number, percent, within
from turtlenet.reports.images import drawable

if TYPE_CHECKING:
    from turtlenet.gan.report import GeneratorReport

__all__ = ["TITLE", "grid", "html", "save", "summary"]

TITLE = "A generator of adversarial examples"

_GAP = 2


def summary(report: GeneratorReport) -> str:
    """What a terminal shows."""
    return "\n".join(
        [_headline(report), "", *aligned(_table(report)), "", *(f"doubt: {_line(doubt)}" for doubt in report.doubts)]
    )


def save(report: GeneratorReport, folder: str | Path, samples: bytes = b"") -> tuple[Path, ...]:
    """Writes `report.json`, `report.md`, `report.html`, `curve.png`, and `samples.png` if there are any.

    Raises:
        OutputError: The folder cannot be written.
    """
    folder = Path(folder)
    pictures = {"curve.png": _curve(report)} if report.epochs else {}
    pictures |= {"samples.png": samples} if samples else {}
    files = {
        "report.json": f"{report.to_json()}\n".encode(),
        "report.md": _markdown(report, pictures).encode("utf-8", "backslashreplace"),
        "report.html": html(report, pictures).encode("utf-8", "backslashreplace"),
        **pictures,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Expected a folder to write in at {folder}; got: {error.strerror or error}.") from None
    for name, content in files.items():
        write_whole(folder / name, lambda file, content=content: file.write(content))  # type: ignore[misc]
    return tuple(folder / name for name in files)


def html(report: GeneratorReport, pictures: Mapping[str, bytes]) -> str:
    """The whole of `report.html`, which needs nothing else.

    Args:
        report: What to show.
        pictures: PNG files by name.
    """
    uris = {name: "data:image/png;base64," + base64.b64encode(data).decode() for name, data in pictures.items()}
    threat = report.threat
    return _template().render(
        title=TITLE,
        report=report,
        headline=f"The generator turns {percent(report.success)} of the images that were right",
        facts=[
            f"{threat['norm'].capitalize()} eps {threat['eps']:g}",
            clean(report.model.get("name")),
            clean(report.data.get("name")),
            f"{count(report.data.get('count'))} images",
        ],
        beside=_table(report),
        lengths=_lengths(report),
        classes=_classes(report),
        samples=uris.get("samples.png"),
        curve=uris.get("curve.png"),
        provenance=[(name, str(value) or MISSING) for name, value in _provenance(report).items()],
        percent=percent,
        within=within,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).with_name("templates"), TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("generator.html")


def grid(x: np.ndarray, moved: np.ndarray, bounds: tuple[float, float], *, most: int = 10, scale: int = 2) -> bytes:
    """A PNG of images above what the generator made of them, the change between, in gray around the middle.

    Args:
        x: Images (n, height, width, channels) with 1 or 3 channels; others give no picture.
        moved: The same, perturbed.
        bounds: Smallest and largest value of a pixel.
        most: Columns.
        scale: Pixels of the picture for one of an image.
    """
    if not len(x) or not drawable(x.shape[1:]):
        return b""
    x, moved = x[:most], moved[:most]
    low, high = bounds
    change = 0.5 + 0.5 * (moved - x) / max(float(np.abs(moved - x).max()), 1e-12)
    rows = [(x - low) / (high - low), change, (moved - low) / (high - low)]
    padded = [np.pad(row, ((0, 0), (_GAP, 0), (_GAP, 0), (0, 0)), constant_values=1.0) for row in rows]
    whole = np.concatenate([np.concatenate(list(row), axis=1) for row in padded], axis=0)
    pixels = np.rint(np.clip(whole, 0, 1) * 255).astype("uint8").repeat(scale, axis=0).repeat(scale, axis=1)
    page = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(page, "PNG", optimize=True)
    return page.getvalue()


def _headline(report: GeneratorReport) -> str:
    threat = report.threat
    aim = f" towards class {threat['target']}" if threat["target"] else ""
    return (
        f"{report.model.get('name')}: the generator turns {fraction(report.success, report.success_interval)} of the "
        f"images that were right{aim}; {threat['norm']}, eps {threat['eps']:g}, {report.data['count']:,} images of "
        f"{report.data['name']}"
    )


def _table(report: GeneratorReport) -> list[list[str]]:
    rows = [
        ["", "accuracy", "ms an image"],
        ["clean", fraction(report.clean_accuracy, report.clean_accuracy_interval), ""],
    ]
    rows.append(["generator", fraction(report.accuracy, report.accuracy_interval), number(report.milliseconds)])
    if report.forward_milliseconds is not None:
        rows.append(["its pass alone, the model not asked", "", number(report.forward_milliseconds)])
    for other in report.beside:
        rows.append([other.spec, fraction(other.accuracy, other.accuracy_interval), number(other.milliseconds)])
    return rows


def _lengths(report: GeneratorReport) -> list[list[str]]:
    seen = {"Linf": report.linf_mean, "L2": report.l2_mean, "PSNR, dB": report.psnr_mean, "SSIM": report.ssim_mean}
    return [list(seen), [number(value) for value in seen.values()]]


def _classes(report: GeneratorReport) -> list[list[str]]:
    head = ["class", "images that were right", "turned"]
    return [head, *([str(each.label), str(each.count), fraction(each.success)] for each in report.classes)]


def _provenance(report: GeneratorReport) -> dict[str, Any]:
    return {**report.generator, "attack": report.spec, "seed": report.seed, "written": report.created}


def _markdown(report: GeneratorReport, pictures: Mapping[str, bytes]) -> str:
    head, *rows = _table(report)
    lengths, classes = _lengths(report), _classes(report)
    parts = [
        f"# {TITLE}",
        f"**{md.plain(_headline(report))}**",
        md.table(head, [[md.plain(row[0]), *row[1:]] for row in rows]),
        "## Reasons to doubt",
        "\n".join(f"- {md.plain(_line(doubt))}" for doubt in report.doubts),
        "## How far the successes are from their images (means)",
        md.table(lengths[0], lengths[1:]),
        "## By class",
        md.table(classes[0], classes[1:]),
        *(["## Samples: image, change, example", "![samples](samples.png)"] if "samples.png" in pictures else []),
        *(["## Training", "![training](curve.png)"] if "curve.png" in pictures else []),
        "## Provenance",
        md.table(["", ""], [[name, md.plain(str(value) or MISSING)] for name, value in _provenance(report).items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _curve(report: GeneratorReport) -> bytes:
    whom = " (substitute)" if report.generator.get("substitute") else ""
    held_out = [f"success, validation{whom}"] if report.epochs[0].val_success is not None else []
    names = [f"success, training{whom}", *held_out]

    def draw(axes: Axes, looks: Sequence[dict[str, Any]]) -> None:
        numbers = list(range(1, len(report.epochs) + 1))
        lines: list[Any] = [[epoch.success for epoch in report.epochs], [epoch.val_success for epoch in report.epochs]]
        for values, look in zip(lines[: len(names)], looks, strict=False):
            axes.plot(numbers, values, linewidth=1.8, markersize=4, label="x", **look)
        axes.set(xlabel="epoch", ylabel="share of the images turned", ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(linewidth=0.8)

    return figures.png((6.4, 3.6), names, draw)


def _line(doubt: Any) -> str:
    return f"{doubt.finding} {doubt.advice} ({doubt.code})"
