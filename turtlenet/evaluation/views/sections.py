"""What the report of robustness says, of one model or of several side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.certification.sections import bar
from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.perceptibility import sections as perceptibility
from turtlenet.evaluation.results import moves
from turtlenet.evaluation.views import annex, in_words, plots, text, training
from turtlenet.evaluation.views.again import call, command
from turtlenet.evaluation.views.columns import (
    attack_columns,
    change_columns,
    class_columns,
    curve_columns,
    part_columns,
    unit_columns,
)
from turtlenet.evaluation.views.next_steps import code_for
from turtlenet.reports.base import findings
from turtlenet.reports.blocks import (
    Block,
    Bullets,
    Card,
    Code,
    Column,
    Emphasis,
    Facts,
    Figures,
    Gallery,
    Shot,
    Table,
    Text,
    Verbatim,
    View,
)
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.findings import Finding, Findings, merged
from turtlenet.reports.format import MISSING, clean, clip, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import Picture
    from turtlenet.evaluation.results.report import Report
    from turtlenet.reports.figures import Plot


def document(reports: Sequence[Report]) -> Document:
    """The document of `report.md`, of `report.html` and of the terminal.

    Args:
        reports: One report, or several to stand side by side.
    """
    titles, several = text.names(reports), len(reports) > 1
    pairs = list(zip(titles, reports, strict=True))
    doubts = Findings(doubts_of(pairs))
    alarms = Findings(
        [
            replace(each, commands=_commands(each, [(title, one)]))
            for title, one in pairs
            for each in _alarms(one, title if several else "")
        ]
    )
    visible = perceptibility.sections(reports)
    first = reports[0]
    return Document(
        title="Robustness report",
        headline=_headline(reports),
        facts=[", ".join(titles), text.threat(first), f"{_scored(first)}, {text.inputs(first)}"],
        verdicts=[_verdict(title if several else "", one) for title, one in pairs],
        opening=_opening(titles, reports),
        sections=[
            *([Section("", [alarms])] if alarms.found else []),
            in_words.section(titles, reports),
            Section("Reasons to doubt", [doubts]).only(View.FILES),
            _to_the_eye(reports),
            Section(
                "Accuracy under attack",
                [Figures(lambda: _drawn(plots.accuracies(reports), plots.curve(reports)), views=View.PAGE)],
            ),
            *([_side_by_side(titles, reports)] if several else []),
            *(section for each in reports for section in _certified(each)),
            *(section for each in reports for section in _random(each)),
            *(section.only(View.FILES) for each in reports for section in _planned(each)),
            *(section.only(View.FILES) for section in visible),
            *(section for title, one in pairs for section in _model(title if several else "", one)),
            Section("", [doubts]).only(View.TERMINAL),
            *(section.only(View.TERMINAL) for section in visible),
        ],
    )


def _headline(reports: Sequence[Report]) -> str:
    if not any(report.attacks for report in reports):
        return "No attack was run"
    if len(reports) > 1:
        shares = [percent(one.robust_accuracy) if one.attacks else MISSING for one in reports]
        return "Robust accuracy " + " → ".join(share.replace(" ", "\N{NO-BREAK SPACE}") for share in shares)
    report = reports[0]
    left = f"{percent(report.robust_accuracy)} of {text.inputs(report)} withstand every attack tried"
    left += text.on_average(report)
    if report.beside_accuracy is None:
        return left
    beside = f"{percent(report.beside_accuracy)} one {clean(report.beside)}"
    return f"{left} in the {clean(report.threat.get('access'))}, {beside}"


def _verdict(title: str, report: Report) -> KeyFigures:
    numbers = [Number("clean, before any attack", report.clean_accuracy)]
    if report.attacks:
        where = " within the threat" if text.own_balls(report) else ""
        where += f" in the {clean(report.threat.get('access'))}" if report.beside else ""
        words = f"robust, under every attack tried{where}{text.on_average(report)}"
        numbers.append(Number(words, report.robust_accuracy, report.robust_accuracy_interval, big=True))
        numbers += [Number(title, value, span) for title, value, span in _readings(report.chance)[1:]]
    if report.beside_accuracy is not None:
        words = f"beside it, one {clean(report.beside)}"
        numbers.append(Number(words, report.beside_accuracy, report.beside_accuracy_interval))
    scale = (report.clean_accuracy, report.robust_accuracy, *report.robust_accuracy_interval)
    return KeyFigures(
        title=title, numbers=numbers, words=text.verdict(report), scale=scale if report.attacks else None
    )


def _opening(titles: Sequence[str], reports: Sequence[Report]) -> Section:
    """For a terminal what each model is; for Markdown the verdicts."""
    pairs = list(zip(titles, reports, strict=True))
    lines: list[Block] = [Text(_heading(title, one), indent=4, views=View.TERMINAL) for title, one in pairs]
    if len(reports) > 1:
        change = Emphasis(f"Robust accuracy: {text.change(reports)}.")
        each = [(Emphasis(title), f" ({_setting(one)}): {text.verdict(one)}") for title, one in pairs]
        return Section("", [*lines, Text((change,), views=View.MARKDOWN), Bullets(each, views=View.MARKDOWN)])
    verdict = Text((Emphasis(text.verdict(reports[0])),), views=View.MARKDOWN)
    return Section("", [*lines, verdict, Text(f"Model {titles[0]}, {_setting(reports[0])}.", views=View.MARKDOWN)])


def _heading(title: str, report: Report) -> str:
    data = f"{clip(report.data.get('name', MISSING), 30)} {text.part(report)}".rstrip()
    return " | ".join([clip(title, 44), text.size(report), f"{data}, {text.inputs(report)}", text.threat(report)])


def _setting(report: Report) -> str:
    return f"{_scored(report)}, {text.threat(report)}"


def _scored(report: Report) -> str:
    return clean(f"{report.data.get('name', MISSING)} {text.part(report)}")


def _alarms(report: Report, subject: str) -> list[Finding]:
    """What makes the whole report worthless; it stands at the top, in red."""
    return [
        replace(each, kind="alarm")
        for each in findings([each for each in report.doubts if each.code == CONTRADICTION], subject)
    ]


def doubts_of(pairs: Sequence[tuple[str, Report]], every: str = "every model") -> list[Finding]:
    """The doubts of all models, the same as one, each with what to run next.

    Args:
        pairs: What each report is called, and the report.
        every: What all of them together are called.
    """
    several = len(pairs) > 1
    found = [each for title, one in pairs for each in _findings(one, title if several else "")]
    return [replace(each, commands=_commands(each, pairs)) for each in merged(found, len(pairs), every)]


def _commands(finding: Finding, pairs: Sequence[tuple[str, Report]]) -> list[Code]:
    shared = [
        (one, doubt)
        for _, one in pairs
        for doubt in one.doubts
        if (doubt.code, doubt.advice) == (finding.code, finding.more)
    ]
    return code_for([one for one, _ in shared], shared[0][1]) if shared else []


def _findings(report: Report, subject: str) -> list[Finding]:
    """The doubts; where there are none, what may be said then, and no more than that."""
    ran, missing = text.checks(report)
    if doubts := [each for each in report.doubts if each.code != CONTRADICTION]:
        return findings(doubts, subject)
    if report.doubts:
        return []
    if not ran:
        return [Finding(words="No check ran.", more=text.CAVEAT, subject=subject, kind="note")]
    words = f"No reason to doubt was found by the checks that ran: {', '.join(ran)}."
    left = f"Not checked, for lack of such a run: {', '.join(missing)}. " if missing else ""
    return [Finding(words=words, more=f"{left}{text.CAVEAT}", subject=subject, kind="good")]


def _certified(report: Report) -> list[Section]:
    """Both ends of the robust accuracy on one bar, and what that saved."""
    about = report.certificate
    if not about:
        return []
    line = Text((Verbatim(bar(about["accuracy"], about["attacked"])),))
    words = (
        f"By {about['method']}: {fraction(about['accuracy'], about['accuracy_interval'])} are certified. "
        f"{about['spared']:,} certified {text.kind(report).examples} were left alone, which saved about "
        f"{about['gradients_saved']:,} gradients; {about['audited']:,} of them were attacked all the same, "
        "to test the certificates."
    )
    return [Section("Certified", [line, Text(words)])]


def _random(report: Report) -> list[Section]:
    """What a random model's accuracy is, read in three ways."""
    about = report.chance
    if not about:
        return []
    rows = [SimpleNamespace(title=title, value=value, interval=span) for title, value, span in _readings(about)]
    words = (
        f"Each example was asked about in {number(about['draws'])} draws that no attack had seen, one at a time, "
        "until the interval on its probability of fooling the model was narrower than "
        f"{about['width']:g}. The first line is the robust accuracy of this report: what users of the model would see "
        "under these attacks."
    )
    columns = [Column("reading", "title"), Column("accuracy [95 % interval]", ("value", "interval"), fraction)]
    return [Section("A random model's accuracy under attack", [Text(words), Table(columns, rows)])]


