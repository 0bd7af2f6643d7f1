"""All figures of one model, section by section."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.evaluation.results import moves
from turtlenet.evaluation.views import annex, plots, text, training
from turtlenet.evaluation.views.again import call, command
from turtlenet.evaluation.views.columns import (
    attack_columns,
    change_columns,
    class_columns,
    curve_columns,
    part_columns,
)
from turtlenet.reports.blocks import (
    Block,
    Card,
    Code,
    Facts,
    Figures,
    Gallery,
    Shot,
    Table,
    Text,
    View,
)
from turtlenet.reports.document import Section
from turtlenet.reports.format import MISSING, clean, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import Picture
    from turtlenet.evaluation.results.report import Report
    from turtlenet.reports.figures import Plot


def sections_of(title: str, report: Report) -> list[Section]:
    """All figures of one model, in a comparison under its title; of these a terminal shows none."""
    level, views = (3, View.FILES) if title else (2, View.ALL)
    notes = [text.cascade(report) if report.mode == "cascade" else "", text.own_balls(report), text.also(report)]
    attacks = [
        Table(attack_columns(text.kind(report)), _attack_rows(report)),
        *(Text(note, indent=2) for note in notes),
    ]
    classes = Table(class_columns(report), report.per_class, folded=len(report.per_class) > 12, views=View.FILES)
    parts = Table(part_columns(report), report.per_part, folded=len(report.per_part) > 12, views=View.FILES)
    curve = Table(curve_columns(text.kind(report)), report.curve, folded=True, views=View.FILES)
    settings = [{"attack": row.name, "spec": row.spec, "settings": row.settings} for row in report.attacks]
    origin = [
        Facts(_provenance(report)),
        Code("To run it again:", command(report) or "", "sh"),
        Code(text.IN_MEMORY, call(report) or "", "python"),
        Code("Exact settings:", json.dumps(settings, indent=1), "json", folded=True),
    ]
    return [
        *([Section(title)] if title else []),
        Section("Attacks", attacks, level).only(views),
        moves.section(report, level).only(views),
        Section(
            "How large the changes are",
            [Table(change_columns(text.kind(report)), report.attacks, views=View.FILES)],
            level,
        ),
        Section("Per class", [Figures(lambda: drawn(plots.per_class(report)), views=View.PAGE), classes], level),
        Section(text.parts_title(report), [parts], level),
        Section(f"Accuracy against eps, under {clean(report.curve_attack)}", [curve], level),
        Section("What the attacks did", _pictures(report), level),
        training.section(report, level),
        Section("Threat and provenance", origin, level),
        annex.section(report, level),
    ]


def _attack_rows(report: Report) -> list[Any]:
    """The model before, then the attacks, the parts of the evaluation that broke more, and the sum of all."""
    rows: list[Any] = [_sum(text.CLEAN, report.clean_accuracy, report.clean_accuracy_interval, strong=False)]
    for attacks, title, share, interval in text.sums(report):
        rows += attacks
        rows += text.part_rows(report, title == text.robust_title(report)) if attacks else []
        rows.append(_sum(title, share if attacks else None, interval, strong=True))
    return rows


def _sum(title: str, share: float | None, interval: Sequence[float], *, strong: bool) -> SimpleNamespace:
    return SimpleNamespace(title=title, short=title, accuracy=share, accuracy_interval=interval, strong=strong)


def _pictures(report: Report) -> list[Block]:
    words = (
        "Left the original, right what the model was shown, between them the change: mid-gray is none, black and "
        "white the largest."
    )
    cards = [_card(report, picture, clean(str(report.threat.get("norm")).capitalize())) for picture in report.pictures]
    return [Text(words if cards else "", views=View.PAGE), Gallery(cards)]


def _card(report: Report, picture: Picture, norm: str) -> Card:
    place = picture.index
    label, before, after = (
        text.class_name(report, each)
        for each in (picture.label, picture.clean_prediction, picture.adversarial_prediction)
    )
    was = f"{before}, {percent(picture.clean_confidence)}"
    then = f"{after}, {percent(picture.adversarial_confidence)}"
    mark, outcome = ("right", "held") if after == label else ("wrong", "fooled")
    original = f"Original image {place}, label {label}"
    change = f"The change made by {picture.attack} to image {place}"
    example = f"Image {place} after {picture.attack}, classified as {after}"
    shots = [
        Shot(picture.original, original, was, "right" if before == label else "wrong", "original"),
        Shot(picture.perturbation, change, f"{norm} {number(picture.distance)}", note="change"),
        Shot(picture.adversarial, example, then, mark, outcome),
    ]
    return Card(f"{was} → {then}", f"image {place}, label {label}, {clean(picture.attack)}", shots)


def _provenance(report: Report) -> dict[str, Any]:
    labels = report.threat.get("labels", MISSING)
    return {
        "Threat": f"{text.threat(report)}, {report.threat.get('access', MISSING)}, labels {labels}",
        "Mode": report.mode,
        "Model": f"{report.model.get('name')}, {text.size(report)}",
        "Model file": report.model.get("path") or "in memory",
        "Defences": text.shields(report),
        **({"Normalized by": report.model["normalize"]} if report.model.get("normalize") else {}),
        **({"Surrogates": text.surrogates(report)} if report.threat.get("surrogates") else {}),
        "Model head": report.model.get("head", MISSING),
        "Data": f"{scored(report)}, {text.inputs(report)}. {report.data.get('description') or ''}",
        **annex.hashes(report),
        "Seed": report.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        "Written": f"{report.created}, after {number(report.seconds)} seconds",
    }


def scored(report: Report) -> str:
    """The data that were attacked, and which part of them."""
    return clean(f"{report.data.get('name', MISSING)} {text.part(report)}")


def drawn(*found: Plot | None) -> list[Plot]:
    """The plots that there are."""
    return [plot for plot in found if plot]
