"""Accuracy at growing radii, which must go to 0 where success is certain."""

import numpy as np

from turtlenet.attacks import PGD
from turtlenet.attacks.ascent import Ascent
from turtlenet.attacks.batched import attack_all
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade, predict
from turtlenet.evaluation.report import CurvePoint
from turtlenet.evaluation.statistics import share, share_interval

__all__ = ["accuracy_curve", "iterative", "sweeping"]

_MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def accuracy_curve(
    cascade: Cascade, model: Classifier, examples: Examples, count: int
) -> tuple[tuple[CurvePoint, ...], str]:
    """Accuracy at growing radii under the suite's last iterative attack, or PGD if it has none."""
    if not count or float(cascade.ball.eps) == 0:
        return (), ""
    attack = sweeping(cascade)
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


def sweeping(cascade: Cascade) -> PGD:
    """An attack that suits every radius, like the suite's last iterative one."""
    base = iterative(cascade)
    # Relative steps: an absolute one would be too long for a small ball and too short for a large one.
    return PGD(steps=max(base.steps, 20), loss=base.loss, early_stop=True)


def iterative(cascade: Cascade) -> Ascent:
    """The suite's last iterative attack of the family that climbs the loss, or PGD."""
    found = [attack for attack in cascade.attacks if isinstance(attack, Ascent) and attack.steps > 1]
    return found[-1] if found else PGD()


def _point(eps: float, left: np.ndarray) -> CurvePoint:
    found, interval = share(left), share_interval(left)
    return CurvePoint(eps=round(eps, 6), accuracy=found, accuracy_interval=interval, examples=len(left))
