"""Long searches that may be put down and taken up: what is finished need not wait for what is not."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal, choose
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.typing import Keys, State, Tensor

_FIRST = 5
# The longest stage: after so many iterations batches are made anew of those that are not done.
_LARGEST = 160


@dataclass(frozen=True, kw_only=True)
class Iterative(abc.ABC):
    """A search of many iterations over a state that belongs to each example: a base beside `Attack`.

    Called on a batch it is one graph. Over a data set it stops now and then, and goes on with those examples that are
    not done. An iteration draws from `random.fold_in(key, step)`, so that stopping changes nothing.

    Args:
        early_stop: Leaves an example alone once its goal is reached: the verdict is the same, the cost is less.
    """

    early_stop: bool = False

    holds_done: ClassVar[bool] = False
    """Whether `iterate` itself leaves examples that are done as they are, for less than the base class does it."""

    @property
    def in_stages(self) -> bool:
        """Whether examples are done at different times, so that stopping pays."""
        return self.early_stop

    @property
    @abc.abstractmethod
    def length(self) -> int:
        """The number of iterations."""

    @abc.abstractmethod
    def begin(self, context: Context) -> State:
        """The state before the first iteration.

        Args:
            context: Model, inputs, goal, ball and keys of the attempt.

        Returns:
            Tensors, each of shape (batch, ...).
        """

    @abc.abstractmethod
    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        """One iteration.

        Args:
            step: Its number from 0 on, an int32 scalar. Draws come from `random.fold_in(context.key, step)`.
            state: What `begin`, or the iteration before, gave.
            context: See `begin`.

        Returns:
            The next state, in the same shapes and dtypes.
        """

    @abc.abstractmethod
    def finish(self, state: State, context: Context) -> SearchResult:
        """What comes of the search.

        Args:
            state: That after the last iteration.
            context: See `begin`.
        """

    @abc.abstractmethod
    def done(self, state: State) -> Tensor:
        """Which examples no further iteration would change, booleans (batch,)."""

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        context = Context(model, x, goal, ball, key)
        return self.finish(self.between(0, self.length, self.begin(context), context), context)

    def advance(self, step: Tensor, state: State, context: Context) -> State:
        """One iteration, in which examples that are done stay as they are; see `iterate`."""
        after = self.iterate(step, state, context)
        if self.holds_done:
            return after
        done = self.done(state)
        return tuple(choose(done, old, new) for old, new in zip(state, after, strict=True))

    def between(self, first: Tensor, last: Tensor, state: State, context: Context) -> Tensor:
        """Several iterations.

        Args:
            first: Number of the first, an int or an int32 scalar.
            last: Number after that of the last.
            state: That before them.
            context: See `begin`.

        Returns:
            The state after them; sooner where every example is done.
        """

        def advance(number: Tensor, state: State) -> Tensor:
            # A plain tuple: to JAX a named one is another structure.
            return tuple(self.advance(first + number, state, context))

        return backend.loop(last - first, advance, tuple(state), lambda state: ops.all(self.done(state)))[1]

    def stages(self) -> Iterator[tuple[int, int]]:
        """Where to stop and look who is done: seldom, and ever more seldom."""
        first, size = 0, _FIRST
        while True:
            last = min(self.length, first + size) if self.in_stages else self.length
            # Without any iteration there is a beginning all the same, which may reach the goal.
            yield first, last
            if last >= self.length:
                return
            first, size = last, min(size * 2, _LARGEST)
