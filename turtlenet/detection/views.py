"""The report of a detector as Markdown and as one HTML page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from turtlenet.detection import text
from turtlenet.detection.pictures import HISTOGRAM, ROC
from turtlenet.reports import markdown as md
from turtlenet.reports.base import TEMPLATES
from turtlenet.reports.format import MISSING, number, percent, within

if TYPE_CHECKING:
    from turtlenet.detection.report import AttackedRow, Detection, Separation

__all__ = ["html", "markdown"]

TITLE = "Detection by uncertainty"


def markdown(result: Detection) -> str:
    """The whole of `report.md`."""
    parts = [
        f"# {TITLE}",
        f"**{md.plain(text.headline(result))}**",
        f"{md.plain(', '.join(text.facts(result)))}. {md.plain(text.equation(result))}",
        "## Reasons to doubt",
        "\n".join(f"- **{md.plain(one.finding)}** → {md.plain(one.advice)} (`{one.code}`)" for one in result.doubts),
        "## Misclassified and not seen, of the images that were right",
        md.table(text.slip_head(result), [[md.plain(row[0]), *row[1:]] for row in text.slip_rows(result)]),
        "\n".join(f"- {md.plain(line)}" for line in _points(result)),
        "## Clean against adversarial",
        f"![histogram of the uncertainties]({HISTOGRAM})",
        f"![ROC curves]({ROC})",
    ]
    for title, rows in text.populations(result):
        parts += [md.plain(title), md.table(text.SEPARATION_HEAD, _separations(rows, md.plain))]
    return "\n\n".join([*parts, "## Provenance", md.table(["", ""], _provenance(result, md.plain))]) + "\n"


def html(result: Detection, pictures: dict[str, bytes]) -> str:
    """The whole of `report.html`, which needs nothing else.

    Args:
        result: What to show.
        pictures: PNG files by name.
    """
    uris = {name: "data:image/png;base64," + base64.b64encode(data).decode() for name, data in pictures.items()}
    return _template().render(
        title=TITLE,
        result=result,
        headline=text.headline(result),
        facts=text.facts(result),
        equation=text.equation(result),
        slip_head=text.slip_head(result),
        slip_rows=text.slip_rows(result),
        points=_points(result),
        separation_head=text.SEPARATION_HEAD,
        populations=[(title, _separations(rows, str)) for title, rows in text.populations(result)],
        histogram=uris[HISTOGRAM],
        roc=uris[ROC],
        provenance=_provenance(result, str),
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
    return environment.get_template("detection.html")


def _points(result: Detection) -> list[str]:
    return [
        f"{text.point_words(alarm.point)}; clean images that set it off: {text.share(alarm.successes)} of those that "
        f"are right, {text.share(alarm.all)} of all."
        for alarm in result.alarms
    ]


def _separations(rows: Sequence[tuple[AttackedRow, Separation]], plain: Callable[[str], str]) -> list[list[str]]:
    first = [["clean", "", *text.scores_cells(rows[0][1].clean), "", ""]] if rows else []
    return [*first, *([plain(text.title(row)), *text.separation_cells(row, found)] for row, found in rows)]


def _provenance(result: Detection, plain: Callable[[str], str]) -> list[list[str]]:
    detector, threat, fit = result.detector, result.threat, result.detector["data"]
    points = ", ".join(f"{name} {value:.6g}" for name, value in detector["detector"].items() if name != "name")
    facts = {
        "Model": f"{result.model.get('name')}, {result.model.get('path') or 'in memory'}",
        "Model sha256": result.model.get("sha256", MISSING),
        "Attacks": ", ".join(row.spec for row in result.rows) or MISSING,
        "Detector": f"{detector['detector']['name']} ({points})",
        "Fitted on": f"{fit.get('description')}; {detector['population']}, {', '.join(detector['attacks'])}",
        "Fitted on, sha256": fit.get("sha256", MISSING),
        "Scored on": result.data.get("description") or MISSING,
        "Scored on, sha256": result.data.get("sha256", MISSING),
        "Draws": f"{result.draws} behind a score, {result.attack_draws} other ones in an attacker's mean",
        "Gradient": threat.get("gradient", MISSING),
        "Intervals": "AUC and accuracy: bootstrap over images, 1,000 draws; shares: Wilson",
        "Seed": result.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Written": f"{result.created}, after {number(result.seconds)} seconds",
    }
    return [[name, plain(str(value))] for name, value in facts.items()]
