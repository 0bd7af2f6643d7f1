"""The attack of Carlini & Wagner for Linf."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.minimum_norm.base import tall
from turtlenet.attacks.minimum_norm.shrinking_bound import Seen, ShrinkingBound
from turtlenet.ranges import number

__all__ = ["CWLinf"]

# A pixel's step of 8 bits: a tighter limit could not be seen.
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

    def widest(self, x: Any) -> Any:
        return ops.ones_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, 0])

    def moved(self, unit: Any, original: Any, limit: Any) -> Any:
        return unit - original

    def penalty(self, moved: Any, limit: Any) -> tuple[Any, Any]:
        beyond = ops.abs(moved) - tall(limit, moved)
        cost = ops.sum(ops.relu(beyond), axis=tuple(range(1, len(moved.shape))))
        return cost, ops.where(beyond > 0, ops.sign(moved), ops.zeros_like(moved))

    def within(self, seen: Seen, limit: Any) -> Any:
        # The tolerance of nn_robust_attacks, which is one of the whole objective, here of the largest pixel.
        return _largest(seen.moved) <= limit * 1.0001

    def tighten(self, seen: Seen, limit: Any) -> tuple[Any, Any]:
        tighter = self.shrink * ops.minimum(limit, _largest(seen.moved))
        return tighter, tighter <= _TIGHTEST


def _largest(moved: Any) -> Any:
    return ops.max(ops.abs(moved), axis=tuple(range(1, len(moved.shape))))
