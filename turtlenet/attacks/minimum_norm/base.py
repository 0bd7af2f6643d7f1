"""Searches for the smallest perturbation: what they have in common."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

__all__ = ["MinimumNorm", "Record", "check_counts", "check_positive", "hinge", "tall"]


class Record(NamedTuple):
    """The smallest success so far at each example, what it cost, and whether the search is over there.

    Attributes:
        x: Where, shaped like the input; the input itself where there is no success yet.
        distance: How far, float32 (batch,); infinite where there is no success yet.
        gradients: Input gradients computed, int32 (batch,).
        queries: Forward passes without a gradient, int32 (batch,).
        done: Booleans (batch,).
    """

    x: Any
    distance: Any
    gradients: Any
    queries: Any
    done: Any

    def noted(self, point: Any, reached: Any, distance: Any) -> "Record":
        """Takes a point where it is a success and a smaller one."""
        nearer = ops.logical_and(reached, distance < self.distance)
        return self._replace(x=choose(nearer, point, self.x), distance=ops.where(nearer, distance, self.distance))

    def spent(self, gradients: int, queries: int = 0) -> "Record":
        """Adds to the cost."""
        return self._replace(gradients=self.gradients + gradients, queries=self.queries + queries)

    def over(self, where: Any) -> "Record":
        """Ends the search at some examples."""
        return self._replace(done=ops.logical_or(self.done, where))


@dataclass(frozen=True, kw_only=True)
class MinimumNorm(Iterative):
    """Looks for the smallest perturbation and keeps the smallest success on its way.

    The ball gives the norm and the bounds; its radius only tells `early_stop` when to be content. An input that is no
    success to begin with is moved, one that is stays as it is. The state is a `Record`, then what `prepare` gives.

    Args:
        early_stop: Leaves an example alone once a success lies within the ball.
    """

    minimal: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def in_stages(self) -> bool:
        return True

    @abc.abstractmethod
    def prepare(self, model: Classifier, x: Any, logits: Any, goal: Goal, *, ball: Ball, key: Any) -> tuple[Any, ...]:
        """What the search keeps beside the record, tensors (batch, ...); `logits` are those at the input."""

    @abc.abstractmethod
    def step(
        self,
        number: Any,
        record: Record,
        rest: tuple[Any, ...],
        model: Classifier,
        x: Any,
        goal: Goal,
        *,
        ball: Ball,
        key: Any,
    ) -> tuple[Record, tuple[Any, ...]]:
        """One iteration; what it makes of examples that are done does not count."""

    def measure(self, point: Any, x: Any, ball: Ball) -> Any:
        """What is to be small, float32 (batch,)."""
        return ball.distance(point, x)

    def begin(self, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any) -> tuple[Any, ...]:
        logits = model(x)
        reached = goal.reached(logits)
        nothing = ops.zeros_like(goal.y)
        far = ops.where(reached, 0.0, float("inf"))
        record = Record(x, far, nothing, nothing + 1, reached)
        return (*record, *self.prepare(model, x, logits, goal, ball=ball, key=key))

    def advance(
        self, step: Any, state: Any, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any
    ) -> tuple[Any, ...]:
        record, rest = Record(*state[:5]), tuple(state[5:])
        new, after = self.step(step, record, rest, model, x, goal, ball=ball, key=key)
        if self.early_stop:
            found = ops.isfinite(new.distance)
            new = new.over(ops.logical_and(found, ball.distance(new.x, x) <= ball.eps))
        return tuple(choose(record.done, old, now) for old, now in zip(state, (*new, *after), strict=True))

    def finish(self, state: Any, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any) -> SearchResult:
        record = Record(*state[:5])
        return SearchResult(record.x, None, record.gradients, record.queries)

    def done(self, state: Any) -> Any:
        return state[4]


def hinge(model: Classifier, goal: Goal, confidence: float, point: Any) -> tuple[Any, Any, Any]:
    """The loss of Carlini & Wagner (2017, f6 with kappa) to bring down to 0, and where it leads.

    Returns:
        The loss, float32 (batch,); whether it is 0 and the goal is reached, bool (batch,); its gradient.
    """

    def look(point: Any) -> tuple[Any, Any]:
        logits = model(point)
        return ops.relu(confidence - goal.loss("margin", logits)), goal.reached(logits)

    loss, reached, slope = backend.input_gradient(look, point)
    return loss, ops.logical_and(reached, loss <= 0), slope


def tall(values: Any, like: Any) -> Any:
    """Shapes (batch,) so that it multiplies images."""
    return ops.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))


def check_counts(attack: Any, *names: str) -> None:
    """Refuses settings that are no sensible counts.

    Raises:
        SettingError: One of them is not from 1 to a million.
    """
    for name in names:
        if not 1 <= getattr(attack, name) <= MOST:
            raise SettingError(f"Expected {name} from 1 to {MOST:,}; got {getattr(attack, name)}.")


def check_positive(attack: Any, *names: str, zero: bool = False, below: float = float("inf")) -> None:
    """Refuses settings that are no positive numbers.

    Args:
        attack: Whose settings.
        *names: Their names.
        zero: Whether 0 will do.
        below: What they must stay below.

    Raises:
        SettingError: One of them is out of its range.
    """
    for name in names:
        value = getattr(attack, name)
        if not (0 <= value < below and (zero or value > 0)):
            limit = "" if below == float("inf") else f" and < {below:g}"
            raise SettingError(f"Expected {name} {'>=' if zero else '>'} 0{limit}; got {value}.")
