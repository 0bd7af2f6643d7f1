"""The report as one HTML page that needs nothing else: no network, no script, no font file."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from turtlenet.evaluation import again, plots, text
from turtlenet.evaluation.perceptibility import figures
from turtlenet.evaluation.perceptibility import text as perceptibility_text
from turtlenet.evaluation.perceptibility.result import Sight
from turtlenet.reports import format
from turtlenet.reports.base import TEMPLATES
from turtlenet.reports.figures import Plot

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Picture, Report

__all__ = ["html"]

_SMALL = 96
"""Pictures up to this many pixels a side are enlarged with their pixels sharp."""

_LENGTHS = ("linf_mean", "linf_max", "l2_mean", "l2_max", "l1_mean", "l0_mean")
_CHANGES = (*_LENGTHS, "psnr_mean", "ssim_mean", "minimum_median", "queries_median")


@dataclass(frozen=True, kw_only=True)
class _Section:
    """One model's part of the page."""

    name: str
    report: Report
    classes: Plot | None
    settings: str
    command: str | None
    call: str | None


def html(reports: Sequence[Report]) -> str:
    """The report as a self-contained page, for a laptop, a phone or paper, light or dark.

    Args:
        reports: One report, or several to stand side by side.

    Returns:
        The whole of `report.html`.
    """
    return _template().render(
        sections=[_section(name, report) for name, report in zip(text.names(reports), reports, strict=True)],
        headline=_headline(reports),
        attacks=text.attack_rows(reports),
        figures=[plot for plot in (plots.accuracies(reports), plots.curve(reports)) if plot],
        changes=_CHANGES,
        small=_small,
        words=text,
        visible=perceptibility_text,
        sight=figures.drawn(reports),
        reports=reports,
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
    for room, names in (
        (format, ("clean", "count", "fraction", "number", "percent", "within")),
        (text, ("own_balls", "shields", "size")),
    ):
        environment.filters |= {name: getattr(room, name) for name in names}
    return environment.get_template("report.html")


def _section(name: str, report: Report) -> _Section:
    settings = [{"attack": row.name, "spec": row.spec, "settings": row.settings} for row in report.attacks]
    return _Section(
        name=name,
        report=report,
        classes=plots.per_class(report),
        settings=json.dumps(settings, indent=1),
        command=again.command(report),
        call=again.call(report),
    )


def _headline(reports: Sequence[Report]) -> str:
    if not any(report.attacks for report in reports):
        return "No attack was run"
    if len(reports) == 1:
        left = (
            f"{format.percent(reports[0].robust_accuracy)} of {text.images(reports[0])} withstand every attack tried"
        )
        if reports[0].beside_accuracy is None:
            return left
        beside = f"{format.percent(reports[0].beside_accuracy)} one {format.clean(reports[0].beside)}"
        return f"{left} in the {format.clean(reports[0].threat.get('access'))}, {beside}"
    shares = [format.percent(one.robust_accuracy) if one.attacks else format.MISSING for one in reports]
    return "Robust accuracy " + " → ".join(share.replace(" ", "\N{NO-BREAK SPACE}") for share in shares)


def _small(picture: Picture | Sight) -> bool:
    """Reads a PNG's width and height from its header."""
    try:
        head = base64.b64decode(picture.original[:32])
    except (binascii.Error, ValueError):
        return False
    return max(int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) <= _SMALL
