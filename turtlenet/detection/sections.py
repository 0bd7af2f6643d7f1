"""What the report of a detector says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.detection.pictures import pictures
from turtlenet.reports.base import findings
from turtlenet.reports.blocks import Bullets, Column, Facts, Figures, Table, Text, View
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.findings import Findings
from turtlenet.reports.format import MISSING, clip, count, fraction, number, percent, within

if TYPE_CHECKING:
    from turtlenet.detection.fitted import FittedDetector, Point, Scores
    from turtlenet.detection.report import Detection, Separation, Share

_EQUATION = (
    "The score is the variance of each class's softmax output over the draws (1/N), averaged over the classes: "
    "paper 001, equation 12. Sigma is the variance of the scores, as the paper's must be."
)
_OWN_PROBABILITY = (
    "The score is the probability that the detector itself gives; mu and sigma are the mean and the variance of these."
)
_FATES = "What becomes of the inputs that were right"
_AREA = "Area under the ROC curve: how often an adversarial example scores above a clean input."
_EITHER = "Mean of the shares that are right on either side, at a probability of 0.5."


def _scientific(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2e}"


def _share(share: Share) -> str:
    return fraction(share.share, share.interval) if share.count else MISSING


SEPARATION_COLUMNS = (
    Column("attack", "title", width=44),
    Column("clean", "clean", count, "Clean inputs on the one side."),
    Column("adversarial", "count", count, "Adversarial examples on the other; in the first row, the clean inputs."),
    Column("mu", "mu", _scientific, "The mean of their scores."),
    Column("sigma", "sigma", _scientific, "The variance of their scores."),
    Column("AUC [95 % interval]", ("auc", "auc_interval"), fraction, _AREA),
    Column("accuracy [95 % interval]", ("accuracy", "accuracy_interval"), fraction, _EITHER),
)
"""What is said of the examples of each attack beside the clean inputs."""


def document(result: Detection) -> Document:
    """The document of `report.md`, of `report.html` and of the terminal."""
    doubts, point = findings(result.doubts), result.alarms[-1]
    numbers = [
        *(_first("misclassified and not seen, under plain attacks", result.slipped_plain)),
        *(_first("the same, under attacks that know of the detector as well", result.slipped_adaptive, big=True)),
        Number("clean inputs that set the detector off", point.successes.share, point.successes.interval),
    ]
    slipped = "Misclassified and not seen, of the inputs that were right"
    return Document(
        title="Detection by uncertainty" if _uncertain(result) else "Detection of adversarial inputs",
        headline=_headline(result),
        facts=_facts(result),
        verdicts=[KeyFigures(numbers=numbers, words=_equation(result))],
        sections=[
            Section("", [Text(_equation(result), views=View.MARKDOWN)]),
            Section("Reasons to doubt", [Findings(doubts, views=View.FILES)]),
            *(Section("", blocks) for blocks in _separations(result, View.TERMINAL)),
            Section(slipped, [Text(f"{slipped}:", views=View.TERMINAL), _slipped(result)]),
            Section(_FATES, [Text(f"{_FATES}:", views=View.TERMINAL), _fates(result)]),
            Section("", [Bullets([_alarm(alarm) for alarm in result.alarms])]),
            Section("Clean against adversarial", [Figures(lambda: pictures(result))]),
            *(Section("", blocks) for blocks in _separations(result, View.FILES)),
            Section("Provenance", [Facts(_provenance(result))]),
            Section("", [Findings(doubts, views=View.TERMINAL)]),
        ],
    )


def fitted_document(fitted: FittedDetector) -> Document:
    """What a detector was fitted on, for a terminal."""
    said = {"successes": "clean inputs that are right, adversarial examples that succeed", "all": "all inputs"}
    head = f"{fitted.detector['name']}, fitted on {said[fitted.population]}; {fitted.draws} draws behind a score"
    columns = [
        Column("", "name", width=40),
        Column("count", "count", count),
        Column("mu", "mu", _scientific),
        Column("sigma", "sigma", _scientific),
    ]
    points = Bullets([_point(point) for point in fitted.points])
    opening = Section("", [Text(head), Table(columns, fitted.scores), points])
    return Document(title="A detector", headline=head, facts=[], sections=[], opening=opening)


def _equation(result: Detection) -> str:
    """What the scores are: uncertainties, or the probabilities of a detector that looks at something else."""
    return _EQUATION if _uncertain(result) else _OWN_PROBABILITY


def _uncertain(result: Detection) -> bool:
    """Whether the scores are uncertainties."""
    return any(alarm.point.edge != alarm.point.cut for alarm in result.alarms)


def _facts(result: Detection) -> list[str]:
    threat, total = result.threat, result.data.get("count")
    low, high = threat["bounds"]
    return [
        clip(result.model.get("name") or "model", 40),
        f"{result.detector['detector']['name']} detector, {result.draws} draws",
        f"{clip(result.data.get('name', MISSING), 30)}, {count(total)} inputs",
        f"{str(threat['norm']).capitalize()} eps {threat['eps']:g} in [{low:g}, {high:g}]",
    ]


def _headline(result: Detection) -> str:
    """What the detector lets through, at the point of few false alarms."""
    alarm = result.alarms[-1]
    false = f"while {percent(alarm.successes.share)} of the clean inputs set it off"
    plain = f"plain attacks get {_of(result.slipped_plain)} of the inputs misclassified and not seen"
    if not result.slipped_adaptive:
        return f"At {alarm.point.name}, {plain}, {false}; no attack knew of the detector."
    return f"At {alarm.point.name}, {plain}, attacks that know of it {_of(result.slipped_adaptive)}, {false}."


def _of(shares: Sequence[Share]) -> str:
    return f"{percent(shares[-1].share)} (95 % interval {within(shares[-1].interval)})" if shares else "none"


def _first(words: str, shares: Sequence[Share], *, big: bool = False) -> list[Number]:
    return [Number(words, shares[-1].share, shares[-1].interval, big)] if shares else []


def _separations(result: Detection, views: View) -> list[list[Text | Table]]:
    """Both populations: a title, and the scores of every attack's examples."""
    populations = (
        ("Clean inputs that are classified correctly, against adversarial examples that succeed:", "successes"),
        ("All clean inputs against all adversarial ones, whatever the answers, as in paper 001:", "all"),
    )
    return [
        [Text(title, views=views), Table(SEPARATION_COLUMNS, _sides(result, population), views=views)]
        for title, population in populations
    ]


