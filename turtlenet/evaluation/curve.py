"""Accuracy at growing radii: by attacks at each, where it must go to 0, or by one search for the smallest change."""

from typing import Any

import numpy as np

from turtlenet.attacks import FMN, PGD
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.attack_rounds import searches_of
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results.records import CurvePoint
from turtlenet.evaluation.results.tally import Tally
from turtlenet.reports.statistics import share, share_interval

MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Radii of the curve as multiples of the threat's; one as wide as the range comes after them."""
_SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)


def accuracy_curve(
    cascade: Cascade, model: Classifier, examples: Examples, count: int, tally: Tally
) -> tuple[tuple[CurvePoint, ...], str]:
    """Accuracy at growing radii under PGD like the suite's last iterative attack; in `l0`, where PGD cannot go, from
    the smallest perturbations that FMN finds.

    What is broken within the threat, at whatever radius it was looked for, goes into the tally.

    Args:
        cascade: The suite, and the ball of the threat.
        model: What is attacked.
        examples: Images and labels.
        count: How many of the first images are attacked; 0 for no curve.
        tally: Takes what is broken within the threat.

    Returns:
        Points by growing radius in input units, from 0 on, and the attack in words; nothing for a radius of 0.
    """
    if not count or float(cascade.ball.eps) == 0:
        return (), ""
    x, y = examples.batch(slice(0, count))
    right = predict(model, x, cascade.batch_size, y).argmax(axis=1) == model.classes(y)
    widest = cascade.ball.widest(x.shape[1:])
    radii = (*(multiple * float(cascade.ball.eps) for multiple in MULTIPLES), widest)
    attack: PGD | FMN = sweeping(cascade, model) if cascade.ball.norm in PGD.norms else FMN()

    def left_at(eps: float) -> np.ndarray:
        ball = cascade.ball.with_eps(eps)
        outcome, _ = cascade.tried(
            attack, model, x[right], y[right], ball=ball, seed=cascade.seed, index=np.flatnonzero(right)
        )
        tries.append((outcome.x, outcome.reached))
        far = cascade.ball.length(outcome.x, x[right])
        left[right] = np.where(outcome.reached, far, np.inf)
        return left

    left = np.full(len(x), -1.0)
    tries: list[tuple[np.ndarray, np.ndarray]] = []
    points = [_point(0.0, right)]
    if isinstance(attack, PGD):
        points += [_point(eps, right & np.isinf(left_at(eps))) for eps in radii]
        named = f"pgd:steps={attack.steps},loss={attack.loss}"
    else:
        smallest = left_at(widest)
        points += [_point(eps, right & (smallest > eps * (1 + 1e-6))) for eps in radii]
        named = f"fmn:steps={attack.steps}"
    tally.add("accuracy curve", named, np.flatnonzero(right), x[right], tries)
    return tuple(sorted(points, key=lambda point: point.eps)), named


def sweeping(cascade: Cascade, model: Classifier) -> PGD:
    """An attack that suits every radius, like the suite's last iterative one of those that climb a loss, or PGD."""
    norm, classes = cascade.ball.norm, model.num_classes
    searches = [search.attack for attack in cascade.attacks for search in searches_of(attack, norm, classes)]
    climbing = [attack for attack in searches if isinstance(attack, GradientAscent) and attack.steps > 1]
    base = climbing[-1] if climbing else PGD()
    # Relative steps: an absolute one would be too long for a small ball and too short for a large one.
    return PGD(steps=max(base.steps, 20), loss=base.loss, early_stop=True)


def minima(per_image: PerImageResults, number: int, eps: float, slack: float = 0.0) -> dict[str, Any]:
    """The fields of an `AttackRow` that tell of the smallest perturbations.

    Args:
        per_image: What every attack found.
        number: The attack's place there.
        eps: The radius that the curve shall have points around.
        slack: What rounding may add to a length.
    """
    right = per_image.right
    length = np.where(np.isnan(per_image.minimum[number]), np.inf, per_image.minimum[number])
    lengths = length[right]
    median = float(np.median(lengths)) if len(lengths) else np.inf
    finite = lengths[np.isfinite(lengths)]
    # Where the curve falls, and around the radius that was asked for.
    radii = {round(multiple * eps, 6) for multiple in MULTIPLES}
    radii |= {round(float(value), 6) for value in np.quantile(finite, _SHARES)} if len(finite) else set()
    return {
        "minimum_median": round(median, 6) if np.isfinite(median) else None,
        "minimum_curve": tuple(
            _point(radius, right & (length > radius * (1 + 1e-6) + slack)) for radius in sorted(radii)
        ),
    }


def _point(eps: float, left: np.ndarray) -> CurvePoint:
    accuracy, interval = share(left), share_interval(left)
    return CurvePoint(eps=round(eps, 6), accuracy=accuracy, accuracy_interval=interval, examples=len(left))
