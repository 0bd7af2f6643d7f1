"""The report as Markdown: the verdict, the doubts, then the figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from turtlenet.evaluation.again import call, command
from turtlenet.evaluation.perceptibility import text as visible
from turtlenet.evaluation.text import (
    CASCADE,
    CLEAN,
    IN_MEMORY,
    ROBUST,
    also,
    attack_rows,
    attack_title,
    change,
    images,
    names,
    own_balls,
    part,
    part_rows,
    reassurance,
    robust,
    robust_title,
    shields,
    size,
    sums,
    surrogates,
    threat,
    verdict,
)
from turtlenet.reports.format import MISSING, count, fraction, number
from turtlenet.reports.markdown import _code, plain, table

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Report

__all__ = ["markdown"]


def markdown(reports: Sequence[Report]) -> str:
    """The report as GitHub-flavored Markdown.

    Args:
        reports: One report, or several to stand side by side.

    Returns:
        The whole of `report.md`.
    """
    titles = [plain(title) for title in names(reports)]
    several = len(reports) > 1
    parts = ["# Robustness report", *_verdicts(titles, reports), *_doubts(titles, reports)]
    if several:
        parts += ["## Side by side", _side_by_side(titles, reports)]
    parts += _perceptibility(reports)
    for title, report in zip(titles, reports, strict=True):
        parts += [f"## {title}"] if several else []
        parts += _figures(report, "###" if several else "##")
    return "\n\n".join(parts) + "\n"


def _verdicts(titles: Sequence[str], reports: Sequence[Report]) -> list[str]:
    if len(reports) == 1:
        return [f"**{verdict(reports[0])}**", f"Model {titles[0]}, {_setting(reports[0])}."]
    lines = [f"- **{title}** ({_setting(report)}): {verdict(report)}" for title, report in _both(titles, reports)]
    return [f"**Robust accuracy: {plain(change(reports))}.**", "\n".join(lines)]


def _setting(report: Report) -> str:
    return f"{plain(_scored(report))}, {plain(threat(report))}"


def _scored(report: Report) -> str:
    return f"{report.data.get('name', MISSING)} {part(report)}".rstrip()


def _doubts(titles: Sequence[str], reports: Sequence[Report]) -> list[str]:
    lines = []
    for title, report in _both(titles, reports):
        lead = f"{title}: " if len(reports) > 1 else ""
        lines += [
            f"- {lead}**{plain(one.finding)}** → {plain(one.advice)} (`{_code(one.code)}`)" for one in report.doubts
        ]
        lines += [] if report.doubts else [f"- {lead}{reassurance(report)}"]
    return ["## Reasons to doubt", "\n".join(lines)]


def _side_by_side(titles: Sequence[str], reports: Sequence[Report]) -> str:
    rows = [[CLEAN, *(fraction(one.clean_accuracy, one.clean_accuracy_interval) for one in reports)]]
    for name, cells in attack_rows(reports):
        found = [fraction(row.accuracy, row.accuracy_interval) if row else MISSING for row in cells]
        rows.append([plain(name), *found])
    rows.append([f"**{ROBUST}**", *(robust(one) for one in reports)])
    return table(["accuracy [95 % interval]", *titles], rows)


def _perceptibility(reports: Sequence[Report]) -> list[str]:
    found = visible.seen(reports)
    if not found:
        return []
    each = found[0][2]
    how = f"{plain(each.attack)}, of the first {count(len(each.label))} images those right at first. {visible.CAVEAT}"
    tables = (
        (visible.MEDIAN_HEAD, visible.median_rows(reports)),
        (visible.MEAN_HEAD, visible.mean_rows(reports)),
        (visible.FIXED_HEAD, visible.fixed_rows(reports)),
    )
    rows = [
        [plain(name), f"{at.eps:g}", fraction(at.share, at.share_interval)]
        for name, _, one in found
        for at in one.broken
    ]
    return [
        f"## {visible.TITLE}",
        f"**{plain(visible.finding(reports))}.** Attack {how}",
        *(table(head, [[plain(row[0]), *map(_cell, row[1:])] for row in body]) for head, body in tables),
        table(["broken up to", "eps", "share [95 % interval]"], rows),
    ]


def _cell(text: str) -> str:
    """A cell of a number; only its sign of more needs care."""
    return text.replace(">", "&gt;")


def _figures(report: Report, level: str) -> list[str]:
    parts = [f"{level} Attacks", _attacks(report)]
    if report.mode == "cascade":
        parts.append(CASCADE)
    parts += [plain(note) for note in (own_balls(report), also(report)) if note]
    if report.attacks:
        parts += [f"{level} How large the changes are", _changes(report)]
    if report.per_class:
        parts += [f"{level} Per class", _per_class(report)]
    if report.curve:
        parts += [f"{level} Accuracy against eps, under {plain(report.curve_attack)}", _curve(report)]
    return [*parts, f"{level} Threat and provenance", _provenance(report), *_settings(report)]


def _attacks(report: Report) -> str:
    rows = [[CLEAN, fraction(report.clean_accuracy, report.clean_accuracy_interval), *[""] * 6]]
    for attacks, title, share, interval in sums(report):
        for row in attacks:
            cells = [plain(attack_title(row)), fraction(row.accuracy, row.accuracy_interval)]
            cells += [fraction(row.success_rate), count(row.examples), number(row.loss), count(row.gradients)]
            rows.append([*cells, count(row.queries), f"{row.seconds:,.1f}"])
        for more in part_rows(report, title == robust_title(report)) if attacks else ():
            cells = [plain(f"+ {more.name}: {more.attack}"), fraction(more.accuracy, more.accuracy_interval)]
            rows.append([*cells, "", count(more.tried), *[""] * 4])
        rows.append([f"**{plain(title)}**", fraction(share, interval) if attacks else MISSING, *[""] * 6])
    columns = ["accuracy [95 % interval]", "success", "attacked", "loss", "gradients", "queries", "seconds"]
    return table(["attack", *columns], rows)


def _changes(report: Report) -> str:
    rows = [
        [
            plain(attack_title(row)),
            *map(number, (row.linf_mean, row.linf_max, row.l2_mean, row.l2_max, row.l1_mean, row.l0_mean)),
            *map(number, (row.psnr_mean, row.ssim_mean, row.minimum_median, row.queries_median)),
        ]
        for row in report.attacks
    ]
    columns = ["Linf mean", "Linf max", "L2 mean", "L2 max", "L1 mean", "L0 mean", "PSNR, dB", "SSIM"]
    columns += ["smallest, median", "queries, median"]
    return table(["attack", *columns], rows)


def _per_class(report: Report) -> str:
    rows = [
        [
            str(row.label),
            count(row.count),
            fraction(row.clean_accuracy),
            fraction(row.robust_accuracy, row.robust_accuracy_interval),
        ]
        for row in report.per_class
    ]
    return table(["class", "images", "clean", "robust [95 % interval]"], rows)


def _curve(report: Report) -> str:
    rows = [[f"{at.eps:g}", fraction(at.accuracy, at.accuracy_interval), count(at.examples)] for at in report.curve]
    return table(["eps", "accuracy [95 % interval]", "images"], rows)


def _provenance(report: Report) -> str:
    facts = {
        "Threat": f"{threat(report)}, {report.threat.get('access', MISSING)}, labels {_labels(report)}",
        "Mode": report.mode,
        "Model": f"{report.model.get('name')}, {size(report)}",
        "Model file": report.model.get("path") or "in memory",
        "Defences": shields(report),
        **({"Surrogates": surrogates(report)} if report.threat.get("surrogates") else {}),
        "Model head": report.model.get("head", MISSING),
        "Model sha256": report.model.get("sha256", MISSING),
        "Data": f"{_scored(report)}, {images(report)}. {report.data.get('description') or ''}",
        "Data sha256": report.data.get("sha256", MISSING),
        "Seed": report.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        "Written": f"{report.created}, after {number(report.seconds)} seconds",
    }
    return table(["", ""], [[name, plain(value)] for name, value in facts.items()])


def _labels(report: Report) -> str:
    return str(report.threat.get("labels", MISSING))


def _settings(report: Report) -> list[str]:
    settings = [{"attack": row.name, "spec": row.spec, "settings": row.settings} for row in report.attacks]
    again = command(report)
    # No line of JSON or of `command` can start with a fence: neither ends its block early.
    parts = ["To run it again:", f"```sh\n{again}\n```"] if again else []
    if lines := call(report):
        parts = [f"{IN_MEMORY}", f"```python\n{lines}\n```"]
    return [*parts, "Exact settings:", f"```json\n{json.dumps(settings, indent=1)}\n```"]


def _both(titles: Sequence[str], reports: Sequence[Report]) -> Iterable[tuple[str, Report]]:
    return zip(titles, reports, strict=True)
