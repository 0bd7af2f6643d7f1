"""What the report of robustness says, of one model or of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.certification.sections import bar
from turtlenet.evaluation.perceptibility import sections as perceptibility
from turtlenet.evaluation.views import in_words, plots, text
from turtlenet.evaluation.views.columns import unit_columns
from turtlenet.evaluation.views.doubt_sections import alarms_of, doubts_of
from turtlenet.evaluation.views.model_sections import drawn, scored, sections_of
from turtlenet.reports.blocks import (
    Block,
    Bullets,
    Card,
    Column,
    Emphasis,
    Figures,
    Gallery,
    Shot,
    Table,
    Text,
    Verbatim,
    View,
)
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.findings import Findings
from turtlenet.reports.format import MISSING, clean, clip, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report


def document(reports: Sequence[Report]) -> Document:
    """The document of `report.md`, of `report.html` and of the terminal.

    Args:
        reports: One report, or several to stand side by side.
    """
    titles, several = text.names(reports), len(reports) > 1
    pairs = list(zip(titles, reports, strict=True))
    doubts = Findings(doubts_of(pairs))
    alarms = Findings(alarms_of(pairs))
    visible = perceptibility.sections(reports)
    first = reports[0]
    return Document(
        title="Robustness report",
        headline=_headline(reports),
        facts=[", ".join(titles), text.threat(first), f"{scored(first)}, {text.inputs(first)}"],
        verdicts=[_verdict(title if several else "", one) for title, one in pairs],
        opening=_opening(titles, reports),
        sections=[
            *([Section("", [alarms])] if alarms.found else []),
            in_words.section(titles, reports),
            Section("Reasons to doubt", [doubts]).only(View.FILES),
            _to_the_eye(reports),
            Section(
                "Accuracy under attack",
                [Figures(lambda: drawn(plots.accuracies(reports), plots.curve(reports)), views=View.PAGE)],
            ),
            *([_side_by_side(titles, reports)] if several else []),
            *(section for each in reports for section in _certified(each)),
            *(section for each in reports for section in _random(each)),
            *(section.only(View.FILES) for each in reports for section in _planned(each)),
            *(section.only(View.FILES) for section in visible),
            *(section for title, one in pairs for section in sections_of(title if several else "", one)),
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
    return f"{scored(report)}, {text.threat(report)}"


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
    asked = any(row.name == "malt" for row in report.attacks)
    if not asked and any(part.name.startswith("malt") for part in plan.parts):
        words += " Parts called malt are the attempts of apgd-t, the nearest class first."
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
