"""What a network is made of, once its layers are taken apart: affine maps, elementwise functions, maxima.

Each step bounds its outputs for inputs within boxes (interval bound propagation, Gowal et al., 2018). The bounds hold
for the float32 program, not only for the formula: what rounding can do, to the model and to the bounds themselves, is
added outward. A sum of n products in float32, in any order, is off by at most n u / (1 - n u) times the sum of their
magnitudes, u = 2^-24 (Higham, 2002, section 3.1).
"""

import abc
from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from turtlenet.typing import Tensor

ROUNDING = 2.0**-24
"""The unit roundoff u of float32."""

# Below this float32 loses digits, or flushes to 0.
_TINY = 1e-30


class Box(NamedTuple):
    """Lower and upper bounds of a tensor, float32 (batch, ...).

    Attributes:
        low: The lower ones.
        high: The upper ones.
        positive: Whether it is known that none is below 0, so that sizes need not be looked for.
    """

    low: Tensor
    high: Tensor
    positive: bool = False

    @property
    def size(self) -> Tensor:
        """The largest magnitude within."""
        if self.positive:
            return self.high
        return ops.maximum(ops.abs(self.low), ops.abs(self.high))

    def within(self, other: "Box") -> "Box":
        """What lies in both, of two boxes that hold the same values."""
        low, high = ops.maximum(self.low, other.low), ops.minimum(self.high, other.high)
        # Rounding may leave nothing where the two are all but a point.
        return Box(ops.minimum(low, high), ops.maximum(low, high), self.positive)


class Step(abc.ABC):
    """A function of one tensor or several, with its bounds."""

    @abc.abstractmethod
    def interval(self, *boxes: Box) -> Box:
        """Bounds of the output for inputs within boxes, differentiable in them and in the weights."""


class Movement(Step):
    """Copies values to other places, exactly: each output is one of the inputs, or a constant.

    Args:
        apply: The function, of tensors (batch, ...).
        once: Whether no value is copied twice, so that no perturbation grows in any norm.
    """

    def __init__(self, apply: Callable[..., Tensor], *, once: bool = False):
        self.apply, self.once = apply, once

    def interval(self, *boxes: Box) -> Box:
        low, high = self.apply(*(box.low for box in boxes)), self.apply(*(box.high for box in boxes))
        return Box(low, high, all(box.positive for box in boxes) and self.once)


class Affine(Step):
    """A matrix product and a bias, A x + b; of several inputs, the sum of such products.

    Args:
        apply: The function, of tensors (batch, ...).
        magnitude: The product |A| r for radii r >= 0, without the bias; one argument for each input.
        terms: How many products are summed into an output at most, for rounding.
        bias: Gives |b|, in a shape that broadcasts to the output's; None where there is no bias.
        reach: How far each output can move for a perturbation of length 1 in the norm of an order, 1 or 2, given that
            and the input's shape: (1, *shape), the dual norm of its row of A. None where that is not told.
        stretch: How much longer a perturbation can become in the norm of an order: a number or a scalar tensor.
    """

    def __init__(
        self,
        apply: Callable[..., Tensor],
        magnitude: Callable[..., Tensor],
        *,
        terms: int,
        bias: Callable[[], Tensor] | None = None,
        reach: Callable[[float, tuple[int, ...]], Tensor] | None = None,
        stretch: Callable[[float], Tensor | None] | None = None,
    ):
        self.apply, self.magnitude, self.terms, self.bias = apply, magnitude, terms, bias
        self.reach, self.stretch = reach, stretch

    @property
    def error(self) -> float:
        """How far the model's own sum can be from A x + b, as a share of |A| |x| + |b|."""
        return 1.01 * (self.terms + 2) * ROUNDING

    def interval(self, *boxes: Box) -> Box:
        # Twice: once for the model, once for these bounds. It goes along with the radius through |A| at no cost.
        share = 2.0 * self.error + 8.0 * ROUNDING
        middle = self.apply(*(0.5 * (box.low + box.high) for box in boxes))
        radius = self.magnitude(*(_widened(box, share) for box in boxes))
        radius = radius + (_TINY if self.bias is None else share * self.bias() + _TINY)
        return Box(middle - radius, middle + radius)

    def rounding(self, *sizes: Tensor) -> Tensor:
        """How far the model's own outputs can be from A x + b, for |x| up to `sizes`."""
        size = self.magnitude(*sizes) + _TINY
        return self.error * (size if self.bias is None else size + self.bias())


class Maximum(Step):
    """The largest of several values, exactly.

    Args:
        apply: The function, such as max pooling.
        apart: Whether no value belongs to two outputs.
    """

    def __init__(self, apply: Callable[[Tensor], Tensor], *, apart: bool = False):
        self.apply, self.apart = apply, apart

    def interval(self, *boxes: Box) -> Box:
        (box,) = boxes
        return Box(self.apply(box.low), self.apply(box.high), box.positive)


def _widened(box: Box, share: float) -> Tensor:
    """The radius of a box, and a share of the largest magnitude within: as few passes over memory as will do."""
    if box.positive:
        return (0.5 + share) * box.high - 0.5 * box.low
    return 0.5 * (box.high - box.low) + share * box.size
