"""Which features an attack moved, by how many of their own radii, and without which it would have failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet.attacks.runner import attack_all
from turtlenet.balls import Ball, FeatureBall
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.reports.document import Block, Column, Section, Table, Text, View
from turtlenet.reports.format import clean, clip, count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Report

_ROWS = 256
_FEATURES = 512
"""Inputs of more values have no features that a reader would look at one by one."""
_SHOWN = 20
_TOLD = 3


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


def moved_features(
    cascade: Cascade, names: Sequence[str], model: Classifier, examples: Examples, ledger: PerImageResults
) -> Moves | None:
    """Looks at what the attack that broke most rows of a table did to each feature.

    The examples are crafted anew: their draws belong to the row, so they are the same.

    Args:
        cascade: All attacks.
        names: How the user named them.
        model: What they attacked.
        examples: What they attacked it with.
        ledger: What they did.

    Returns:
        What was found; None for inputs that are no table, or where nothing was broken.
    """
    size = int(np.prod(examples.shape))
    if examples.kind.name != "table" or size > _FEATURES or not float(cascade.ball.eps):
        return None
    within = [attack.own_ball(cascade.ball, model.input_shape) == cascade.ball for attack in cascade.attacks]
    fallen = ledger.attacked & ~ledger.correct & ledger.right & np.array(within)[:, None]
    if not fallen.any():
        return None
    chosen = int(fallen.sum(axis=1).argmax())
    rows = np.flatnonzero(fallen[chosen])[:_ROWS]
    x, y = examples.batch(rows)
    labels = ledger.clean[rows].astype("int32") if cascade.labels == "predicted" else y
    outcome = attack_all(
        cascade.variant(chosen),
        model,
        x,
        labels,
        ball=cascade.searched(chosen, model),
        seed=cascade.seed,
        index=rows,
        batch_size=cascade.batch_size,
    )
    far = in_radii(cascade.ball, x, outcome.x)
    needed = _needed(cascade, model, x, outcome.x, y)
    own = cascade.ball.space.names if isinstance(cascade.ball, FeatureBall) else ()
    called = examples.about.names or own or tuple(f"feature {place}" for place in range(size))
    found = [_move(called[place], far[:, place], needed[place]) for place in range(size)]
    found.sort(key=lambda move: (-round(move.mean * move.share, 2), -move.needed))
    return Moves(attack=names[chosen], rows=len(rows), features=tuple(found))


def in_radii(ball: Ball, x: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """How far each value moved, in its own radii, float64 (n, values); in `l0`, in shares of the range."""
    units: Any = getattr(ball, "in_units", lambda values: values)
    delta = np.abs(np.asarray(units(moved), "float64") - np.asarray(units(x), "float64"))
    return delta.reshape(len(x), -1) / (float(ball.eps) if ball.order else ball.full)


def _move(feature: str, far: np.ndarray, needed: float) -> Move:
    moved = far > 0
    mean = float(far[moved].mean()) if moved.any() else 0.0
    return Move(feature=feature, mean=round(mean, 6), share=round(float(moved.mean()), 6), needed=round(needed, 6))


def _needed(cascade: Cascade, model: Classifier, x: np.ndarray, moved: np.ndarray, y: np.ndarray) -> list[float]:
    """For each value, the share of rows that are right again with it alone put back."""
    found = []
    flat, original = moved.reshape(len(x), -1), x.reshape(len(x), -1)
    for place in range(flat.shape[1]):
        if (flat[:, place] == original[:, place]).all():
            found.append(0.0)
            continue
        back = flat.copy()
        back[:, place] = original[:, place]
        answers = predict(model, back.reshape(x.shape), cascade.batch_size, y).argmax(axis=1)
        found.append(float((answers == model.classes(y)).mean()))
    return found


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
    best = [each for each in moves.features if each.share][:_TOLD]
    told = ", ".join(
        f"{clip(each.feature, 30)} by {number(each.mean)} of {unit} in {percent(each.share)} (needed in "
        f"{percent(each.needed)})"
        for each in best
    )
    words = f"On the {count(moves.rows)} rows that {clean(moves.attack)} broke, it moved most: {told}."
    shown, more = moves.features[:_SHOWN], moves.features[_SHOWN:]
    blocks: list[Block] = [
        Text(words, indent=2, views=View.TERMINAL),
        Text(words, views=View.FILES),
        Table(columns, shown, views=View.FILES),
        Table(columns, more, folded=True, views=View.FILES),
    ]
    return Section("Which features moved", blocks, level)
