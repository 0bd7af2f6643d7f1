"""How long an evaluation will take on this machine, said before it starts.

What it costs depends on the model: restarts and the check of convergence see only the images that withstood, and the
curve of accuracy against eps leaves a batch alone once all of it has fallen. So where it is worth it, a few images are
attacked first, by the attack of the curve, whose graph is needed later anyway.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from turtlenet.attacks import FMN, PGD, Attack, Mixed
from turtlenet.attacks.iterative import Iterative
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.attack_rounds import BLIND
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.convergence import twice_of
from turtlenet.evaluation.curve import MULTIPLES, sweeping
from turtlenet.evaluation.perceptibility.search import BISECTIONS
from turtlenet.evaluation.perceptibility.search import MULTIPLES as SEARCHED
from turtlenet.evaluation.time_limit import OF_ATTACKS
from turtlenet.evaluation.trial import GRADIENT, Trial, answer_seconds, open_ended, tried
from turtlenet.memory import activation_bytes
from turtlenet.training.run.cost import duration, input_gradients

WORTH = 20.0
"""Seconds from which on a forecast is worth a line."""
WORTH_A_TRIAL = 120.0
"""Seconds, at most, from which on a few images are attacked for it."""
_SMALL = 1e10
"""Bytes that the layers of a model give in all gradients; fewer take seconds, and are not timed."""
_QUERIED = 0.25
"""About this share of its queries takes an attack where it succeeds."""
_SHORTEST_STAGE = 5
_BOUNDS = {"ibp": 1.0, "crown": 30.0, "alpha": 600.0}
"""As so many gradients an image counts to be certified, before one was."""


def forecast(
    model: Classifier,
    examples: Examples,
    cascade: Cascade,
    *,
    curve: int,
    limit: float | None = None,
    crafted_on: int = 1,
    perceptibility: int = 0,
    certify: str = "",
    budget: int | None = None,
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
        perceptibility: Images whose smallest adversarial example is searched.
        certify: The method by which images are certified first; empty for none.
        budget: Gradients and queries for an image, on average; None for as many as it takes.
    """
    work = _Work(model, len(examples), cascade, curve, crafted_on, perceptibility, budget)
    nothing_falls = Trial(0.0)
    gradients = work.gradients(nothing_falls) + len(examples) * _BOUNDS.get(certify, 0.0)
    if gradients * activation_bytes(model.model) < _SMALL:
        return ""
    gradient = GRADIENT * answer_seconds(model, examples)
    nothing_falls = Trial(gradient, bound=gradient * _BOUNDS.get(certify, 0.0))
    most = work.seconds(nothing_falls)
    if not math.isfinite(most) or most < WORTH:
        return ""
    climbs = cascade.ball.norm in PGD.norms and float(cascade.ball.eps) > 0
    unsure = any(open_ended(attack, model) for attack in cascade.attacks)
    # Who has a limit shall not spend it on a forecast.
    worth = most >= WORTH_A_TRIAL and limit is None and (climbs or unsure or certify)
    trial = tried(model, examples, cascade, certify) if worth else None
    if limit is not None:
        return "" if most <= limit else _within(limit, most, examples)
    told = trial or nothing_falls
    queries = work.queries(told)
    words = f"{round(work.gradients(told)):,} gradients" + (f" and {round(queries):,} answers" if queries else "")
    on = "" if crafted_on == 1 else f" on {crafted_on} models, once the attacker's own are trained"
    words = f"for {examples.kind.count(len(examples))}{on}: {words}, {1000 * told.gradient:.3g} ms a gradient"
    if trial is None:
        # Where an image may take any number of steps, there is no most.
        how = "about" if unsure else "at most"
        return f"time: {how} {duration(most)} on this machine {words} (--limit takes fewer)"
    most = work.seconds(dataclasses.replace(trial, left=1.0, near=math.inf, at=math.inf, proven=0.0))
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
    perceptibility: int = 0
    budget: int | None = None

    def seconds(self, trial: Trial) -> float:
        """Seconds of all of it, and of compiling it."""
        answers = self.queries(trial) + self.count
        graphs = sum(1 for attack in self.cascade.attacks for _ in self._rounds(attack))
        total = trial.gradient * (self.gradients(trial) + answers / GRADIENT) + trial.graph * graphs
        total += trial.bounding + trial.bound * self.count
        # What is more than gradients of these attacks, such as the choice of pixels.
        for number, _, images in self._attacked(trial):
            if number in trial.own:
                own = trial.own[number]
                total += self.crafted_on * images * max(0.0, own.seconds - own.gradients * trial.gradient)
        return total

    def gradients(self, trial: Trial) -> float:
        """Input gradients of the suite, of the curve, of the check of convergence, and of the search."""
        cascade, classes = self.cascade, self.model.num_classes
        right = self.count * trial.right
        suite = self._of_suite(trial)
        total = suite * self._affordable(suite + self._asked(trial))
        if not total or not float(cascade.ball.eps):
            return total
        again, most = twice_of(cascade, classes)
        total += min(most, right * trial.left) * input_gradients(again, cascade.ball.norm, classes)
        drawn = min(self.count, self.curve) * trial.right
        if cascade.ball.norm not in PGD.norms:
            return total + drawn * FMN.steps
        searched = min(self.count, self.perceptibility) * trial.right
        return total + drawn * self._of_curve(trial) + searched * self._of_search(trial)

    def queries(self, trial: Trial) -> float:
        """Answers that attacks without gradients ask for."""
        asked = self._asked(trial)
        return asked * self._affordable(self._of_suite(trial) + asked)

    def _affordable(self, total: float) -> float:
        """The share of the suite's gradients and answers that a budget pays for."""
        return 1.0 if self.budget is None else min(1.0, self.budget * self.count / max(total, 1.0))

    def _attacked(self, trial: Trial) -> Iterator[tuple[int, Attack, float]]:
        """The number of each attack, the attack, and how many images it meets."""
        standing = self.count * trial.right * (1.0 - trial.proven)
        for number in range(len(self.cascade.attacks)):
            attack = self.cascade.variant(number)
            yield number, attack, standing
            # Only an attack of many steps breaks about what the trial did.
            if self.cascade.mode == "cascade" and attack.family in ("iterative", "ensemble"):
                standing = self.count * trial.right * min(trial.left, 1.0 - trial.proven)

    def _of_suite(self, trial: Trial) -> float:
        """Input gradients of all attacks."""
        total = 0.0
        for number, attack, images in self._attacked(trial):
            own = trial.own.get(number)
            total += images * (self._of_attack(attack, trial) if own is None else own.gradients)
        return total * self.crafted_on

    def _asked(self, trial: Trial) -> float:
        share = trial.left + (1 - trial.left) * _QUERIED
        total = 0.0
        for attack in self.cascade.attacks:
            for part, attempts in self._rounds(attack):
                if part.family in (*BLIND, "random"):
                    total += attempts * float(getattr(part, "queries", getattr(part, "draws", 1)) or 0)
        return self.count * self.crafted_on * trial.right * (1.0 - trial.proven) * share * total

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
        typical = part.example_gradients(math.prod(self.model.input_shape))
        if typical is not None:
            return typical
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

    def _of_search(self, trial: Trial) -> float:
        """Input gradients of the search for the smallest radius, for an image: at each that it tries, but the last."""
        steps = sweeping(self.cascade, self.model).steps
        if trial.near < steps:
            growing = steps * sum(each < MULTIPLES[0] for each in SEARCHED) + trial.near
        elif trial.at < steps:
            growing = steps * sum(each < 1 for each in SEARCHED) + trial.at
        else:
            growing = steps * sum(1.0 if each <= 1 else trial.left for each in SEARCHED)
        # Between two radii some withstand, and their batch goes on; in the end all spend the whole budget.
        return float(growing + (BISECTIONS + 1) * steps)

    def _rounds(self, attack: Attack) -> list[tuple[Attack, int]]:
        return list(attack.under(self.cascade.ball.norm).rounds(self.model.num_classes))
