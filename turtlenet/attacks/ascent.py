"""Projected gradient ascent, the family that FGSM, BIM, PGD and MIM belong to."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import Attack, Found
from turtlenet.attacks.goal import Goal, Verdict
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, did_you_mean

__all__ = ["Ascent"]

_STARTS = ("none", "sign", "uniform")
_KEEPS = ("best", "last")


@dataclass(frozen=True, kw_only=True)
class Ascent(Attack):
    """Climbs the loss step by step inside the ball.

    Args:
        steps: Number of gradient steps.
        step_size: Length of a step, as a fraction of the ball's radius.
        step: Length of a step in input units; takes the place of `step_size` where it is above 0.
        start: Where to begin: `none` at the input, `uniform` at a random point of the ball, `sign` at a random corner
            (Tramèr et al., 2018).
        start_size: Size of the start, as a fraction of the radius.
        restarts: How often to begin anew; the best attempt counts.
        momentum: Decay of the gradients' running sum (Dong et al., 2018); 0 keeps none.
        loss: Name of the per-example loss to climb: `cross_entropy`, `margin` or `dlr`.
        keep: `best` keeps the best point on the way, `last` the last one, which saves a forward pass.
        early_stop: Leaves an example alone once its goal is reached: the verdict is the same, the cost is less.
        first_restart: Number of the first restart, so that restarts can run one by one with the same draws.
    """

    steps: int = 40
    step_size: float = 0.1
    step: float = 0.0
    start: str = "none"
    start_size: float = 1.0
    restarts: int = 1
    momentum: float = 0.0
    loss: str = "cross_entropy"
    keep: str = "best"
    early_stop: bool = False
    first_restart: int = 0

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    def __post_init__(self) -> None:
        super().__post_init__()
        losses.get(self.loss)
        for name, value, known in (("start", self.start, _STARTS), ("keep", self.keep, _KEEPS)):
            if value not in known:
                raise SpecError(f"Unknown {name} {value!r}.{did_you_mean(value, known)}")
        for name, least in (("steps", 1), ("restarts", 1), ("first_restart", 0)):
            if getattr(self, name) < least:
                raise SettingError(f"Expected {name} >= {least}; got {getattr(self, name)}.")
        for name in ("step_size", "start_size"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingError(f"Expected {name} > 0, a fraction of the radius; got {getattr(self, name)}.")
        for name in ("step", "momentum"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SettingError(f"Expected {name} >= 0; got {getattr(self, name)}.")
        if self.restarts > 1 and self.start == "none":
            raise SettingError(f"Expected a random start for {self.restarts} restarts; got start=none.")

    def search(self, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any) -> Found:
        if self.restarts == 1:
            return self._climb(model, x, goal, ball, random.fold_in(key, self.first_restart))

        def again(restart: Any, best: tuple[Any, ...]) -> tuple[Any, ...]:
            points, reached, loss, gradients = best
            found = self._climb(model, x, goal, ball, random.fold_in(key, self.first_restart + restart))
            verdict = goal.judge(self.loss, model(found.x))
            won = verdict.better_than(Verdict(reached, loss))
            return (
                _choose(won, found.x, points),
                ops.where(won, verdict.reached, reached),
                ops.where(won, verdict.loss, loss),
                gradients + found.gradients,
            )

        _, best = backend.loop(self.restarts, again, (*_worst(x), ops.zeros((), "int32")), _all_reached(self, 1))
        return Found(best[0], best[3], 2 * self.restarts)

    @property
    def family(self) -> str:
        return "one-step" if self.steps == 1 else "iterative"

    def rounds(self) -> Iterator[Attack]:
        for restart in range(self.restarts):
            yield dataclasses.replace(self, restarts=1, first_restart=self.first_restart + restart)

    def _climb(self, model: Classifier, x: Any, goal: Goal, ball: Ball, key: Any) -> Found:
        """One ascent from one start."""
        length = self.step if self.step > 0 else self.step_size * ball.eps

        def look(point: Any) -> tuple[Any, Any]:
            logits = model(point)
            return goal.loss(self.loss, logits), goal.reached(logits)

        def climb(_: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            point, running, best, best_reached, best_loss = state
            loss, reached, slope = backend.input_gradient(look, point)
            if self.keep == "best":
                won = Verdict(reached, loss).better_than(Verdict(best_reached, best_loss))
                best = _choose(won, point, best)
                best_reached, best_loss = ops.where(won, reached, best_reached), ops.where(won, loss, best_loss)
            if self.momentum > 0:
                running = self.momentum * running + slope / _mean_size(slope)
                slope = running
            moved = ball.project(point + length * ball.steepest(slope, point), x)
            if self.early_stop:
                moved = _choose(best_reached, point, moved)
            return moved, running, best, best_reached, best_loss

        begin = self._begin(x, ball, key)
        running = ops.zeros_like(x) if self.momentum > 0 else ops.zeros(())
        taken, state = backend.loop(self.steps, climb, (begin, running, *_worst(x)), _all_reached(self, 3))
        point, _, best, best_reached, best_loss = state
        if self.keep == "last":
            return Found(point, taken)
        loss, reached = look(point)
        won = Verdict(reached, loss).better_than(Verdict(best_reached, best_loss))
        return Found(_choose(won, point, best), taken, 1)

    def _begin(self, x: Any, ball: Ball, key: Any) -> Any:
        small = ball.with_eps(self.start_size * ball.eps)
        if self.start == "uniform":
            return small.sample(x, key)
        if self.start == "sign":
            return small.project(x + small.eps * ops.sign(random.normal(key, x.shape[1:])), x)
        return x


def _worst(x: Any) -> tuple[Any, Any, Any]:
    """The input with a verdict that any attempt betters."""
    nothing = ops.zeros_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, 0])
    return x, nothing > 0, nothing - float("inf")


def _all_reached(attack: Ascent, place: int) -> Any:
    return (lambda state: ops.all(state[place])) if attack.early_stop else None


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    """Chooses whole images by booleans (batch,)."""
    return ops.where(ops.reshape(condition, (-1,) + (1,) * (len(yes.shape) - 1)), yes, no)


def _mean_size(slope: Any) -> Any:
    size = ops.mean(ops.abs(slope), axis=tuple(range(1, len(slope.shape))), keepdims=True)
    return ops.maximum(size, 1e-30)
