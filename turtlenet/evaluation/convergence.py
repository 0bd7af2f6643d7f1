"""Attacking what is left with twice the effort: does the number still fall?"""

import dataclasses

import numpy as np

from turtlenet.attacks.batched import attack_all
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.curve import iterative
from turtlenet.evaluation.ledger import Ledger

__all__ = ["doubled"]

_DOUBLED = 64


def doubled(cascade: Cascade, model: Classifier, examples: Examples, ledger: Ledger) -> tuple[str, int, int]:
    """Whether twice the steps and twice the restarts break some of what every attack left.

    Returns:
        The attack, how many images it broke, and of how many.
    """
    base = iterative(cascade)
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
