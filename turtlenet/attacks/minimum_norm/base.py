"""Searches for the smallest perturbation: what they have in common."""

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from keras import ops

from turtlenet import backend
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.typing import State, Tensor


class Tried(NamedTuple):
    """What one iteration tried at each example.

    Attributes:
        x: A point, shaped like the input.
        reached: Whether it is a success, bool (batch,).
        over: Whether the search ends with this iteration, bool (batch,), or False for all.
        rest: The search's own state after it.
        gradients: Input gradients that it took.
        queries: Forward passes without a gradient that it took.
    """

    x: Tensor
    reached: Tensor
    over: Tensor
    rest: State
    gradients: int = 1
    queries: int = 0


class _Record(NamedTuple):
    """The smallest success so far at each example, what it cost, and whether the search is over there."""

    x: Tensor
    distance: Tensor
    gradients: Tensor
    queries: Tensor
    done: Tensor

    def or_nearer(self, tried: Tried, distance: Tensor) -> "_Record":
        """Takes a point where it is a success and a smaller one, and adds what it cost."""
        nearer = ops.logical_and(tried.reached, distance < self.distance)
        return _Record(
            choose(nearer, tried.x, self.x),
            ops.where(nearer, distance, self.distance),
            self.gradients + tried.gradients,
            self.queries + tried.queries,
            ops.logical_or(self.done, tried.over),
        )


@dataclass(frozen=True, kw_only=True)
class MinimumNorm(abc.ABC):
    """Looks for the smallest perturbation and keeps the smallest success on its way: a base beside `Iterative`.

    The ball gives the norm and the bounds; its radius only tells `early_stop` when to be content. An input that is no
    success to begin with is moved, one that is stays as it is. The state is a record of that,
    then what `prepare` gives.

    Args:
        early_stop: Leaves an example alone once a success lies within the ball.
    """

    early_stop: bool = False

    minimal: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def in_stages(self) -> bool:
        return True

    @abc.abstractmethod
    def prepare(self, context: Context, logits: Tensor) -> State:
        """What the search keeps beside the record.

        Args:
            context: Model, inputs, goal, ball and keys of the attempt.
            logits: Logits at the inputs (batch, classes).

        Returns:
            Tensors, each of shape (batch, ...).
        """

    @abc.abstractmethod
    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        """One iteration; what it makes of examples that are done does not count.

        Args:
            number: Its number from 0 on, an int32 scalar.
            rest: What `prepare`, or the iteration before, gave.
            context: See `prepare`.
        """

    def measure(self, point: Tensor, x: Tensor, ball: Ball) -> Tensor:
        """What is to be small: the distance of points from the inputs `x` in the ball's norm, float32 (batch,)."""
        return ball.distance(point, x)

    def begin(self, context: Context) -> State:
        logits = context.model(context.x)
        reached = context.goal.reached(logits)
        nothing = ops.zeros_like(context.goal.y)
        record = _Record(context.x, ops.where(reached, 0.0, float("inf")), nothing, nothing + 1, reached)
        return (*record, *self.prepare(context, logits))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        tried = self.step(step, tuple(state[5:]), context)
        record = _Record(*state[:5]).or_nearer(tried, self.measure(tried.x, x, ball))
        if self.early_stop:
            near = ops.logical_and(ops.isfinite(record.distance), ball.distance(record.x, x) <= ball.eps)
            record = record._replace(done=ops.logical_or(record.done, near))
        return (*record, *tried.rest)

    def finish(self, state: State, context: Context) -> SearchResult:
        record = _Record(*state[:5])
        return SearchResult(record.x, None, record.gradients, record.queries)

    def done(self, state: State) -> Tensor:
        return state[4]


class Planes(NamedTuple):
    """The boundaries to other classes as planes, at a point of each example.

    Attributes:
        gap: How far each other logit leads, float32 (batch, planes).
        reached: Whether the goal is reached there, bool (batch,).
        slope: Where that climbs, float32 (batch, planes, values).
        direction: The steepest way within the bounds, likewise.
        rate: How fast it climbs along that, float32 (batch, planes).
    """

    gap: Tensor
    reached: Tensor
    slope: Tensor
    direction: Tensor
    rate: Tensor

    @staticmethod
    def at(point: Tensor, others: Tensor, context: Context) -> "Planes":
        """The planes at points (batch, ...), to classes (batch, planes); towards a target there is one.

        That lies between the target and the best of the other classes.
        """
        goal, size = context.goal, math.prod(point.shape[1:])

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = context.model(point)
            if goal.target is not None:
                return goal.loss("margin", logits)[:, None], goal.reached(logits)
            own = ops.take_along_axis(logits, goal.y[:, None], axis=1)
            return ops.take_along_axis(logits, others, axis=1) - own, goal.reached(logits)

        gap, reached, slope = backend.input_gradients(look, point)
        planes = gap.shape[1]
        slope = ops.reshape(slope, (-1, *point.shape[1:]))
        direction = context.ball.steepest(slope, ops.repeat(point, planes, axis=0))
        slope, direction = (ops.reshape(each, (-1, planes, size)) for each in (slope, direction))
        return Planes(gap, reached, slope, direction, ops.sum(slope * direction, axis=2))


def likeliest_others(context: Context, logits: Tensor, most: int) -> Tensor:
    """The likeliest wrong classes by logits (batch, classes): int32 (batch, min(most, classes) - 1)."""
    model = context.model
    own = ops.one_hot(context.goal.y, model.num_classes, dtype="float32")
    return ops.cast(ops.top_k(logits - 1e30 * own, min(most, model.num_classes) - 1)[1], "int32")


def hinge(model: Classifier, goal: Goal, confidence: float, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of Carlini & Wagner (2017, f6 with kappa) to bring down to 0, and where it leads.

    Args:
        model: Gives logits (batch, classes).
        goal: Labels and targets.
        confidence: By how much another logit must lead: kappa.
        point: Where, float32 (batch, ...).

    Returns:
        The loss, float32 (batch,); whether it is 0 and the goal is reached, bool (batch,); its gradient.
    """

    def look(point: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(point)
        return ops.relu(confidence - goal.loss("margin", logits)), goal.reached(logits)

    loss, reached, slope = backend.input_gradient(look, point)
    return loss, ops.logical_and(reached, loss <= 0), slope
