"""A game between the perturbation and the weight of the constraint that it must meet."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.balls import L1
from turtlenet.balls.base import column, euclidean, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_SMALLEST_RATIO = 1e-6
_NEAR = 1e-2


@attacks.register("pdpgd")
@dataclass(frozen=True, kw_only=True)
class PDPGD(MinimumNorm, Iterative, Attack):
    """Primal-dual proximal gradient descent (Matyasko & Chau, 2021, Algorithm 2).

    The perturbation goes down the Lagrangian of its norm and of the margin that has to be closed; the multiplier of
    the margin climbs where it is open, and falls where it is closed. The norm is brought down by its proximal operator
    in the metric of Adam (Melchior et al., 2019). Perturbations are in pixels of [0, 1].

    Args:
        steps: Number of gradient steps.
        step_size: Adam's first learning rate; falls to a hundredth, exponentially.
        ratio: The norm's weight over the margin's, at first.
        dual_step: Step of the logarithm of the multipliers' ratio; falls to a tenth, linearly.
        memory: Share of the old multipliers in their running mean.
        inner: Most steps to the proximal point.
    """

    steps: int = count(500, low=2, high=MOST)
    step_size: float = number(0.1, above=0)
    ratio: float = number(0.01, above=0)
    dual_step: float = number(0.1, above=0)
    memory: float = number(0.9, low=0, below=1)
    inner: int = count(5, low=1, high=100)

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1")

    @property
    def length(self) -> int:
        return self.steps

    def prepare(self, context: Context, logits: Tensor) -> State:
        nothing = ops.zeros_like(context.x)
        dual = ops.zeros_like(logits[:, 0]) - math.log(self.ratio)
        return nothing, nothing, nothing, dual, ops.sigmoid(dual)

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        delta, mean, square, dual, share = rest
        place = ops.cast(number, "float32")
        point = ops.where(ops.equal(delta, 0), x, ball.inside(x + ball.full * delta))
        margin, reached, slope = context.gradient("margin", point)
        # d softplus(max(-margin, 0)): nothing pulls where the margin is closed.
        pull = ops.where(margin < 0, ops.sigmoid(-margin), ops.zeros_like(margin))
        slope = -ball.full * column(pull, x) * slope
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * ops.square(slope)
        scale = ops.sqrt(square / (1 - ops.power(0.999, place + 1))) + 1e-8
        length = self.step_size * ops.power(0.01, place / self.steps)
        moved = delta - length / (1 - ops.power(0.9, place + 1)) * mean / scale
        moved = self._inside(moved, context)
        largest = ops.max(flat(scale), axis=1)
        weight = (1 - share) / share * length / largest
        following = self._proximal(moved, scale / column(largest, x), weight, context)
        rate = self.dual_step * (0.1 + 0.9 * (self.steps - 1 - place) / (self.steps - 1))
        most = -math.log(_SMALLEST_RATIO)
        dual = ops.clip(dual + rate * ops.sign(-margin), -most, most)
        share = self.memory * share + (1 - self.memory) * ops.sigmoid(dual)
        return Tried(point, reached, False, (following, mean, square, dual, share))

    def _proximal(self, moved: Tensor, metric: Tensor, weight: Tensor, context: Context) -> Tensor:
        """The point that is near in Adam's metric and small in the norm, by proximal gradient descent."""

        def come(_: Tensor, state: State) -> State:
            at, open_ = state
            nearer = self._inside(_shrunk(at + metric * (moved - at), weight, context.ball.norm), context)
            nearer = choose(open_, nearer, at)
            way = euclidean(nearer - at) / ops.maximum(euclidean(nearer), 1e-30)
            return nearer, way > _NEAR

        state = (moved, weight >= 0)
        return backend.loop(self.inner, come, state, lambda state: ops.logical_not(ops.any(state[1])))[1][0]

    @staticmethod
    def _inside(delta: Tensor, context: Context) -> Tensor:
        """Brings a perturbation in pixels of [0, 1] into the bounds."""
        x, ball = context.x, context.ball
        inside = (ball.inside(x + ball.full * delta) - x) / ball.full
        return ops.where(ops.equal(delta, 0), delta, inside)


def _shrunk(delta: Tensor, weight: Tensor, norm: str) -> Tensor:
    """The proximal operator of a weighted norm (Parikh & Boyd, 2014, section 6.5).

    Args:
        delta: Where from, float32 (batch, ...).
        weight: The norm's weight, (batch,).
        norm: `l2`, `linf` or `l1`.
    """
    each = column(weight, delta)
    if norm == "l1":
        return ops.sign(delta) * ops.maximum(ops.abs(delta) - each, 0.0)
    if norm == "l2":
        return delta * ops.maximum(1 - each / ops.maximum(column(euclidean(delta), delta), 1e-30), 0.0)
    # What is left of the dual ball's projection (Moreau).
    unit = flat(delta / ops.maximum(each, 1e-30))
    unit_ball = L1(1.0, low=-1e30, high=1e30)
    projected = unit_ball._shrink(unit)
    return delta - each * ops.reshape(projected, ops.shape(delta))
