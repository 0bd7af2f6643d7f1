"""Projected gradient ascent with Adam's steps and a schedule."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import losses
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best, choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.penalty import adam
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import State, Tensor


@attacks.register("adam-pgd")
@dataclass(frozen=True, kw_only=True)
class AdamPGD(Iterative, Attack):
    """PGD with Adam's steps on the margin, in `linf` (Gowal et al., 2019 and 2021: the MultiTargeted attack).

    From a random point of the ball; after half of the steps the step is a tenth as long, after three quarters a
    hundredth. `adam-pgd:target=each` goes for each wrong class in turn.

    Args:
        steps: Number of gradient steps.
        step_size: Adam's first learning rate, as a fraction of the ball's radius.
        restarts: How often to begin anew.
        loss: Name of the loss to climb.
    """

    steps: int = count(100, low=1, high=MOST)
    step_size: float = number(0.3, above=0, note="a fraction of the radius")
    restarts: int = count(1, low=1, high=MOST)
    loss: str = one_of("margin", losses.LOSSES)
    early_stop: bool = True

    # Adam's steps are those of signs: under a constant gradient they end in the best corner of a box, not of a sphere.
    norms: ClassVar[tuple[str, ...]] = ("linf",)

    @property
    def family(self) -> str:
        return "iterative"

    @property
    def length(self) -> int:
        # One more, to judge the point after the last step.
        return self.steps + 1

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def begin(self, context: Context) -> State:
        x, nothing = context.x, ops.zeros_like(context.x)
        none = ops.zeros_like(context.goal.y)
        point = context.ball.sample(x, context.key)
        return (*Best.none(x, context.model.num_classes), point, nothing, nothing, none)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        best, (point, mean, square, spent) = Best(*state[:4]), state[4:]
        loss, reached, slope = context.gradient(self.loss, point)
        # Adam's first steps would be as long for a gradient of any length: its direction is what counts.
        move, mean, square = adam(-slope, mean, square, spent)
        best = self._better(best, point, loss, reached)
        share = ops.cast(step, "float32") / self.steps
        rate = self.step_size * ops.where(share < 0.5, 1.0, ops.where(share < 0.75, 0.1, 0.01))
        following = ball.project(point + rate * ball.eps * move, x)
        return (*best, following, mean, square, spent + 1)

    def finish(self, state: State, context: Context) -> SearchResult:
        return SearchResult(state[0], None, state[-1])

    def done(self, state: State) -> Tensor:
        reached = state[2]
        return reached if self.early_stop else ops.zeros_like(reached)

    @staticmethod
    def _better(best: Best, point: Tensor, loss: Tensor, reached: Tensor) -> Best:
        first = ops.logical_and(reached, ops.logical_not(best.reached))
        won = ops.logical_or(first, ops.logical_and(ops.equal(reached, best.reached), loss > best.loss))
        loss, reached = ops.where(won, loss, best.loss), ops.where(won, reached, best.reached)
        return Best(choose(won, point, best.x), best.logits, reached, loss)