def _readings(about: dict[str, Any] | None) -> list[tuple[str, float, tuple[float, float]]]:
    """The readings of a random model's accuracy, the one to quote first: title, value and interval."""
    if not about:
        return []
    titles = {
        "expected": "expected, over the draws",
        "majority": "right in most draws",
        "any_draw": "right in every draw",
        # Reports of older versions lack it.
        "answer": f"right in one answer, the mean of {about.get('answer_draws')} draws",
    }
    return [(title, about[name], tuple(about[f"{name}_interval"])) for name, title in titles.items() if name in about]


def _planned(report: Report) -> list[Section]:
    """The parts of the attacks in the order in which they were run."""
    plan = report.plan
    if plan is None:
        return []
    words = (
        f"{number(plan.each)} gradients and queries for each of {plan.attacked:,} {text.kind(report).examples}. "
        f"Everything was run on the first {plan.learned:,}, drawn at random, and took {number(plan.whole)} there; "
        f"then on {plan.audited:,} more, of which the plan would have missed {plan.missed:,}. The others met what had "
        "broken most for its cost first, and after that only what may still break them: a part goes no farther down, "
        "from those that came nearest to breaking, than it was seen to be good for."
    )
    table = Table(unit_columns(text.kind(report)), plan.parts, folded=len(plan.parts) > 12)
    return [Section("In the order in which the attacks pay", [Text(words), table])]


