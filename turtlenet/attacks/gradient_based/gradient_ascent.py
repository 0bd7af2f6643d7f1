"""Projected gradient ascent, the family that FGSM, BIM, PGD and MIM belong to."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, Norms
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Best, Goal, Verdict, choose
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, State, Tensor

# Folded into the key, so that the weights of `odi` are drawn apart from the point.
_ODI = 0x0D1


@dataclass(frozen=True, kw_only=True)
class GradientAscent(Attack):
    """Climbs the loss step by step inside the ball.

    Args:
        steps: Number of gradient steps.
        step_size: Length of a step, as a fraction of the ball's radius.
        step: Length of a step in input units; takes the place of `step_size` where it is above 0.
        start: Where to begin: `none` at the input, `uniform` at a random point of the ball, `sign` at a random corner
            (Tramèr et al., 2018), `odi` where the outputs differ most: from a random point, uphill on a random sum of
            the logits (Tashiro et al., 2020, Algorithm 1).
        odi_steps: Steps of `odi`, each as long as the start's size.
        start_size: Size of the start, as a fraction of the radius.
        restarts: How often to begin anew; the best attempt counts.
        momentum: Decay of the gradients' running sum (Dong et al., 2018); 0 keeps none.
        loss: Name of the per-example loss to climb: `cross_entropy`, `margin`, `probability_margin`, `dlr` or `kl`.
        keep: `best` keeps the best point on the way, `last` the last one, which saves a forward pass.
        early_stop: Leaves an example alone once its goal is reached: the verdict is the same, the cost is less.
    """

    steps: int = count(40, low=1, high=MOST)
    step_size: float = number(0.1, above=0, note="a fraction of the radius")
    step: float = number(0.0, low=0)
    start: str = one_of("none", ("none", "odi", "sign", "uniform"))
    start_size: float = number(1.0, above=0, note="a fraction of the radius")
    odi_steps: int = count(2, low=1, high=MOST)
    restarts: int = count(1, low=1, high=MOST)
    momentum: float = number(0.0, low=0)
    loss: str = one_of("cross_entropy", losses.LOSSES)
    keep: str = one_of("best", ("best", "last"))
    early_stop: bool = False

    norms: ClassVar[Any] = Norms(climbing=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restarts > 1 and self.start == "none":
            raise SettingError(f"Expected a random start for {self.restarts} restarts; got start=none.")
        if losses.get(self.loss).relative and self.start == "none":
            raise SettingError(f"Expected a random start for loss={self.loss}, flat at the input; got start=none.")

    @property
    def family(self) -> str:
        return "one-step" if self.steps == 1 else "iterative"

    def attempts(self, num_classes: int) -> int:
        return self.restarts * super().attempts(num_classes)

    def attempt_gradients(self, num_classes: int) -> int:
        return super().attempt_gradients(num_classes) + (self.odi_steps if self.start == "odi" else 0)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        length = self.step if self.step > 0 else self.step_size * ball.eps

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = model(point)
            return goal.loss(self.loss, logits), logits

        def climb(_: Tensor, state: State) -> State:
            best, point, running = state
            loss, logits, slope = backend.input_gradient(look, point)
            if self.keep == "best" or self.early_stop:
                best = best.or_better(point, logits, Verdict(goal.reached(logits), loss))
            if self.momentum > 0:
                running = self.momentum * running + slope / _mean_size(slope)
                slope = running
            following = ball.project(point + length * ball.steepest(slope, point), x)
            return best, choose(best.reached, point, following) if self.early_stop else following, running

        running = ops.zeros_like(x) if self.momentum > 0 else ops.zeros(())
        state = (Best.none(x, model.num_classes), self._begin(model, x, ball, key), running)
        taken, (best, point, _) = backend.loop(self.steps, climb, state, self._until())
        taken = taken + self.odi_steps if self.start == "odi" else taken
        if self.keep == "last":
            return SearchResult(point, None, taken)
        logits = model(point)
        best = best.or_better(point, logits, goal.judge(self.loss, logits))
        return SearchResult(best.x, best.logits, taken, 1)

    def _until(self) -> Any:
        """When a loop whose state begins with the best so far may end before its time."""
        return (lambda state: ops.all(state[0].reached)) if self.early_stop else None

    def _begin(self, model: Classifier, x: Tensor, ball: Ball, key: Keys) -> Tensor:
        small = ball.with_eps(self.start_size * ball.eps)
        if self.start == "odi":
            return self._diversified(model, small.sample(x, key), x, small, random.fold_in(key, _ODI))
        if self.start == "uniform":
            return small.sample(x, key)
        if self.start == "sign":
            return small.project(x + small.eps * ops.sign(random.normal(key, x.shape[1:])), x)
        return x

    def _diversified(self, model: Classifier, point: Tensor, x: Tensor, small: Ball, key: Keys) -> Tensor:
        """Climbs a random sum of the logits."""
        weights = random.uniform(key, (model.num_classes,), -1.0, 1.0)

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            return ops.sum(weights * model(point), axis=1), ()

        def climb(_: Tensor, state: tuple[Tensor]) -> tuple[Tensor]:
            slope = backend.input_gradient(look, state[0])[2]
            return (small.project(state[0] + small.eps * small.steepest(slope, state[0]), x),)

        return backend.loop(self.odi_steps, climb, (point,))[1][0]


def _mean_size(slope: Tensor) -> Tensor:
    size = ops.mean(ops.abs(slope), axis=tuple(range(1, len(slope.shape))), keepdims=True)
    return ops.maximum(size, 1e-30)
