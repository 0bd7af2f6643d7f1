"""Attacking what is left with twice the effort: does the number still fall?"""

import dataclasses

import numpy as np

from turtlenet.attacks import FMN, PGD, Attack
from turtlenet.attacks.apgd import APGD
from turtlenet.attacks.ascent import Ascent
from turtlenet.attacks.base import MOST
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.searches import searches_of

__all__ = ["doubled", "twice"]

_IMAGES, _FEWEST = 64, 16
_GRADIENTS = 64_000
"""Spent at most, where that is enough for the fewest images."""


def doubled(cascade: Cascade, model: Classifier, examples: Examples, ledger: Ledger) -> tuple[str, int, int]:
    """Whether twice the steps and twice the restarts break some of what every attack left.

    Returns:
        The attack, how many images it broke, and of how many.
    """
    attack = twice(cascade, model.num_classes)
    each = int(getattr(attack, "steps", 1)) * attack.attempts(model.num_classes)
    left = np.flatnonzero(ledger.robust)[: min(_IMAGES, max(_FEWEST, _GRADIENTS // each))]
    if not len(left) or float(cascade.ball.eps) == 0:
        return str(attack), 0, 0
    x, y = examples.batch(left)
    outcome, _ = cascade.tried(attack, model, x, y, ball=cascade.ball, seed=cascade.seed + 1, index=left)
    return str(attack), int(outcome.reached.sum()), len(left)


def twice(cascade: Cascade, num_classes: int) -> Attack:
    """The last iterative search of the suite that climbs a loss on the model, or PGD, with twice of everything."""
    norm = cascade.ball.norm
    if norm not in PGD.norms:
        return FMN(steps=2 * FMN.steps)
    found = [
        (search.attack, search.restarts)
        for attack in cascade.attacks
        for search in searches_of(attack, norm, num_classes)
        if isinstance(search.attack, Ascent | APGD) and search.family == "iterative" and norm in search.attack.norms
    ]
    base, restarts = found[-1] if found else (PGD(), 1)
    more = {"steps": min(2 * base.steps, MOST), "restarts": min(2 * restarts, MOST), "early_stop": True}
    start = {"start": "uniform"} if isinstance(base, Ascent) and base.start == "none" else {}
    return dataclasses.replace(base, **more, **start)  # type: ignore[arg-type]
