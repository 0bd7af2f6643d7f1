"""A3: starts in the directions in which other images fell."""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, Goal
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import count, one_of
from turtlenet.typing import Keys, Labels, State, Tensor

_SIDES = ("down", "random", "up")
# Folded into the key, so that the weights are drawn apart from the point.
_WEIGHTS = 0x0AD1
_OTHER = 0.8
_LABEL = {"down": (-0.5, 0.1), "up": (-0.1, 0.5)}


@attacks.register("a3")
@dataclass(frozen=True, kw_only=True)
class A3(Iterative, Attack):
    """The adaptive auto attack (Liu et al., 2022): PGD on the margin from starts in directions that worked elsewhere.

    From a random point of the ball it climbs a sum of the logits first (ADI): the label has a weight from [-0.5, 0.1],
    or from [-0.1, 0.5] where `label` is up; a wrong class has 0.8, or -0.8 where `other` is down; the rest have
    weights from [-1, 1]. With more than ten classes the first two are multiplied by a tenth of their number, as in the
    authors' code. Then it climbs the margin, in steps that shrink from a radius along a cosine. Each attempt has the
    next likeliest wrong class in its start.

    The paper learns the two signs from the images that fell before. An example here may not depend on others; so the
    signs are settings, and `fit_a3` learns them beforehand on images that it is given. The defaults are those of most
    models. The paper's other half, to leave images alone that are far from falling (OSD), is `--order adaptive`.

    Args:
        steps: Number of gradient steps on the margin.
        start_steps: Steps of the start, a radius each.
        restarts: How often each wrong class is taken.
        label: Whether the start moves the label's logit `down` or `up`, or weighs it at `random`, as ODI does.
        other: Likewise for the wrong class.
        target: `top9` has the nine likeliest wrong classes in the start in turn; any wrong answer counts.
    """

    steps: int = count(25, low=1, high=MOST)
    start_steps: int = count(7, high=MOST)
    restarts: int = count(1, low=1, high=MOST)
    label: str = one_of("down", _SIDES)
    other: str = one_of("up", _SIDES)
    target: str = "top9"
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def judged_by(self) -> str:
        return "margin"

    @property
    def length(self) -> int:
        return self.start_steps + self.steps

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def attempt_gradients(self, num_classes: int) -> int:
        return self.length

    def begin(self, context: Context) -> State:
        model, x, goal, ball, key = context
        weights = self.weights(key, goal.y, self._wrong(context), model.num_classes)
        point = ball.sample(x, key)
        return (*Best.none(x, model.num_classes), point, weights, ops.zeros_like(goal.y))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball, goal = context.x, context.ball, _climbed(context.goal)
        best, (point, weights, spent) = Best(*state[:4]), state[4:]

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            start = ops.sum(weights * logits, axis=1)
            return ops.where(step < self.start_steps, start, goal.loss("margin", logits)), logits

        _, logits, slope = backend.input_gradient(look, point)
        best = best.or_better(point, logits, goal.judge("margin", logits))
        following = ball.project(point + self._step(step) * ball.eps * ball.steepest(slope, point), x)
        return (*best, following, weights, spent + 1)

    def finish(self, state: State, context: Context) -> SearchResult:
        best, point = Best(*state[:4]), state[4]
        logits = context.model(point)
        best = best.or_better(point, logits, _climbed(context.goal).judge("margin", logits))
        return SearchResult(best.x, best.logits, state[-1], 1)

    def done(self, state: State) -> Tensor:
        reached = state[2]
        return reached if self.early_stop else ops.zeros_like(reached)

    def weights(self, key: Keys, y: Labels, wrong: Labels, num_classes: int) -> Tensor:
        """The weights of the logits in the start.

        Args:
            key: The examples' keys of the attempt.
            y: True labels, int32 (batch,).
            wrong: The wrong class of each start, int32 (batch,).
            num_classes: Of the model.

        Returns:
            float32 (batch, classes).
        """
        key, more = random.fold_in(key, _WEIGHTS), max(1.0, num_classes / 10)
        weights = random.uniform(key, (num_classes,), -1.0, 1.0)
        if self.other != "random":
            size = more * (_OTHER if self.other == "up" else -_OTHER)
            weights = ops.where(ops.one_hot(wrong, num_classes) > 0, size, weights)
        if self.label != "random":
            low, high = _LABEL[self.label]
            own = more * random.uniform(random.fold_in(key, 1), (1,), low, high)
            weights = ops.where(ops.one_hot(y, num_classes) > 0, own, weights)
        return weights

    def _wrong(self, context: Context) -> Labels:
        """The class of the start: the target, or the likeliest wrong one."""
        goal = context.goal
        if goal.target is not None:
            return goal.target
        own = ops.one_hot(goal.y, context.model.num_classes, dtype="float32")
        return ops.cast(ops.argmax(context.model(context.x) - 1e30 * own, axis=1), "int32")

    def _step(self, step: Tensor) -> Tensor:
        """The length of a step, in radii: 1 in the start, then a cosine down to a least."""
        least = 0.1 if self.steps <= 10 else 0.001
        angle = math.pi * ops.cast(step - self.start_steps, "float32") / (self.steps + 1)
        return ops.where(step < self.start_steps, 1.0, least + (1.0 - least) * 0.5 * (1.0 + ops.cos(angle)))


def fit_a3(
    model: Classifier, x: np.ndarray, y: np.ndarray, *, ball: Ball, attack: A3 | None = None, seed: int = 0
) -> A3:
    """Learns the signs of `a3` on images: in which directions of the logits they fell.

    Each image is attacked once from a start with random weights. Over those that fell, the weights of the label, and
    those of the wrong answer, are summed; the signs of the sums are the settings. Take images that the attack is not
    to be measured on, or say that they were learned from.

    Args:
        model: The classifier.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where each image may move.
        attack: The attack to fit, for its steps; that of the defaults, if not given.
        seed: Repeats the draws.

    Returns:
        The attack with `label` and `other` set; as it was where no image fell.

    Raises:
        SettingError: No images.
    """
    if not len(x):
        raise SettingError("Expected images to learn directions from; got none.")
    attack = A3() if attack is None else attack
    x, y = np.asarray(x, "float32"), np.asarray(y, "int32")
    probe = dataclasses.replace(attack, label="random", other="random", restarts=1, target="")
    found = attack_all(probe, model, x, y, ball=ball, seed=seed)
    fell = np.flatnonzero(found.reached & (model.predict(x).argmax(axis=1) == y))
    if not len(fell):
        return attack
    keys = random.keys(seed, ops.arange(len(x), dtype="int32"))
    weights = np.asarray(ops.convert_to_numpy(probe.weights(keys, y, y, model.num_classes)))
    own, wrong = (weights[fell, each[fell]].sum() for each in (y, found.logits.argmax(axis=1)))
    return dataclasses.replace(attack, label="up" if own > 0 else "down", other="down" if wrong < 0 else "up")


def _climbed(goal: Goal) -> Goal:
    """The goal that the steps climb: away from the label, unless one class is the only right answer."""
    return Goal(goal.y, reference=goal.reference) if goal.target is None or goal.any_wrong else goal
