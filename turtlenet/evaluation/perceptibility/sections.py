"""What a report says of how visible a change must become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.evaluation.perceptibility import text
from turtlenet.evaluation.perceptibility.figures import drawn
from turtlenet.evaluation.perceptibility.result import MEASURES, Sight
from turtlenet.evaluation.views import text as words
from turtlenet.input_kind import InputKind
from turtlenet.reports.blocks import Card, Column, Emphasis, Figures, Gallery, Shot, Table, Text, View
from turtlenet.reports.document import Section
from turtlenet.reports.format import clean, clip, count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_MEASURES = dict(zip(MEASURES, ("smallest eps", "Linf", "L2", "PSNR, dB", "SSIM"), strict=True))


def _measures(kind: InputKind) -> dict[str, str]:
    """The title of each measure; those of how a change looks are for images alone."""
    seen = () if kind.pictured else ("psnr", "ssim")
    return {name: title for name, title in _MEASURES.items() if name not in seen}


def _title(kind: InputKind) -> str:
    return f"How {'visible' if kind.pictured else 'large'} a change must become"


def _caveat(kind: InputKind) -> str:
    *first, last = [title.removesuffix(", dB") for name, title in _measures(kind).items() if name != "eps"]
    return (
        f"Each {kind.example}'s smallest radius that the attack needed, and the example found there. "
        f"{', '.join(first)} and {last} are of the {kind.examples} that were broken; a stronger attack may need less."
    )


def _median(name: str, *, interval: bool = True) -> Callable[[Any], str]:
    return lambda row: text.median(row.each, name, interval=interval)


def _mean(name: str) -> Callable[[Any], str]:
    return lambda row: text.mean(row.each, name)


def _median_columns(kind: InputKind) -> tuple[Column, ...]:
    names = [name for name in _measures(kind) if name != "eps"]
    # A terminal has room for the interval of the radius alone.
    return (
        Column("median", "name", views=View.TERMINAL),
        Column("median [95 % interval]", "name", views=View.FILES),
        Column(kind.examples, "right", count),
        Column("never broken", "held", count),
        Column(_MEASURES["eps"], _median("eps")),
        *(Column(_MEASURES[name], _median(name, interval=False), views=View.TERMINAL) for name in names),
        *(Column(_MEASURES[name], _median(name), views=View.FILES) for name in names),
    )


def _mean_columns(kind: InputKind) -> tuple[Column, ...]:
    return (
        Column("mean [95 % interval]", "name"),
        Column("broken", "broken", count),
        *(Column(title, _mean(name)) for name, title in _measures(kind).items()),
    )


def _fixed_columns(kind: InputKind) -> tuple[Column, ...]:
    return (
        Column("at the threat's eps", "name"),
        Column("eps", "eps", "{:g}".format),
        Column("broken [95 % interval]", ("share", "share_interval"), fraction),
        *(Column(title, name, number) for name, title in _measures(kind).items() if name != "eps"),
    )


_SHARES = (
    Column("broken up to", "name"),
    Column("eps", "eps", "{:g}".format),
    Column("share [95 % interval]", ("share", "share_interval"), fraction),
)


def sections(reports: Sequence[Report]) -> list[Section]:
    """All that was found of the models for which it was measured; nothing where nobody asked."""
    results = text.seen(reports)
    if not results:
        return []
    each, kind = results[0][1], words.kind(reports[0])
    title, inputs = _title(kind), kind.examples
    finding = Emphasis(f"{text.finding(reports)}.")
    how = f" Attack {clean(each.attack)}, of the first {count(len(each.label))} {inputs} those right at first. "
    how += _caveat(kind)
    rows = [
        SimpleNamespace(name=name, each=one, right=one.right, held=one.held, broken=one.right - one.held)
        for name, one in results
    ]
    fixed = [SimpleNamespace(**vars(one.fixed), name=name) for name, one in results]
    shares = [SimpleNamespace(**vars(at), name=name) for name, one in results for at in one.broken]
    cards = _cards(reports)
    smallest = (
        "The first image of each class, for every model: the original, the example, and the change times "
        f"{number(each.amplified)} around mid-gray, the same for all models."
    )
    return [
        Section(
            title,
            [
                Text(f"{title}, under {clip(each.attack, 50)}:", views=View.TERMINAL),
                Text((finding, how), views=View.FILES),
                Figures(lambda: drawn(reports), views=View.PAGE),
                Table(_median_columns(kind), rows),
                Table(_mean_columns(kind), rows, views=View.FILES),
            ],
        ),
        Section("", [Table(_fixed_columns(kind), fixed), Table(_SHARES, shares, views=View.FILES)]),
        Section(
            "The smallest change that breaks an image",
            [Text(smallest if cards else "", views=View.PAGE), Gallery(cards)],
            level=3,
        ),
    ]


def _cards(reports: Sequence[Report]) -> list[Card]:
    """Every pictured image, class by class, for each model."""
    results = [
        (sight.label, sight.index, _card(name, sight, text.state(each, place)))
        for name, each in text.seen(reports)
        for place, sight in enumerate(each.pictures)
    ]
    return [card for _, _, card in sorted(results, key=lambda one: one[:2])]


def _card(name: str, sight: Sight, state: str) -> Card:
    image = f"image {sight.index}"
    shown = f"Image {sight.index} as {name} was shown it, classified as {sight.prediction}"
    mark = "right" if sight.prediction == sight.label else "wrong"
    alike = f", SSIM {number(sight.ssim)}" if sight.ssim is not None else ""
    change = "change" if sight.psnr is None else f"{number(sight.psnr)} dB{alike}"
    shots = [
        Shot(sight.original, f"Original {image}, label {sight.label}", note="original"),
        Shot(sight.adversarial, shown, f"{sight.prediction}, {percent(sight.confidence)}", mark),
        Shot(sight.difference, f"The change of {image} for {name}", note=change),
    ]
    return Card(f"{image}, label {sight.label}", f"{name}: {state}", shots)
