"""How long an evaluation will take on this machine, said before it starts."""

import time
from collections.abc import Sequence

import numpy as np

from turtlenet.attacks import PGD, Attack
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.attack_rounds import BLIND
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.convergence import twice_of
from turtlenet.evaluation.curve import sweeping
from turtlenet.memory import activation_bytes
from turtlenet.training.run.cost import duration, input_gradients

WORTH = 20.0
"""Seconds from which on a forecast is worth a line."""
_TRIED = 8
_GRADIENT = 3.0
"""A gradient takes about as long as three answers."""
_SMALL = 1e10
"""Bytes that the layers of a model give in all gradients; fewer take seconds, and are not timed."""
_RADII = 8
"""Of the curve of accuracy against eps."""


def forecast(
    model: Classifier, examples: Examples, suite: Sequence[Attack], ball: Ball, *, curve: int, mode: str = "table"
) -> str:
    """One line on the time that an evaluation will take, from a few answers that are timed; empty for a short one.

    It is an upper bound but for what is compiled: images that give way at once cost less.

    Args:
        model: The classifier under attack.
        examples: What is attacked.
        suite: The attacks.
        ball: The threat.
        curve: Images for the curve of accuracy against eps.
        mode: `table` or `cascade`.
    """
    count = len(examples)
    gradients = count * sum(input_gradients(each, ball.norm, model.num_classes) for each in suite)
    queries = count * sum(_queries(each, ball.norm, model.num_classes) for each in suite)
    if gradients and float(ball.eps):
        cascade = Cascade(attacks=suite, ball=ball)
        if ball.norm in PGD.norms:
            gradients += min(count, curve) * _RADII * sweeping(cascade, model).steps
        again, images = twice_of(cascade, model.num_classes)
        gradients += min(count, images) * input_gradients(again, ball.norm, model.num_classes)
    if gradients * activation_bytes(model.model) < _SMALL:
        return ""
    x, y = examples.batch(slice(0, min(_TRIED, count)))
    model.predict(x, y)
    began = time.perf_counter()
    model.predict(x, y)
    answer = (time.perf_counter() - began) / len(x) * (model.draws if model.stochastic else 1)
    seconds = answer * (_GRADIENT * gradients + queries + count)
    if not np.isfinite(seconds) or seconds < WORTH:
        return ""
    at_most = "at most " if mode == "cascade" else "about "
    words = f"{round(gradients):,} gradients" + (f" and {round(queries):,} answers" if queries else "")
    return (
        f"time: {at_most}{duration(seconds)} on this machine for {examples.kind.count(count)}: {words}, "
        f"{1000 * _GRADIENT * answer:.3g} ms a gradient (--limit takes fewer)"
    )


def _queries(attack: Attack, norm: str, num_classes: int) -> float:
    """Answers that an attack without gradients asks for, at most, for one input."""
    total = 0.0
    for part, attempts in attack.under(norm).rounds(num_classes):
        if part.family in (*BLIND, "random"):
            total += attempts * float(getattr(part, "queries", getattr(part, "draws", 1)) or 0)
    return total
