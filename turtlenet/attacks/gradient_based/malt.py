"""Targets in the order of how near their planes are."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.gradient_based.apgd import APGD
from turtlenet.attacks.gradient_based.nearest import nearest_first
from turtlenet.attacks.iterative import Iterative
from turtlenet.ranges import count
from turtlenet.typing import State, Tensor


@attacks.register("malt")
@dataclass(frozen=True, kw_only=True)
class MALT(Iterative, Attack):
    """MALT (Melamed et al., 2024, Algorithm 1): Auto-PGD towards the nearest classes instead of the likeliest.

    A wrong class is as near as its gap in logits over the length of that gap's gradient, which is exact for a linear
    model. Each attempt is Auto-PGD on the targeted ratio towards the next of them; with fewer than four classes on the
    margin. Towards a target that is given it is that Auto-PGD alone.

    Args:
        steps: Number of gradient steps of an attempt.
        candidates: How many of the likeliest wrong classes are ordered, for a gradient each; 100 in the paper.
        target: `top9` goes for the nine nearest in turn, `each` for all.
    """

    steps: int = count(100, low=1, high=MOST)
    candidates: int = count(100, low=1)
    target: str = "top9"
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    holds_done: ClassVar[bool] = True

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def judged_by(self) -> str:
        return "margin"

    def attempt_gradients(self, num_classes: int) -> int:
        return self.steps + min(self.candidates, num_classes - 1)

    @property
    def length(self) -> int:
        return self.steps

    def begin(self, context: Context) -> State:
        goal = context.goal
        if goal.target is None or not goal.any_wrong:
            classes, gradients = goal.y if goal.target is None else goal.target, 0
        else:
            order = nearest_first(context, self.candidates)
            # The goal has the class of the attempt's number by its logit: the one of that number by nearness comes
            # in its place.
            logits = context.model(context.x)
            own = ops.one_hot(goal.y, logits.shape[-1], dtype="float32")
            wanted = ops.take_along_axis(logits, goal.target[:, None], axis=1)
            ahead = ops.sum(ops.cast(logits - 1e30 * own > wanted, "int32"), axis=1, keepdims=True)
            classes = ops.take_along_axis(order, ops.minimum(ahead, order.shape[1] - 1), axis=1)[:, 0]
            gradients = order.shape[1]
        inner = self._inner(context, classes)
        spent = ops.zeros_like(goal.y) + gradients
        return classes, spent, *self._search(inner).begin(inner)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        inner = self._inner(context, state[0])
        return (*state[:2], *self._search(inner).iterate(step, state[2:], inner))

    def finish(self, state: State, context: Context) -> SearchResult:
        inner = self._inner(context, state[0])
        found = self._search(inner).finish(state[2:], inner)
        return found._replace(gradients=found.gradients + state[1])

    def done(self, state: State) -> Tensor:
        return self._ascent("dlr").done(state[2:])

    def _inner(self, context: Context, classes: Tensor) -> Context:
        goal = context.goal
        if goal.target is None:
            return context
        return context._replace(goal=Goal(goal.y, classes, any_wrong=goal.any_wrong, reference=goal.reference))

    def _search(self, context: Context) -> APGD:
        return self._ascent("dlr" if context.model.num_classes >= 4 else "margin")

    def _ascent(self, loss: str) -> APGD:
        return APGD(steps=self.steps, loss=loss, early_stop=self.early_stop)
