"""Few pixels, chosen by the saliency map of the forward derivative."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.minimum_norm.base import MinimumNorm, Tried
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import number, one_of
from turtlenet.typing import State, Tensor

# Pairs that one block of the search for the best looks at, for each image.
_BLOCK = 1 << 21


@attacks.register("jsma")
@dataclass(frozen=True, kw_only=True)
class JSMA(MinimumNorm, Iterative, Attack):
    """The Jacobian-based saliency map attack (Papernot et al., 2016, Algorithms 2 and 3; paper 001).

    In each iteration, the pair of values moves that raises the target most at the others' expense. Without a target it
    is the pair that most lowers the label (Wiyatno & Xu, 2018). Of the forward derivative only what the saliency map
    asks for is computed: the target's, and that of the sum of all others. Values are single channels.
    `jsma:norm=l0,eps=inf` lets gamma alone bound it, as papers do.

    Args:
        theta: How far a value moves, as a fraction of the range of pixels; below 0 values fall.
        gamma: Most of the values that may move, as a fraction.
        pairs: Whether two values move at once; else one.
        output: Whose derivatives: `probabilities`, or `logits`, as in the paper, which need two gradients and move
            more values. The others' probabilities sum to one minus the target's.
    """

    theta: float = 1.0
    gamma: float = number(0.1, above=0, high=1, note="a fraction of the values")
    pairs: bool = True
    output: str = one_of("probabilities", ("logits", "probabilities"))

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < abs(self.theta) <= 1:
            raise SettingError(f"Expected theta from -1 to 1 and not 0, a fraction of the range; got {self.theta}.")

    @property
    def length(self) -> int:
        # An example is done when its share of moves is spent, which depends on its size.
        return MOST

    def example_gradients(self, size: int) -> float | None:
        return float(self._most(size) * (1 if self.output == "probabilities" else 2))

    def _most(self, size: int) -> int:
        """Steps after which the share of values that may move is spent."""
        return max(1, int(size * self.gamma) // (2 if self.pairs else 1))

    def prepare(self, context: Context, logits: Tensor) -> State:
        return (context.x,)

    def step(self, number: Tensor, rest: State, context: Context) -> Tried:
        x, ball = context.x, context.ball
        (point,) = rest
        flat = (-1, math.prod(x.shape[1:]))
        reached, gain, loss = self._derivative(context.model, point, context.goal)
        up = 1.0 if self.theta > 0 else -1.0
        free = ops.reshape(ops.logical_not(ball.stuck(up * ops.ones_like(point), point)), flat)
        gain, loss = (up * ops.reshape(part, flat) for part in (gain, loss))
        chosen, exists = most_salient_pair(gain, loss, free) if self.pairs else _most_salient(gain, loss, free)
        following = ball.inside(point + self.theta * ball.full * ops.reshape(chosen, ops.shape(x)))
        spent = number >= self._most(flat[1])
        over = ops.logical_or(ops.logical_or(reached, spent), ops.logical_not(exists))
        return Tried(point, reached, over, (following,), gradients=1 if self.output == "probabilities" else 2)

    def _derivative(self, model: Classifier, point: Tensor, goal: Goal) -> tuple[Tensor, Tensor, Tensor]:
        """Whether the goal is reached, what each value does for the aim, and what against the others."""
        towards = goal.target is not None
        aim = ops.one_hot(goal.target if towards else goal.y, model.num_classes, dtype="float32")
        sign = 1.0 if towards else -1.0
        if self.output == "probabilities":

            def likelihood(point: Tensor) -> tuple[Tensor, Tensor]:
                # The log-odds: their slope points the same way, and does not vanish where the model is sure.
                logits = model(point)
                others = ops.logsumexp(logits - 1e30 * aim, axis=-1)
                return ops.sum(aim * logits, axis=1) - others, goal.reached(logits)

            _, reached, slope = backend.input_gradient(likelihood, point)
            return reached, sign * slope, sign * slope

        def outputs(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = model(point)
            own, all_of_them = ops.sum(aim * logits, axis=1), ops.sum(logits, axis=1)
            return sign * ops.stack([own, own - all_of_them], axis=1), goal.reached(logits)

        _, reached, both = backend.input_gradients(outputs, point)
        return reached, both[:, 0], both[:, 1]


def most_salient_pair(gain: Tensor, loss: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """The pair p, q of the largest (gain_p + gain_q)(loss_p + loss_q) with both sums above 0 (Algorithm 3).

    Nobody looks at all pairs: no pair of p beats (gain_p + largest gain)(loss_p + largest loss). So pairs are looked
    at in the order of that bound, block by block, until it is below the best pair of all examples.

    Args:
        gain: What each value does for the target, float32 (batch, n).
        loss: What it takes from the others, likewise.
        free: Which values may move, bool (batch, n).

    Returns:
        1 at the pair and 0 elsewhere, float32 (batch, n), and whether there is a pair, bool (batch,).
    """
    size = gain.shape[1]
    rows = max(1, min(32, size, _BLOCK // size))
    free = ops.logical_and(free, ops.logical_and(ops.isfinite(gain), ops.isfinite(loss)))
    # Values that may not move make every sum negative.
    gain, loss = (ops.where(free, part, -1e30) for part in (gain, loss))
    bound = _product(gain + ops.max(gain, axis=1, keepdims=True), loss + ops.max(loss, axis=1, keepdims=True))
    order = ops.cast(ops.argsort(-bound, axis=1), "int32")
    places = ops.arange(size, dtype="int32")

    def look(block: Tensor, state: State) -> Tensor:
        best, first, second, _ = state
        row = ops.minimum(block * rows + ops.arange(rows, dtype="int32"), size - 1)
        one = ops.take(order, row, axis=1)
        sums = [ops.take_along_axis(part, one, axis=1)[:, :, None] + part[:, None, :] for part in (gain, loss)]
        value = ops.where(one[:, :, None] == places, 0.0, _product(*sums))
        other = ops.cast(ops.argmax(value, axis=2), "int32")
        value = ops.max(value, axis=2)
        at = ops.cast(ops.argmax(value, axis=1), "int32")[:, None]
        better = ops.max(value, axis=1) > best
        following = ops.take(order, ops.minimum((block + 1) * rows, size - 1)[None], axis=1)
        return (
            ops.maximum(best, ops.max(value, axis=1)),
            ops.where(better, ops.take_along_axis(one, at, axis=1)[:, 0], first),
            ops.where(better, ops.take_along_axis(other, at, axis=1)[:, 0], second),
            ops.take_along_axis(bound, following, axis=1)[:, 0],
        )

    zero = ops.zeros_like(gain[:, 0])
    none = ops.zeros_like(order[:, 0])
    _, (best, first, second, _) = backend.loop(
        -(-size // rows), look, (zero, none, none, zero + float("inf")), lambda state: ops.all(state[3] <= state[0])
    )
    exists = best > 0
    pair = ops.one_hot(first, size, dtype="float32") + ops.one_hot(second, size, dtype="float32")
    return pair * ops.cast(exists, "float32")[:, None], exists


def _most_salient(gain: Tensor, loss: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """The one value of the largest product (Papernot et al., 2016, eq. 8)."""
    value = ops.where(free, _product(gain, loss), 0.0)
    exists = ops.max(value, axis=1) > 0
    one = ops.one_hot(ops.argmax(value, axis=1), gain.shape[1], dtype="float32")
    return one * ops.cast(exists, "float32")[:, None], exists


def _product(one: Tensor, other: Tensor) -> Tensor:
    return ops.where(ops.logical_and(one > 0, other > 0), one * other, 0.0)
