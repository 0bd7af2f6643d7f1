"""Success first, then again under a tighter limit, from where the last one was found."""

import abc
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from turtlenet.attacks.base import MOST, Attack
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.attacks.minimum_norm.cw import FORMS, from_tanh, to_tanh
from turtlenet.attacks.minimum_norm.penalty import adam, to_unit
from turtlenet.balls.base import column
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import State, Tensor

_LOOKS = 10
_NOWHERE = 0.9999
# Measured on small networks: searches end early, and there are dozens.
_SEARCHES = 3.0


class Iterate(NamedTuple):
    """What an iteration looks at.

    Attributes:
        point: In input units.
        delta: Its distance from the input, pixel by pixel, in pixels of [0, 1].
        loss: How much is missing to success, clipped at 0, float32 (batch,).
        reached: Whether it is a success.
        slope: Where the loss climbs, not clipped, for pixels of [0, 1].
    """

    point: Tensor
    delta: Tensor
    loss: Tensor
    reached: Tensor
    slope: Tensor


@dataclass(frozen=True, kw_only=True)
class ShrinkingBound(MinimumNorm, Iterative, Attack):
    """Minimizes c * loss + a penalty under a limit, and tightens the limit at each success (nn_robust_attacks).

    Examples do not wait for each other. Pixels are taken to [0, 1].

    Args:
        form: `projected` moves the pixels and clips them; `tanh`, as in nn_robust_attacks, moves their inverse tanh,
            which takes hundreds of steps to leave a bound.
        steps: Most iterations under one limit with one c.
        c: The first weight of the loss.
        growth: By which factor c grows where it does not succeed; 2 in nn_robust_attacks, which costs more.
        largest_c: Gives up beyond this weight.
        step_size: Adam's learning rate.
        confidence: By how much another logit must lead; the paper's kappa.
        abort_early: Ends a search that brings the objective down by less than 0.01 % in a tenth of its steps.
    """

    form: str = one_of("projected", FORMS)
    steps: int = count(1000, low=1, high=MOST)
    c: float = number(1e-3, above=0)
    growth: float = number(10.0, above=1)
    largest_c: float = number(1e6)
    step_size: float = number(0.01, above=0)
    confidence: float = number(0.0, low=0)
    abort_early: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.largest_c < self.c:
            raise SettingError(f"Expected largest_c >= c, which is {self.c}; got {self.largest_c}.")

    @property
    def length(self) -> int:
        # Never reached: the weight and the limit end the search.
        return 1 << 30

    def example_gradients(self, size: int) -> float | None:
        return _SEARCHES * self.steps

    @abc.abstractmethod
    def widest(self, x: Tensor) -> Tensor:
        """The limit to begin with, a tensor (batch, ...)."""

    @abc.abstractmethod
    def change(self, unit: Tensor, original: Tensor, limit: Tensor) -> Tensor:
        """How far pixels go from the input's towards others under the limit.

        Args:
            unit: The others, float32 (batch, ...) in [0, 1].
            original: The input's, likewise.
            limit: See `widest`.
        """

    @abc.abstractmethod
    def penalty(self, delta: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        """What a perturbation, float32 (batch, ...), costs (batch,), and the slope of that."""

    @abc.abstractmethod
    def tighten(self, iterate: Iterate, limit: Tensor) -> tuple[Tensor, Tensor]:
        """The limit after a success, and whether it is as tight as can be (batch,)."""

    def prepare(self, context: Context, logits: Tensor) -> State:
        x = context.x
        place, zero = to_unit(x, context.ball), ops.zeros_like(x)
        place = to_tanh(place) if self.form == "tanh" else place
        none = ops.zeros_like(context.goal.y)
        far = ops.cast(none, "float32")
        return place, zero, zero, place, self.widest(x), far + self.c, none, far + float("inf")

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x = context.x
        place, mean, square, anchor, limit, c, count, before = rest
        iterate = self._look(place, limit, context)
        cost, uphill = self.penalty(iterate.delta, limit)
        objective = c * iterate.loss + cost
        won = ops.logical_and(iterate.reached, self.within(iterate, limit))
        tighter, tightest = self.tighten(iterate, limit)

        pull = ops.where(iterate.loss > 0, c, ops.zeros_like(c))
        total = column(pull, x) * iterate.slope + uphill
        total = total / (2 * ops.square(ops.cosh(place))) if self.form == "tanh" else total
        move, mean, square = adam(total, mean, square, count)
        delta = place + self.step_size * move
        delta = delta if self.form == "tanh" else ops.clip(delta, 0.0, 1.0)
        count = count + 1
        look = ops.equal(ops.mod(count, max(1, self.steps // _LOOKS)), 0)
        lost = count >= self.steps
        if self.abort_early:
            lost = ops.logical_or(lost, ops.logical_and(look, objective > _NOWHERE * before))
        lost = ops.logical_and(lost, ops.logical_not(won))
        over = ops.logical_or(ops.logical_and(lost, c * self.growth > self.largest_c), ops.logical_and(won, tightest))
        again = ops.logical_or(won, lost)
        zero = ops.zeros_like(x)
        anchor = choose(won, place, anchor)
        rest = (
            choose(again, anchor, delta),
            choose(again, zero, mean),
            choose(again, zero, square),
            anchor,
            choose(won, tighter, limit),
            ops.where(lost, c * self.growth, c),
            ops.where(again, ops.zeros_like(count), count),
            ops.where(again, float("inf"), ops.where(look, objective, before)),
        )
        return Tried(iterate.point, iterate.reached, over, rest)

    def within(self, iterate: Iterate, limit: Tensor) -> Tensor:
        """Whether a success keeps the limit, booleans (batch,)."""
        return ops.ones_like(iterate.reached)

    def _look(self, place: Tensor, limit: Tensor, context: Context) -> Iterate:
        x, ball = context.x, context.ball
        original = to_unit(x, ball)
        delta = self.change(from_tanh(place) if self.form == "tanh" else place, original, limit)
        # A pixel that did not change is exactly the input's.
        point = ops.where(ops.equal(delta, 0), x, ball.inside(ball.low + ball.full * (original + delta)))
        margin, reached, slope = context.gradient("margin", point)
        loss = ops.relu(self.confidence - margin)
        return Iterate(point, delta, loss, ops.logical_and(reached, loss <= 0), -slope * ball.full)
