"""Attacking again: at other radii, and with twice the effort."""

import dataclasses

import numpy as np

from turtlenet.attacks import PGD
from turtlenet.attacks.ascent import Ascent
from turtlenet.attacks.batched import attack_all
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade, predict
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.report import CurvePoint
from turtlenet.evaluation.statistics import share, share_interval

__all__ = ["curve_of", "doubled"]

_DOUBLED = 64
_MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def curve_of(
    cascade: Cascade, model: Classifier, examples: Examples, count: int
) -> tuple[tuple[CurvePoint, ...], str]:
    """Accuracy at growing radii under the suite's last iterative attack, or PGD if it has none."""
    if not count or float(cascade.ball.eps) == 0:
        return (), ""
    base = _iterative(cascade) or PGD()
    # Relative steps: an absolute one would be too long for a small ball and too short for a large one.
    attack = PGD(steps=max(base.steps, 20), loss=base.loss, early_stop=True)
    x, y = examples.batch(slice(0, count))
    right = predict(model, x, cascade.batch_size).argmax(axis=1) == y
    points = [_point(0.0, right)]
    for eps in (*(multiple * float(cascade.ball.eps) for multiple in _MULTIPLES), cascade.ball.widest(x.shape[1:])):
        outcome = attack_all(
            attack,
            model,
            x[right],
            y[right],
            ball=cascade.ball.with_eps(eps),
            seed=cascade.seed,
            index=np.flatnonzero(right),
            batch_size=cascade.batch_size,
        )
        left = right.copy()
        left[right] = ~outcome.reached
        points.append(_point(eps, left))
    return tuple(sorted(points, key=lambda point: point.eps)), f"pgd:steps={attack.steps},loss={attack.loss}"


def _iterative(cascade: Cascade) -> Ascent | None:
    """The suite's last iterative attack of the family that climbs the loss."""
    found = [attack for attack in cascade.attacks if isinstance(attack, Ascent) and attack.steps > 1]
    return found[-1] if found else None


def doubled(cascade: Cascade, model: Classifier, examples: Examples, ledger: Ledger) -> tuple[str, int, int]:
    """Whether twice the steps and twice the restarts break some of what every attack left.

    Returns:
        The attack, how many images it broke, and of how many.
    """
    base = _iterative(cascade) or PGD()
    start = "uniform" if base.start == "none" else base.start
    attack = dataclasses.replace(
        base, steps=min(2 * base.steps, 200), restarts=min(2 * base.restarts, 10), start=start, early_stop=True
    )
    left = np.flatnonzero(ledger.robust)[:_DOUBLED]
    if not len(left) or float(cascade.ball.eps) == 0:
        return str(attack), 0, 0
    x, y = examples.batch(left)
    outcome = attack_all(
        attack, model, x, y, ball=cascade.ball, seed=cascade.seed + 1, index=left, batch_size=cascade.batch_size
    )
    return str(attack), int(outcome.reached.sum()), len(left)


def _point(eps: float, left: np.ndarray) -> CurvePoint:
    return CurvePoint(
        eps=round(eps, 6), accuracy=share(left), accuracy_interval=share_interval(left), examples=len(left)
    )
