"""Which features an attack moved, by how many of their own radii, and without which it would have failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turtlenet.reports.blocks import Block, Column, Table, Text, View
from turtlenet.reports.document import Section
from turtlenet.reports.format import clean, clip, fraction, number, percent, several

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_SHOWN = 20
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Move:
    """What an attack did to one feature of the rows that it broke.

    Attributes:
        feature: Its name, or its place.
        mean: How far it moved, in its own radii, over the rows in which it moved; 0 where it moved in none. In `l0`,
            which has no radius for a value, in shares of the range.
        share: Of the rows, those in which it moved.
        needed: Of the rows, those that are classified correctly again with this feature alone put back.
    """

    feature: str
    mean: float
    share: float
    needed: float


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Which features the attack moved that broke most rows.

    Attributes:
        attack: The attack, as the user named it.
        rows: Rows that it broke and that were looked at.
        features: Those that moved farthest first, and of those that moved as far, those that were needed most.
    """

    attack: str
    rows: int
    features: tuple[Move, ...]


def section(report: Report, level: int) -> Section:
    """What a report says of the features that moved; empty where nobody looked."""
    moves = report.moves
    if moves is None:
        return Section("Which features moved", [Text("")], level)
    unit = "its range" if str(report.threat.get("norm")) == "l0" else "its own eps"
    columns = (
        Column("feature", "feature", width=40),
        Column(f"moved, in {unit}", "mean", number, f"Mean over the rows in which it moved, in shares of {unit}."),
        Column("rows moved", "share", fraction, "Share of the broken rows in which it moved at all."),
        Column(
            "needed",
            "needed",
            fraction,
            "Share of the broken rows that are classified correctly again with this feature alone put back.",
        ),
    )
    best = [each for each in moves.features if each.share][:_NAMED]
    told = ", ".join(
        f"{clip(each.feature, 30)} by {number(each.mean)} of {unit} in {percent(each.share)} (needed in "
        f"{percent(each.needed)})"
        for each in best
    )
    words = f"On the {several(moves.rows, 'row')} that {clean(moves.attack)} broke, it moved most: {told}."
    shown, more = moves.features[:_SHOWN], moves.features[_SHOWN:]
    blocks: list[Block] = [
        Text(words, indent=2, views=View.TERMINAL),
        Text(words, views=View.FILES),
        Table(columns, shown, views=View.FILES),
        Table(columns, more, folded=True, views=View.FILES),
    ]
    return Section("Which features moved", blocks, level)
