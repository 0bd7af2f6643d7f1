"""Attacking what is left with twice the effort: does the number still fall?"""

import dataclasses

import numpy as np

from turtlenet.attacks import FMN, PGD, Attack, Averaged, QuantizerPGD
from turtlenet.attacks.base import MOST
from turtlenet.attacks.gradient_based.apgd import APGD
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.attack_rounds import Search, searches_of
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results.tally import Tally

_IMAGES, _FEWEST = 64, 16
_GRADIENTS = 64_000
"""Spent at most, where that is enough for the fewest images."""


def doubled(
    cascade: Cascade, model: Classifier, examples: Examples, per_image: PerImageResults, tally: Tally
) -> tuple[str, int, int]:
    """Whether twice the steps and twice the restarts break some of what every attack left; the tally counts it.

    Args:
        cascade: The suite, and the ball of the threat.
        model: What is attacked.
        examples: Images and labels, those of `per_image`.
        per_image: What the attacks did to each image.
        tally: Takes what is broken.

    Returns:
        The attack, how many images it broke, and of how many.
    """
    attack, most = twice_of(cascade, model.num_classes)
    left = np.flatnonzero(per_image.robust)[:most]
    if not len(left) or float(cascade.ball.eps) == 0:
        return str(attack), 0, 0
    x, y = examples.batch(left)
    outcome, _ = cascade.tried(attack, model, x, y, ball=cascade.ball, seed=cascade.seed + 1, index=left)
    tally.add("convergence check", str(attack), left, x, [(outcome.x, outcome.reached)])
    return str(attack), int(outcome.reached.sum()), len(left)


def twice_of(cascade: Cascade, num_classes: int) -> tuple[Attack, int]:
    """The attack with twice the effort, and on how many images it is tried at most."""
    attack = twice(cascade, num_classes)
    steps = getattr(attack.member if isinstance(attack, Averaged) else attack, "steps", 1)
    each = int(steps) * attack.attempts(num_classes)
    return attack, min(_IMAGES, max(_FEWEST, _GRADIENTS // each))


def twice(cascade: Cascade, num_classes: int) -> Attack:
    """The last iterative search of the suite that climbs a loss on the model, or PGD, with twice of everything.

    One that wants a certain answer is passed over: a suite counts every wrong one.
    """
    norm = cascade.ball.norm
    if norm not in PGD.norms:
        return FMN(steps=2 * FMN.steps)
    searches = [search for attack in cascade.attacks for search in searches_of(attack, norm, num_classes)]
    searches = [search for search in searches if search.family == "iterative" and not search.attack.targeted]
    kinds = GradientAscent | APGD | QuantizerPGD
    climbs = [search for search in searches if isinstance(search.attack, kinds) and norm in search.attack.norms]
    last = climbs[-1] if climbs else Search(PGD(), PGD(), 1, "iterative")
    base, whole = last.attack, last.whole
    # What fools the mean over many draws may not fool the model yet.
    alone = not isinstance(whole, Averaged)
    more = {"steps": min(2 * base.steps, MOST), "restarts": min(2 * last.restarts, MOST), "early_stop": alone}  # type: ignore[attr-defined]
    start = {"start": "uniform"} if isinstance(base, GradientAscent) and base.start == "none" else {}
    again: Attack = dataclasses.replace(base, **more, **start)  # type: ignore[arg-type]
    return again if alone else dataclasses.replace(whole, attack=again)  # type: ignore[call-arg]
