"""What a report says of how visible a change must become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from turtlenet.evaluation.perceptibility import text
from turtlenet.evaluation.perceptibility.figures import drawn
from turtlenet.evaluation.perceptibility.result import MEASURES, Sight
from turtlenet.reports.document import (
    Card,
    Column,
    Emphasis,
    Figures,
    Gallery,
    Section,
    Shot,
    Table,
    Text,
    View,
)
from turtlenet.reports.format import clean, clip, count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Report

_TITLE = "How visible a change must become"
_CAVEAT = (
    "Each image's smallest radius that the attack needed, and the example found there. Linf, L2, PSNR and SSIM are of "
    "the images that were broken; a stronger attack may need less."
)
_MEASURES = dict(zip(MEASURES, ("smallest eps", "Linf", "L2", "PSNR, dB", "SSIM"), strict=True))


def _median(name: str, *, interval: bool = True) -> Callable[[Any], str]:
    return lambda row: text.median(row.each, name, interval=interval)


def _mean(name: str) -> Callable[[Any], str]:
    return lambda row: text.mean(row.each, name)


# A terminal has room for the interval of the radius alone.
_MEDIANS = (
    Column("median", "name", views=View.TERMINAL),
    Column("median [95 % interval]", "name", views=View.FILES),
    Column("images", "right", count),
    Column("never broken", "held", count),
    Column(_MEASURES["eps"], _median("eps")),
    *(Column(_MEASURES[name], _median(name, interval=False), views=View.TERMINAL) for name in MEASURES[1:]),
    *(Column(_MEASURES[name], _median(name), views=View.FILES) for name in MEASURES[1:]),
)
_MEANS = (
    Column("mean [95 % interval]", "name"),
    Column("broken", "broken", count),
    *(Column(title, _mean(name)) for name, title in _MEASURES.items()),
)
_FIXED = (
    Column("at the threat's eps", "name"),
    Column("eps", "eps", "{:g}".format),
    Column("broken [95 % interval]", ("share", "share_interval"), fraction),
    *(Column(title, name, number) for name, title in _MEASURES.items() if name != "eps"),
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
    each = results[0][1]
    finding = Emphasis(f"{text.finding(reports)}.")
    how = f" Attack {clean(each.attack)}, of the first {count(len(each.label))} images those right at first. {_CAVEAT}"
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
            _TITLE,
            [
                Text(f"{_TITLE}, under {clip(each.attack, 50)}:", views=View.TERMINAL),
                Text((finding, how), views=View.FILES),
                Figures(lambda: drawn(reports), views=View.PAGE),
                Table(_MEDIANS, rows),
                Table(_MEANS, rows, views=View.FILES),
            ],
        ),
        Section("", [Table(_FIXED, fixed), Table(_SHARES, shares, views=View.FILES)]),
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
