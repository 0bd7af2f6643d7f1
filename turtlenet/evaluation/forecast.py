"""How long an evaluation will take on this machine, said before it starts.

What it costs depends on the model: restarts and the check of convergence see only the images that withstood, and the
curve of accuracy against eps leaves a batch alone once all of it has fallen. So where it is worth it, a few images are
attacked first, by the attack of the curve, whose graph is needed later anyway.
"""

import math
import time
from dataclasses import dataclass

import numpy as np

from turtlenet.attacks import PGD, Attack, Mixed
from turtlenet.attacks.iterative import Iterative
from turtlenet.batching import filled, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.attack_rounds import BLIND
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.convergence import twice_of
from turtlenet.evaluation.curve import MULTIPLES, sweeping
from turtlenet.evaluation.time_limit import OF_ATTACKS
from turtlenet.memory import activation_bytes
from turtlenet.training.run.cost import duration, input_gradients

WORTH = 20.0
"""Seconds from which on a forecast is worth a line."""
WORTH_A_TRIAL = 120.0
"""Seconds, at most, from which on a few images are attacked for it."""
_TRIED = 8
_ASKED = 64
"""Images whose answers tell how many are right, and so attacked at all."""
_GRADIENT = 3.0
"""A gradient takes about as long as three answers."""
_SMALL = 1e10
"""Bytes that the layers of a model give in all gradients; fewer take seconds, and are not timed."""
_SLOWEST = 2.0
"""So much longer than the slowest of a few images takes the slowest of a batch."""
_QUERIED = 0.25
"""About this share of its queries takes an attack where it succeeds."""
_SHORTEST_STAGE = 5


@dataclass(frozen=True)
class Trial:
    """What a few images tell of the others; by default, that none gives way.

    Attributes:
        gradient: Seconds of an input gradient of one image.
        graph: Seconds that it takes to compile an attack.
        right: Share of the images that are answered right.
        left: Share of those that withstand.
        near: Gradients after which a batch has fallen at the smallest radius of the curve.
        at: The same at the threat's.
    """

    gradient: float
    graph: float = 0.0
    right: float = 1.0
    left: float = 1.0
    near: float = math.inf
    at: float = math.inf


def forecast(
    model: Classifier,
    examples: Examples,
    cascade: Cascade,
    *,
    curve: int,
    limit: float | None = None,
    crafted_on: int = 1,
) -> str:
    """One line on the time that an evaluation will take, and on the most that it can; empty for a short one.

    Args:
        model: The classifier under attack.
        examples: What is attacked.
        cascade: How: the attacks, the threat and the batch size.
        curve: Images for the curve of accuracy against eps.
        limit: Seconds that it may take; None for as many as it takes.
        crafted_on: Models that the attacks are run on: those of an attacker who lacks the key or the model, which are
            taken to be as large, and the model itself.
    """
    work = _Work(model, len(examples), cascade, curve, crafted_on)
    nothing_falls = Trial(0.0)
    if work.gradients(nothing_falls) * activation_bytes(model.model) < _SMALL:
        return ""
    nothing_falls = Trial(_GRADIENT * _answer(model, examples))
    most = work.seconds(nothing_falls)
    if not math.isfinite(most) or most < WORTH:
        return ""
    climbs = cascade.ball.norm in PGD.norms and float(cascade.ball.eps) > 0
    # Who has a limit shall not spend it on a forecast.
    trial = _tried(model, examples, cascade) if climbs and most >= WORTH_A_TRIAL and limit is None else None
    if limit is not None:
        return "" if most <= limit else _within(limit, most, examples)
    told = trial or nothing_falls
    queries = work.queries(told)
    words = f"{round(work.gradients(told)):,} gradients" + (f" and {round(queries):,} answers" if queries else "")
    on = "" if crafted_on == 1 else f" on {crafted_on} models, once the attacker's own are trained"
    words = f"for {examples.kind.count(len(examples))}{on}: {words}, {1000 * told.gradient:.3g} ms a gradient"
    if trial is None:
        return f"time: at most {duration(most)} on this machine {words} (--limit takes fewer)"
    most = work.seconds(Trial(trial.gradient, trial.graph, trial.right))
    return (
        f"time: about {duration(work.seconds(trial))} on this machine {words}; at most {duration(most)}, if nothing "
        "gives way (--limit takes fewer)"
    )


def _within(limit: float, most: float, examples: Examples) -> str:
    """The line for a time that may be too short for everything."""
    enough = max(1, int(len(examples) * OF_ATTACKS * limit / most))
    number = f"{enough:,} of {examples.kind.count(len(examples))}"
    return (
        f"time: {duration(limit)} are enough for about {number} on this machine if nothing gives way, "
        f"and for more where attacks succeed early; all take {duration(most)} at most"
    )


