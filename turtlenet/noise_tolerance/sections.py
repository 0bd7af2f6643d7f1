"""What the report of noise tolerance says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from turtlenet.input_kind import InputKind, kind_named
from turtlenet.noise_tolerance.levels import quantizer
from turtlenet.noise_tolerance.pictures import plot
from turtlenet.reports.blocks import Column, Emphasis, Facts, Figures, Table, Text, Verbatim, View
from turtlenet.reports.document import Document, KeyFigures, Number, Section
from turtlenet.reports.format import MISSING, clip, count, fraction, number

if TYPE_CHECKING:
    from turtlenet.noise_tolerance.measure import LevelRow, NoiseCurve, Tolerance


def _kind(result: Tolerance) -> InputKind:
    return kind_named(result.data.get("kind"))


def _point(curve: NoiseCurve, place: int) -> str:
    if place >= len(curve.strengths):
        return MISSING
    return f"{number(curve.strengths[place])}: {fraction(curve.accuracies[place], curve.intervals[place])}"


_NOISES = (
    Column("noise", "kind"),
    Column("tolerable to", "tolerable", number, "The largest strength up to which accuracy stays tolerable."),
    Column("held at", lambda curve: _point(curve, _after(curve) - 1), meaning="The last strength that was tolerable."),
    Column("fell at", lambda curve: _point(curve, _after(curve)), meaning="The first strength that was not."),
)
_STRENGTHS = (
    Column("strength", lambda point: point[0], number),
    Column("accuracy [95 % interval]", lambda point: fraction(point[1], point[2])),
)


def document(result: Tolerance) -> Document:
    """The document of `tolerance.md` and of the terminal."""
    finding = f"{result.proposal.finding}."
    defence = f"--defence {quantizer(result.proposal.levels)}"
    units = f"Strengths in input units; of salt and pepper, the share of {_kind(result).values}."
    facts, clean_line, measured = _facts(result), _clean_line(result), _measured(result)
    behind = Text((f"{measured} ".lstrip(), Verbatim(defence)), views=View.MARKDOWN)
    opening = Section(
        "",
        [
            Text(" | ".join(facts), views=View.TERMINAL),
            Text(clean_line, views=View.TERMINAL),
            Text((Emphasis(finding),), views=View.MARKDOWN),
            behind,
            Text(f"{', '.join(facts)}. {clean_line}", views=View.MARKDOWN),
        ],
    )
    advice = [Text(each, 2, views=View.TERMINAL) for each in (finding, measured, f"To train behind it: {defence}")]
    tables = {curve.kind: Table(_STRENGTHS, _points(curve), views=View.FILES) for curve in result.noises}
    clean_share = Number("accuracy without noise", result.clean_accuracy, result.clean_accuracy_interval)
    return Document(
        title="Tolerable noise",
        headline=finding,
        facts=facts,
        verdicts=[KeyFigures(numbers=[clean_share], words=clean_line)],
        opening=opening,
        sections=[
            Section("", [replace(behind, views=View.PAGE), Figures(lambda: [plot(result)])]),
            Section("Maximum tolerable noise", [Table(_NOISES, result.noises), Text(units, views=View.FILES)]),
            Section("Quantizers in front of the model, untrained", [Table(_levels(result), result.levels)]),
            Section("", advice),
            Section("Accuracy under noise"),
            *(Section(kind, [table], level=3) for kind, table in tables.items()),
            Section("Provenance", [Facts(_provenance(result))]),
        ],
    )


def _levels(result: Tolerance) -> list[Column]:
    def change(row: LevelRow) -> str:
        return f"{row.accuracy - result.clean_accuracy:+.3f}"

    def proposed(row: LevelRow) -> str:
        return f"{row.levels} <-" if row.levels == result.proposal.levels else str(row.levels)

    return [
        Column("levels", proposed, meaning="Levels of the quantizer; the arrow is at those proposed."),
        Column("error up to", "error", number, f"The most that a {_kind(result).value} moves by, in input units."),
        Column("tolerable", "tolerable", _yes, "Whether that is tolerable uniform noise."),
        Column("absorbs eps", "absorbs", _yes, "Whether levels are at least 2 eps apart."),
        Column("accuracy [95 % interval]", ("accuracy", "accuracy_interval"), fraction),
        Column("change", change, meaning="Against the accuracy without a quantizer."),
    ]


def _points(curve: NoiseCurve) -> list[tuple[float, float, tuple[float, float]]]:
    return list(zip(curve.strengths, curve.accuracies, curve.intervals, strict=True))


def _facts(result: Tolerance) -> list[str]:
    low, high = result.bounds
    total, kind = result.data.get("count"), _kind(result)
    inputs = f"{count(total)} {kind.example if total == 1 else kind.examples}"
    return [
        clip(result.model.get("name") or "model", 40),
        f"{clip(result.data.get('name', MISSING), 30)}, {inputs}",
        f"{kind.values} in [{low:g}, {high:g}]",
    ]


def _clean_line(result: Tolerance) -> str:
    floor = fraction(max(0.0, result.clean_accuracy - result.loss))
    accuracy = fraction(result.clean_accuracy, result.clean_accuracy_interval)
    return f"Clean accuracy {accuracy}; noise that leaves {floor} or more is tolerable."


def _measured(result: Tolerance) -> str:
    """What the proposal costs, which may be more or less than the noise predicts."""
    row = next((row for row in result.levels if row.levels == result.proposal.levels), None)
    if row is None:
        return ""
    held = "within" if row.accuracy >= result.clean_accuracy - result.loss - 1e-9 else "more than"
    change = f"{row.accuracy - result.clean_accuracy:+.3f}"
    return f"Measured with n = {row.levels}, untrained: accuracy {change}, {held} the tolerable loss."


def _after(curve: NoiseCurve) -> int:
    """The first strength that is too strong; a tolerable one may have been rounded to a hair above itself."""
    if curve.unbroken:
        return len(curve.strengths)
    return next(place for place, strength in enumerate(curve.strengths) if strength > curve.tolerable * (1 + 1e-6))


def _provenance(result: Tolerance) -> dict[str, Any]:
    return {
        "Model": f"{result.model.get('name')}, {result.model.get('path') or 'in memory'}",
        "Model sha256": result.model.get("sha256", MISSING),
        "Data": f"{result.data.get('name')}. {result.data.get('description') or ''}",
        "Data sha256": result.data.get("sha256", MISSING),
        "Seed": result.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Written": f"{result.created}, after {number(result.seconds)} seconds",
    }


def _yes(value: bool | None) -> str:
    return MISSING if value is None else "yes" if value else "no"
