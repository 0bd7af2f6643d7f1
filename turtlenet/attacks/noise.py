"""Random noise: the baseline that any attack must beat."""

from dataclasses import dataclass

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Best, Goal
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, Tensor


@attacks.register("noise")
@dataclass(frozen=True, kw_only=True)
class Noise(Attack):
    """Tries random points of the ball and keeps the best.

    Args:
        kind: `uniform` over the ball, or `gaussian` around the input, brought back into the ball.
        draws: Number of points to try.
        deviation: Standard deviation of the Gaussian, as a fraction of the radius.
        loss: Loss that says which point is best.
    """

    kind: str = one_of("uniform", ("gaussian", "uniform"))
    draws: int = count(10, low=1, high=MOST)
    deviation: float = number(0.5, above=0, note="a fraction of the radius")
    loss: str = one_of("cross_entropy", losses.LOSSES)

    @property
    def family(self) -> str:
        return "random"

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        def draw(number: Tensor, state: tuple[Best]) -> tuple[Best]:
            point = self._point(x, ball, random.fold_in(key, number))
            logits = model(point)
            return (state[0].or_better(point, logits, goal.judge(self.loss, logits)),)

        _, (best,) = backend.loop(self.draws, draw, (Best.none(x, model.num_classes),))
        return SearchResult(best.x, best.logits, queries=self.draws)

    def _point(self, x: Tensor, ball: Ball, key: Keys) -> Tensor:
        if self.kind == "uniform":
            return ball.sample(x, key)
        return ball.project(x + self.deviation * ball.eps * random.normal(key, x.shape[1:]), x)
