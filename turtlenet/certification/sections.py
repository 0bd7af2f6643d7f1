"""What the report of a certification says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from turtlenet.input_kind import InputKind, kind_named
from turtlenet.reports.blocks import Column, Emphasis, Facts, Table, Text, View
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.format import count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.certification.report import Certificate

_WIDTH = 40
_METHODS = (
    Column("method", "name"),
    Column("certified", "certified", count, "Images that it certified, of those that the methods before left open."),
    Column("broken", "broken", count, "Images of which it found an adversarial example, which the model confirmed."),
    Column(
        "certified in all",
        lambda row: "" if row.accuracy is None else row.accuracy,
        fraction,
        "Share of all inputs that are certified after this method and all before it.",
    ),
)
_EXAMPLES = (
    Column("label", "label"),
    Column("answer", "clean_prediction"),
    Column("verdict", "verdict"),
    Column("by", "method"),
    Column("margin at least", "margin", lambda value: "" if value is None else number(value)),
)
_SMOOTHED = (*_EXAMPLES[:-1], Column("radius", "radius", number, "L2 distance within which the answer stays."))


def document(result: Certificate) -> Document:
    """The document of `certificate.md`, of the page and of the terminal."""
    kind = kind_named(result.data.get("kind"))
    headline, line = _headline(result), bar(result.certified_accuracy, result.attacked_accuracy)
    attacked = [Number("attacked", result.attacked_accuracy, result.attacked_accuracy_interval)]
    if result.smoothing:
        # Nothing was attacked: the other end of the bar is what is right without an attack.
        attacked, line = [], line.replace("attacked", "without attack")
    facts = [
        str(result.model.get("name")),
        _threat(result),
        f"{result.data['name']}, {kind.count(result.data['count'])}",
    ]
    verdicts = [
        KeyFigures(
            numbers=[
                Number("without attack", result.clean_accuracy, result.clean_accuracy_interval),
                Number("certified", result.certified_accuracy, result.certified_accuracy_interval, big=True),
                *attacked,
            ],
            words=headline,
            scale=(
                result.clean_accuracy,
                result.certified_accuracy,
                result.certified_accuracy,
                result.attacked_accuracy,
            ),
        )
    ]
    opening = Section(
        "",
        [
            Text(" | ".join(facts), views=View.TERMINAL),
            Text((Emphasis(headline),), views=View.MARKDOWN),
            Text(headline, views=View.TERMINAL),
            Text(line),
            Text(f"{', '.join(facts)}.", views=View.MARKDOWN),
        ],
    )
    columns = (Column(kind.example, "index"), *(_SMOOTHED if result.smoothing else _EXAMPLES))
    return Document(
        title="Certified robustness",
        headline=headline,
        facts=facts,
        verdicts=verdicts,
        opening=opening,
        sections=[
            Section("Methods", [Table(_METHODS, result.methods), Text(_left(result, kind))]),
            Section(
                kind.examples.capitalize(),
                [Table(columns, _rows(result), folded=True, views=View.PAGE)],
            ),
            Section("Provenance", [Facts(_provenance(result))]),
        ],
    )


def bar(certified: float, attacked: float) -> str:
    """Both bounds on one bar, as plain text.

    >>> bar(0.5, 0.75)
    '[####################??????????..........] 0.500 certified <= true <= 0.750 attacked'
    """
    sure, maybe = round(certified * _WIDTH), round(attacked * _WIDTH)
    drawn = "#" * sure + "?" * (maybe - sure) + "." * (_WIDTH - maybe)
    return f"[{drawn}] {certified:.3f} certified <= true <= {attacked:.3f} attacked"


def _headline(result: Certificate) -> str:
    certified, attacked = percent(result.certified_accuracy), percent(result.attacked_accuracy)
    if result.smoothing:
        alpha = result.smoothing["alpha"]
        return f"{certified} of the smoothed classifier are certified, each but for a probability of {alpha:g}."
    return f"{certified} are certified; the true robust accuracy is between that and {attacked}."


def _left(result: Certificate, kind: InputKind) -> str:
    if result.smoothing:
        how, abstained = result.smoothing, result.verdicts.get("clean_prediction", []).count(-1)
        failures = number(how["expected_failures"])
        return (
            f"Gaussian noise of sigma {how['sigma']:g}; {how['n0']:,} draws choose a class, {how['n']:,} estimate its "
            f"probability ({how['bound']}), {how['passes']:,} forward passes for each {kind.example}. It "
            f"abstained on {kind.count(abstained)}, which count as wrong. At most {failures} wrong certificates "
            "are to be expected. The certificate is that of the majority over draws, and of no single one."
        )
    found = Counter(result.verdicts.get("verdict", ()))
    left = found["unknown"]
    words = f"{kind.count(left)} {'is' if left == 1 else 'are'} left open: neither certified nor broken."
    return words if left else f"No {kind.example} is left open: the robust accuracy is known exactly."


def _threat(result: Certificate) -> str:
    low, high = result.threat["bounds"]
    return f"{str(result.threat['norm']).capitalize()} eps {result.threat['eps']:g} in [{low:g}, {high:g}]"


class _Row:
    """The line of one input."""

    def __init__(self, index: int, cells: dict[str, Any]):
        self.index = index
        vars(self).update(cells)


def _rows(result: Certificate) -> list[_Row]:
    names, columns = list(result.verdicts), list(result.verdicts.values())
    return [_Row(index, dict(zip(names, row, strict=True))) for index, row in enumerate(zip(*columns, strict=True))]


def _provenance(result: Certificate) -> dict[str, Any]:
    seconds = "" if result.exact_seconds is None else f", {result.exact_seconds:g} seconds each"
    return {
        "Threat": _threat(result),
        "Method": f"{result.method}{seconds}",
        "Attack": result.attack or "none",
        "Model": result.model.get("name"),
        "Model file": result.model.get("path") or "in memory",
        "Model head": result.model.get("head"),
        "Model sha256": result.model.get("sha256"),
        "Data": f"{result.data['name']}. {result.data.get('description') or ''}",
        "Data sha256": result.data.get("sha256"),
        "Seed": result.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Written": f"{result.created}, after {number(result.seconds)} seconds",
    }
