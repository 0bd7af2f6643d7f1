"""What a few images tell of how long an evaluation will take."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from turtlenet.attacks import PGD, Attack
from turtlenet.batching import filled, predict
from turtlenet.certification import Certifier
from turtlenet.certification.methods import CERTIFIED
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.curve import MULTIPLES, sweeping

GRADIENT = 3.0
"""A gradient takes about as long as three answers."""
TRIED = 8
FEWEST = 20 * TRIED
"""So many images, at least, for attacks to be tried of which one image may take thousands of steps."""
_ASKED = 64
"""Images whose answers tell how many are right, and so attacked at all."""
_QUICK = 0.05
"""Seconds: what takes less is timed on more images, as most of it is the call."""
_SLOWEST = 2.0
"""So much longer than the slowest of a few images takes the slowest of a batch."""


@dataclass(frozen=True)
class Own:
    """What an attack takes of an image whose settings do not tell it: gradients, and seconds."""

    gradients: float
    seconds: float


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
        own: What attacks take whose settings do not tell it, by their number.
        bound: Seconds that it takes to certify an image.
        bounding: Seconds before the first is certified.
        proven: Share of the right images that are certified.
    """

    gradient: float
    graph: float = 0.0
    right: float = 1.0
    left: float = 1.0
    near: float = math.inf
    at: float = math.inf
    own: Mapping[int, Own] = field(default_factory=dict)
    bound: float = 0.0
    bounding: float = 0.0
    proven: float = 0.0


def answer_seconds(model: Classifier, examples: Examples) -> float:
    """Seconds of an answer to one image, in a batch."""
    for count in (TRIED, _ASKED):
        x, y = examples.batch(slice(0, min(count, len(examples))))
        model.predict(x, y)
        began = time.perf_counter()
        model.predict(x, y)
        seconds = time.perf_counter() - began
        if seconds > _QUICK:
            break
    return seconds / len(x) * (model.draws if model.stochastic else 1)


def tried(model: Classifier, examples: Examples, cascade: Cascade, certify: str = "") -> Trial | None:
    """What comes of attacking the first few images that are right; None where none is.

    Args:
        model: The classifier under attack.
        examples: What is attacked.
        cascade: How.
        certify: The method by which images are certified first; empty for none.
    """
    x, y = examples.batch(slice(0, min(_ASKED, len(examples))))
    right = predict(model, x, cascade.batch_size, y).argmax(axis=1) == model.classes(y)
    rows = np.flatnonzero(right)[:TRIED]
    if not len(rows):
        return None
    some = _Some(model, x[rows], y[rows], rows, cascade)
    climbs = cascade.ball.norm in PGD.norms and float(cascade.ball.eps) > 0
    told = some.climbed() if climbs else {"gradient": GRADIENT * answer_seconds(model, examples)}
    if len(examples) >= FEWEST:
        told |= some.open_ended(told.get("graph"))
    return Trial(right=float(right.mean()), **told, **(some.certified(certify) if certify else {}))


def open_ended(attack: Attack, model: Classifier) -> bool:
    """Whether what an attack takes of an image is not told by its settings."""
    return attack.example_gradients(math.prod(model.input_shape)) is not None


@dataclass(frozen=True)
class _Some:
    """A few images that are right."""

    model: Classifier
    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray
    cascade: Cascade

    def climbed(self) -> dict[str, Any]:
        """What the attack of the curve, whose graph is needed later anyway, tells of them."""
        attack = sweeping(self.cascade, self.model)

        def of_a_batch(taken: int, reached: np.ndarray) -> float:
            return min(attack.steps, _SLOWEST * taken) if reached.all() else float(taken)

        # The first compiles the graph, the second is timed.
        first, taken, reached = self._run(attack, 1.0)
        seconds, taken_near, nearer = self._run(attack, MULTIPLES[0])
        at, near = int(taken.max()), int(taken_near.max())
        gradient = seconds / (self._filled * (near + 1))
        return {
            "gradient": gradient,
            "graph": max(0.0, first - gradient * self._filled * (at + 1)),
            "left": self._left(reached),
            "near": of_a_batch(near, nearer),
            "at": of_a_batch(at, reached),
        }

    def open_ended(self, graph: float | None) -> dict[str, Any]:
        """What attacks take of which the settings do not tell it.

        Args:
            graph: Seconds that it takes to compile one; None runs each twice.
        """
        own, found = {}, {}
        for number, attack in enumerate(self.cascade.attacks):
            if not open_ended(attack, self.model):
                continue
            first, taken, reached = self._run(attack, 1.0)
            seconds = self._run(attack, 1.0)[0] if graph is None else max(0.0, first - graph)
            if graph is None:
                found = {"graph": max(0.0, first - seconds), "left": self._left(reached)}
            # So few wait for the slowest of them; of many, those that are left are put together anew.
            busy = float(taken.mean()) / max(1.0, float(taken.max()))
            own[number] = Own(float(taken.mean()), busy * seconds / self._filled)
        return {**found, "own": own}

    def certified(self, method: str) -> dict[str, Any]:
        """How long it takes to certify them, and how many are."""
        certifier = Certifier(self.model, self.cascade.ball, method=method, batch_size=self.cascade.batch_size)
        times = []
        for _ in range(2):
            began = time.perf_counter()
            found, _ = certifier(self.x, self.y, self.rows)
            times.append(time.perf_counter() - began)
        each = times[1] / len(self.rows)
        proven = float(np.mean(found.verdict == CERTIFIED))
        return {"bound": each, "bounding": max(0.0, times[0] - times[1]), "proven": proven}

    @property
    def _filled(self) -> int:
        return filled(len(self.rows), TRIED)

    def _left(self, reached: np.ndarray) -> float:
        # Of so few images none may be left by chance.
        return float((np.count_nonzero(~reached) + 0.5) / (len(self.rows) + 1))

    def _run(self, attack: Attack, multiple: float) -> tuple[float, np.ndarray, np.ndarray]:
        cascade = self.cascade
        ball = cascade.ball.with_eps(multiple * float(cascade.ball.eps))
        began = time.perf_counter()
        outcome, _ = cascade.tried(attack, self.model, self.x, self.y, ball=ball, seed=cascade.seed, index=self.rows)
        return time.perf_counter() - began, outcome.gradients, outcome.reached