def _sides(result: Detection, population: str) -> list[SimpleNamespace]:
    found: list[Separation] = [getattr(row, population) for row in result.rows]
    clean_side = [_side("clean", each.clean) for each in found[:1]]
    attacked = [
        _side(row.title, each.adversarial, **{**vars(each), "clean": each.clean.count})
        for row, each in zip(result.rows, found, strict=True)
    ]
    return [*clean_side, *attacked]


def _side(title: str, scores: Scores, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**asdict(scores), **more, title=title)


def _slipped(result: Detection) -> Table:
    def at(place: int) -> Any:
        return lambda row: row.slipped[place]

    points = [Column(f"not seen at {alarm.point.name}", at(n), _share) for n, alarm in enumerate(result.alarms)]
    sums = (("any plain attack", result.slipped_plain), ("any attack", result.slipped_adaptive))
    totals = [SimpleNamespace(title=title, slipped=found) for title, found in sums if found]
    columns = [Column("attack", "title", width=44), Column("misclassified", "fooled", _share), *points]
    return Table(columns, [*result.rows, *totals])


def _fates(result: Detection) -> Table:
    columns = [
        Column("point", "point", width=20),
        Column("detected", "detected", _share, "Some attack got it misclassified, and was seen each time."),
        Column(
            "evaded", "evaded", _share, "Only an attack that knows of the detector got it misclassified, not seen."
        ),
        Column("missed", "missed", _share, "An attack that knows nothing of it got it misclassified and not seen."),
        Column("resisted", "resisted", _share, "No attack got it misclassified."),
    ]
    pairs = zip(result.alarms, result.fates, strict=True)
    return Table(columns, [SimpleNamespace(point=alarm.point.name, **vars(fate)) for alarm, fate in pairs])


def _alarm(alarm: Any) -> str:
    """What a point of the detector is, and how often clean inputs set it off."""
    return (
        f"{_point(alarm.point)}; of clean inputs that are right, {_share(alarm.successes)} set it off, "
        f"of all, {_share(alarm.all)}"
    )


def _point(point: Point) -> str:
    if point.edge == point.cut:
        return f"{point.name}: seen at a probability above {point.cut:.3g}"
    beyond = "above" if point.side == "below" else "below"
    return f"{point.name}: seen at a probability above {point.cut:.3g}, an uncertainty {beyond} {point.edge:.3g}"


def _setting(name: str, value: Any) -> str:
    """A setting or number of the detector; of arrays only how many there are."""
    if isinstance(value, list | tuple):
        return f"{name} ({len(value)})"
    return f"{name} {value:.6g}" if isinstance(value, float | int) else f"{name} {value or MISSING}"


def _provenance(result: Detection) -> dict[str, Any]:
    detector, threat, fit = result.detector, result.threat, result.detector["data"]
    points = ", ".join(_setting(name, value) for name, value in detector["detector"].items() if name != "name")
    return {
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
        "Intervals": "AUC and accuracy: bootstrap over inputs, 1,000 draws; shares: Wilson",
        "Seed": result.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Written": f"{result.created}, after {number(result.seconds)} seconds",
    }