@dataclass(frozen=True)
class _Work:
    """What an evaluation computes, as far as a trial tells."""

    model: Classifier
    count: int
    cascade: Cascade
    curve: int
    crafted_on: int = 1

    def seconds(self, trial: Trial) -> float:
        """Seconds of all of it, and of compiling it."""
        answers = self.queries(trial) + self.count
        graphs = sum(1 for attack in self.cascade.attacks for _ in self._rounds(attack))
        return trial.gradient * (self.gradients(trial) + answers / _GRADIENT) + trial.graph * graphs

    def gradients(self, trial: Trial) -> float:
        """Input gradients of the suite, of the curve, and of the check of convergence."""
        cascade, classes = self.cascade, self.model.num_classes
        right = self.count * trial.right
        standing, total = 1.0, 0.0
        for number in range(len(cascade.attacks)):
            attack = cascade.variant(number)
            total += standing * right * self._of_attack(attack, trial)
            # Only an attack of many steps breaks about what the trial did.
            if cascade.mode == "cascade" and attack.family in ("iterative", "ensemble"):
                standing = trial.left
        total *= self.crafted_on
        if not total or not float(cascade.ball.eps):
            return total
        again, most = twice_of(cascade, classes)
        total += min(most, right * trial.left) * input_gradients(again, cascade.ball.norm, classes)
        if cascade.ball.norm in PGD.norms:
            total += min(self.count, self.curve) * trial.right * self._of_curve(trial)
        return total

    def queries(self, trial: Trial) -> float:
        """Answers that attacks without gradients ask for."""
        share = trial.left + (1 - trial.left) * _QUERIED
        total = 0.0
        for attack in self.cascade.attacks:
            for part, attempts in self._rounds(attack):
                if part.family in (*BLIND, "random"):
                    total += attempts * float(getattr(part, "queries", getattr(part, "draws", 1)) or 0)
        return self.count * self.crafted_on * trial.right * share * total

    def _of_attack(self, attack: Attack, trial: Trial) -> float:
        """Input gradients of an attack for an image that is right: all but its first attempt for those left alone."""
        if isinstance(attack, Mixed):
            return input_gradients(attack, self.cascade.ball.norm, self.model.num_classes)
        share, total = 1.0, 0.0
        for part, attempts in self._rounds(attack):
            total += self._of_attempt(part, trial) * (share + trial.left * (attempts - 1))
            share = trial.left
        return total

    def _of_attempt(self, part: Attack, trial: Trial) -> float:
        whole = float(part.attempt_gradients(self.model.num_classes))
        if not getattr(part, "early_stop", False):
            return whole
        if isinstance(part, Iterative):
            # Batches are made anew of those that are not done.
            return trial.left * whole + (1 - trial.left) * min(whole, max(trial.at, _SHORTEST_STAGE))
        return min(whole, trial.at)

    def _of_curve(self, trial: Trial) -> float:
        """Input gradients of the curve for an image: fewer from the smallest radius to that of the threat."""
        steps = sweeping(self.cascade, self.model).steps
        near, at = min(trial.near, steps), min(trial.at, steps)
        total = sum(at + (near - at) * max(0.0, (1 - each) / (1 - MULTIPLES[0])) for each in MULTIPLES)
        # The last is as wide as the range.
        return float(total + at)

    def _rounds(self, attack: Attack) -> list[tuple[Attack, int]]:
        return list(attack.under(self.cascade.ball.norm).rounds(self.model.num_classes))


def _answer(model: Classifier, examples: Examples) -> float:
    """Seconds of an answer to one image."""
    x, y = examples.batch(slice(0, min(_TRIED, len(examples))))
    model.predict(x, y)
    began = time.perf_counter()
    model.predict(x, y)
    return (time.perf_counter() - began) / len(x) * (model.draws if model.stochastic else 1)


def _tried(model: Classifier, examples: Examples, cascade: Cascade) -> Trial | None:
    """What comes of attacking the first few images that are right; None where none is."""
    x, y = examples.batch(slice(0, min(_ASKED, len(examples))))
    right = predict(model, x, cascade.batch_size, y).argmax(axis=1) == model.classes(y)
    rows = np.flatnonzero(right)[:_TRIED]
    if not len(rows):
        return None
    attack = sweeping(cascade, model)

    def run(multiple: float) -> tuple[float, int, np.ndarray]:
        ball = cascade.ball.with_eps(multiple * float(cascade.ball.eps))
        began = time.perf_counter()
        outcome, _ = cascade.tried(attack, model, x[rows], y[rows], ball=ball, seed=cascade.seed, index=rows)
        return time.perf_counter() - began, int(outcome.gradients.max()), outcome.reached

    def of_a_batch(taken: int, reached: np.ndarray) -> float:
        return min(attack.steps, _SLOWEST * taken) if reached.all() else float(taken)

    # The first compiles the graph, the second is timed.
    first, at, reached = run(1.0)
    seconds, near, nearer = run(MULTIPLES[0])
    gradient = seconds / (filled(len(rows), _TRIED) * (near + 1))
    return Trial(
        gradient=gradient,
        graph=max(0.0, first - gradient * filled(len(rows), _TRIED) * (at + 1)),
        right=float(right.mean()),
        # Of so few images none may be left by chance.
        left=float((np.count_nonzero(~reached) + 0.5) / (len(rows) + 1)),
        near=of_a_batch(near, nearer),
        at=of_a_batch(at, reached),
    )
