"""The attack of Carlini & Wagner for Linf."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.minimum_norm.shrinking_bound import Iterate, ShrinkingBound
from turtlenet.balls.base import column
from turtlenet.ranges import number
from turtlenet.typing import Tensor

# One gray level of 8 bits: a smaller change is lost when an image is saved.
_TIGHTEST = 1 / 256


@attacks.register("cw-linf")
@dataclass(frozen=True, kw_only=True)
class CWLinf(ShrinkingBound):
    """The Linf attack of Carlini & Wagner (2017, section V-C): pixels pay for what they move beyond a limit tau.

    Args:
        shrink: What a success leaves of the limit.
    """

    c: float = number(1e-5, above=0)
    largest_c: float = number(20.0)
    step_size: float = number(0.005, above=0)
    shrink: float = number(0.9, above=0, below=1)

    norms: ClassVar[tuple[str, ...]] = ("linf",)

    def widest(self, x: Tensor) -> Tensor:
        return ops.ones_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, 0])

    def change(self, unit: Tensor, original: Tensor, limit: Tensor) -> Tensor:
        return unit - original

    def penalty(self, delta: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        beyond = ops.abs(delta) - column(limit, delta)
        cost = ops.sum(ops.relu(beyond), axis=tuple(range(1, len(delta.shape))))
        return cost, ops.where(beyond > 0, ops.sign(delta), ops.zeros_like(delta))

    def within(self, iterate: Iterate, limit: Tensor) -> Tensor:
        # The tolerance of nn_robust_attacks, there of the whole objective, here of the largest change.
        return _largest(iterate.delta) <= limit * 1.0001

    def tighten(self, iterate: Iterate, limit: Tensor) -> tuple[Tensor, Tensor]:
        tighter = self.shrink * ops.minimum(limit, _largest(iterate.delta))
        return tighter, tighter <= _TIGHTEST


def _largest(delta: Tensor) -> Tensor:
    return ops.max(ops.abs(delta), axis=tuple(range(1, len(delta.shape))))
