"""An attack that a detector by uncertainty does not see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Best, Goal, Verdict
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, State, Tensor
from turtlenet.uncertainty import LARGEST, uncertainty


@attacks.register("undetected")
@dataclass(frozen=True, kw_only=True)
class DetectorEvasion(Attack):
    """Seeks a wrong answer that a detector takes for that to a clean input.

    Climbs min(margin, confidence) - weight * hinge, where the margin is that of the mean answer and the hinge is how
    far the uncertainty (paper 001, equation 12) is on the detector's side of the threshold, in units of it: Carlini &
    Wagner (2017), "Adversarial examples are not easily detected". Answer, uncertainty and gradient are those of the
    classifier's draws (EOT), which are others at each step. On a model without random layers the hinge is always 0.
    Of a classifier beside a detector that looks at something else (`Classifier.beside`), the hinge is how far that
    detector's log odds are above those at which it sees an attack; of several detectors in one, the sum of theirs.

    A selective attack climbs the margin alone while the answer is right and lowers the hinge alone while it is wrong,
    which needs no weight between the two: Bryniarski et al. (2022), "Evading adversarial example detection defenses
    with orthogonal projected gradient descent", section 3.

    Args:
        threshold: Uncertainty at which the detector begins to see an attack.
        side: Where it sees nothing: `below` the threshold, or `above` it.
        aim: How far beyond the threshold to go, as a share of it, or in log odds: the detector judges by other draws.
        weight: Of the hinge, against the margin.
        confidence: The margin counts up to here, in logits.
        selective: Whether to see to one of the two at a time.
        steps: Number of gradient steps.
        step_size: Length of a step, as a fraction of the ball's radius.
        restarts: How often to begin anew at a random point; the best attempt counts.
    """

    threshold: float = number(0.004, above=0, high=LARGEST, note="a variance")
    side: str = one_of("below", ("above", "below"))
    aim: float = number(0.5, above=0, high=1, note="a share of the threshold")
    weight: float = number(0.2, above=0)
    confidence: float = number(20.0, above=0)
    selective: bool = False
    steps: int = count(100, low=1, high=MOST)
    step_size: float = number(0.05, above=0)
    restarts: int = count(1, low=1, high=MOST)

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    training_settings: ClassVar[Mapping[str, Any]] = {"steps": 10, "step_size": 0.25}

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def judged_by(self) -> str:
        return "margin"

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        if model.excess is None and model.stochastic and model.draws < 2:
            raise SettingError(f"Expected draws >= 2, which can differ, for this attack; got {model.draws}.")

        def again(_: Tensor, state: State) -> State:
            best, key = state
            return self._climb(model, x, goal, ball, key, best), random.following(key)

        _, (best, _) = backend.loop(self.restarts, again, (Best.none(x, model.num_classes), key))
        return SearchResult(best.x, None, self.restarts * self.steps, self.restarts)

    def _climb(self, model: Classifier, x: Tensor, goal: Goal, ball: Ball, key: Keys, best: Best) -> Best:
        """One ascent from a random point; keeps the best point on the way."""

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            each = model.each(point)
            logits = model.mean(each)
            if model.excess is None:
                reading = uncertainty(ops.softmax(each, axis=-1))
                hinge = self._hinge(reading)
            else:
                over = model.excess(model, point, each)
                reading = ops.max(over, axis=1)
                hinge = ops.sum(ops.relu(over + self.aim), axis=1)
            height = ops.minimum(goal.loss("margin", logits), self.confidence)
            if self.selective:
                return ops.where(goal.reached(logits), -hinge, height), (logits, reading)
            return height - self.weight * hinge, (logits, reading)

        def climb(_: Tensor, state: tuple[Best, Tensor]) -> tuple[Best, Tensor]:
            best, point = state
            _, (logits, reading), slope = backend.input_gradient(look, point)
            best = best.or_better(point, logits, self._verdict(model, goal, logits, reading))
            return best, ball.project(point + self.step_size * ball.eps * ball.steepest(slope, point), x)

        _, (best, point) = backend.loop(self.steps, climb, (best, ball.sample(x, key)))
        logits, reading = look(point)[1]
        return best.or_better(point, logits, self._verdict(model, goal, logits, reading))

    def _hinge(self, spread: Tensor) -> Tensor:
        """How far the uncertainty is from where the attack wants it, in thresholds."""
        if self.side == "below":
            wanted = self.threshold * self.aim
            return ops.relu(spread - wanted) / wanted
        wanted = min(self.threshold / self.aim, LARGEST)
        return ops.relu(wanted - spread) / wanted

    def _verdict(self, model: Classifier, goal: Goal, logits: Tensor, reading: Tensor) -> Verdict:
        """Both goals first; then the wrong answer, the farther from the detector the better; then the margin.

        Args:
            model: The classifier, perhaps beside a detector.
            goal: What is to be reached.
            logits: The mean answer (batch, classes).
            reading: Uncertainty, or log odds above those of the detector's cut (batch,).
        """
        fooled, margin = goal.reached(logits), goal.loss("margin", logits)
        if model.excess is not None:
            hidden, distance = reading < 0, -reading / (1.0 + ops.abs(reading))
        elif self.side == "below":
            hidden, distance = reading < self.threshold, 1.0 - reading
        else:
            hidden, distance = reading > self.threshold, reading
        # Margins below -1, so that any wrong answer is better than any right one.
        return Verdict(
            ops.logical_and(fooled, hidden), ops.where(fooled, distance, margin / (1.0 + ops.abs(margin)) - 2.0)
        )