def _to_the_eye(reports: Sequence[Report]) -> Section:
    """The largest change that the threat allows, on images of the data; models of one threat share it."""
    report = next((one for one in reports if one.largest_changes), reports[0])
    norm = clean(str(report.threat.get("norm")).capitalize())
    words = (
        "Left the original. In the middle every pixel is moved towards the far end of the range as far as the threat "
        "lets all of them, right up or down by chance. No attack needs to look like this; none may go further."
    )
    cards = [
        Card(
            f"{norm} {number(each.distance)}",
            f"image {each.index}, {text.class_name(report, each.label)}",
            [
                Shot(each.original, f"Original image {each.index}", "original"),
                Shot(each.even, f"Image {each.index} with its contrast lowered by {number(each.distance)}", "evenly"),
                Shot(each.random, f"Image {each.index} with noise of the largest allowed size", "by chance"),
            ],
        )
        for each in report.largest_changes
    ]
    title = f"What eps {number(report.threat.get('eps'))} means to the eye"
    return Section(title, [Text(words if cards else "", views=View.PAGE), Gallery(cards)])


def _drawn(*found: Plot | None) -> list[Plot]:
    return [plot for plot in found if plot]


def _side_by_side(titles: Sequence[str], reports: Sequence[Report]) -> Section:
    """The accuracy of every model under every attack; for a terminal, which has no more of each model, with notes."""

    def cell(place: int) -> Callable[[Any], str]:
        return lambda row: str(row.cells[place])

    rows = [
        SimpleNamespace(
            title=name, cells=[fraction(row.accuracy, row.accuracy_interval) if row else MISSING for row in found]
        )
        for name, found in text.attack_rows(reports)
    ]
    before = [fraction(one.clean_accuracy, one.clean_accuracy_interval) for one in reports]
    after = SimpleNamespace(title=text.ROBUST, cells=[text.robust(one) for one in reports], strong=True)
    columns = [
        Column("", "title", width=30, views=View.TERMINAL),
        Column("accuracy [95 % interval]", "title", views=View.FILES),
        *(Column(title, cell(place), width=22) for place, title in enumerate(titles)),
    ]
    notes = [text.cascade(reports[0])] if any(one.mode == "cascade" and one.attacks for one in reports) else []
    notes += dict.fromkeys(map(text.own_balls, reports))
    also = [(title, text.also(one)) for title, one in zip(titles, reports, strict=True)]
    notes += [f"{clip(title, 40)}: {words}" for title, words in also if words]
    table = Table(columns, [SimpleNamespace(title=text.CLEAN, cells=before), *rows, after])
    return Section("Side by side", [table, *(Text(note, indent=2, views=View.TERMINAL) for note in notes)])


def _model(title: str, report: Report) -> list[Section]:
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
        Section("Per class", [Figures(lambda: _drawn(plots.per_class(report)), views=View.PAGE), classes], level),
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
        "Data": f"{_scored(report)}, {text.inputs(report)}. {report.data.get('description') or ''}",
        **annex.hashes(report),
        "Seed": report.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        "Written": f"{report.created}, after {number(report.seconds)} seconds",
    }
