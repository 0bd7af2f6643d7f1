"""Which features of a table the attack moved that broke most rows, and which of them it needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Ball, FeatureBall
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results.moves import Move, Moves

_ROWS = 256
_FEATURES = 512
"""Inputs of more values have no features that a reader would look at one by one."""


def moved_features(
    cascade: Cascade, names: Sequence[str], model: Classifier, examples: Examples, per_image: PerImageResults
) -> Moves | None:
    """Looks at what the attack that broke most rows of a table did to each feature.

    The examples are crafted anew: their draws belong to the row, so they are the same.

    Args:
        cascade: All attacks.
        names: How the user named them.
        model: What they attacked.
        examples: What they attacked it with.
        per_image: What they did.

    Returns:
        What was found; None for inputs that are no table, or where nothing was broken.
    """
    size = int(np.prod(examples.shape))
    if examples.kind.name != "table" or size > _FEATURES or not float(cascade.ball.eps):
        return None
    within = [attack.own_ball(cascade.ball, model.input_shape) == cascade.ball for attack in cascade.attacks]
    fallen = per_image.attacked & ~per_image.correct & per_image.right & np.array(within)[:, None]
    if not fallen.any():
        return None
    chosen = int(fallen.sum(axis=1).argmax())
    rows = np.flatnonzero(fallen[chosen])[:_ROWS]
    x, y = examples.batch(rows)
    labels = per_image.clean[rows].astype("int32") if cascade.labels == "predicted" else y
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
