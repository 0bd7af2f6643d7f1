"""A classifier as an attack sees it where each feature has bounds, a radius and rules of its own.

The attack works in coordinates in which every radius is 1, so that no attack needs to know of any of it. The
classifier is shown what comes out of those: within the bounds, what may not move as it was, and what has rules as they
want it. The gradient goes straight through to the features that may move.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet.balls import FeatureBall
from turtlenet.balls.features import repeated
from turtlenet.classifier import Classifier
from turtlenet.defences import Differentiable
from turtlenet.typing import Tensor


class FeatureView(Classifier):
    """A classifier in the coordinates of `FeatureBall.inner`.

    Where features have rules, it must know the input that each row comes from. Rows are those of the inputs, or
    several for each input, in the order of `ops.repeat`.

    Args:
        seen: The classifier.
        ball: The ball in input units.
        original: The inputs, float32 (batch, ...); None where no feature has rules.
        within: Whether what is shown stays in the radius of each feature: a whole number is rounded to one that may be
            reached. Not where the smallest move is looked for, which has no radius yet.
    """

    def __init__(self, seen: Classifier, ball: FeatureBall, original: Tensor = None, *, within: bool = False):
        vars(self).update(vars(seen))
        self._graphs, self._others = {}, {}
        self.seen, self.ball, self.original, self.within = seen, ball, original, within
        self.bounds = (ball.inner.low, ball.inner.high)
        if seen.excess is not None:
            self.excess = lambda _, point, each: seen.excess(seen, self.shown(point), each)  # type: ignore[misc]

    def __call__(self, x: Tensor, *, training: bool = False) -> Tensor:
        """Gives float32 logits (batch, classes) at points of the coordinates."""
        return self.seen(self.shown(x), training=training)

    def each(self, x: Tensor) -> Tensor:
        return self.seen.each(self.shown(x))

    def shown(self, point: Tensor) -> Tensor:
        """What the classifier is shown of points (rows, ...), in input units."""
        point = ops.convert_to_tensor(point)
        if self.original is None:
            smooth = self.ball.decode(point)
            return Differentiable.straight_through(self.ball.inside(smooth), smooth)
        x = repeated(self.original, point)
        free = self.ball.space.fit((~self.ball.space.held).astype("float32"), point)
        smooth = self.ball.decode(point, x)
        shown = self.ball.feasible(smooth, x, within=self.within)
        return Differentiable.straight_through(shown, point * free * self._width(point))

    def _width(self, point: Tensor) -> np.ndarray:
        return self.ball.space.fit(self.ball.space.width.astype("float32"), point)

    @property
    def stochastic(self) -> bool:
        return self.seen.stochastic

    def taking(self, gradient: str = "", *, draws: int = 0, seed: int | None = None) -> Classifier:
        other = self.seen.taking(gradient, draws=draws, seed=seed)
        return self if other is self.seen else FeatureView(other, self.ball, self.original, within=self.within)

    def through(self, change: Callable[[Classifier], Classifier]) -> Classifier:
        return FeatureView(change(self.seen), self.ball, self.original, within=self.within)

    @property
    def entrance(self) -> Any:
        # What it says of boxes is in input units, and for any features.
        return None


class HostView(FeatureView):
    """The view of attacks that run on the host: whatever rows they ask about, they are of one input at a time.

    They keep the one radius of `FeatureBall.inner`; what is shown stays within that of each feature where rules round.

    Args:
        seen: The classifier.
        ball: The ball in input units.
    """

    def __init__(self, seen: Classifier, ball: FeatureBall):
        super().__init__(seen, ball, within=True)
        if ball.space.bound:
            # A variable: compiled graphs see the input of the moment.
            self._input = keras.Variable(np.zeros((1, *ball.space.shape), "float32"), trainable=False)
            self.original = self._input
            self.variables = [self._input]

    @property
    def one_by_one(self) -> bool:
        """Whether inputs have to be attacked one at a time, each after `of`."""
        return self.original is not None

    def of(self, x: np.ndarray) -> None:
        """Sets the input, float32 (1, ...), that the rows asked about next come from."""
        self._input.assign(x)

    def compiled(self, name: Any, fn: Callable[..., Any], others: Any = ()) -> Callable[..., Any]:
        return super().compiled(name, fn, [*others, *([_Holder(self)] if self.one_by_one else [])])

    def taking(self, gradient: str = "", *, draws: int = 0, seed: int | None = None) -> Classifier:
        return host_view(self.seen.taking(gradient, draws=draws, seed=seed), self.ball)


class _Holder:
    """What stands for a model where others have one: its variables are those of a view."""

    def __init__(self, view: Any):
        self.model = view


def host_view(seen: Classifier, ball: FeatureBall) -> HostView:
    """The view of a classifier for attacks on the host; the same one for the same ball, so that it compiles once."""
    kept: Any = seen._others
    # The radius is a constant of its graphs: what is shown stays within it.
    place = ("view", seen.gradient, seen.draws, seen.seed, float(ball.eps), ball.place)
    if place not in kept:
        kept[place] = HostView(seen, ball)
    view: HostView = kept[place]
    return view
