"""What a network is made of, once its layers are taken apart: affine maps, elementwise functions, maxima.

Each step bounds its outputs for inputs within boxes (interval bound propagation, Gowal et al., 2018). The bounds hold
for the float32 program, not only for the formula: what rounding can do, to the model and to the bounds themselves, is
added outward. A sum of n products in float32, in any order, is off by at most n u / (1 - n u) times the sum of their
magnitudes, u = 2^-24 (Higham, 2002, section 3.1).
"""

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras import ops

from turtlenet.typing import Tensor

ROUNDING = 2.0**-24
"""The unit roundoff u of float32."""

# Below this float32 loses digits, or flushes to 0.
_TINY = 1e-30


class Box(NamedTuple):
    """Lower and upper bounds of a tensor, float32 (batch, ...)."""

    low: Tensor
    high: Tensor

    @property
    def size(self) -> Tensor:
        """The largest magnitude within."""
        return ops.maximum(ops.abs(self.low), ops.abs(self.high))


class Step(abc.ABC):
    """A function of one tensor or several, with its bounds."""

    @abc.abstractmethod
    def interval(self, *boxes: Box) -> Box:
        """Bounds of the output for inputs within boxes, differentiable in them and in the weights."""


class Movement(Step):
    """Copies values to other places, exactly: each output is one of the inputs, or a constant.

    Args:
        apply: The function, of tensors (batch, ...).
    """

    def __init__(self, apply: Callable[..., Tensor]):
        self.apply = apply

    def interval(self, *boxes: Box) -> Box:
        return Box(self.apply(*(box.low for box in boxes)), self.apply(*(box.high for box in boxes)))


class Affine(Step):
    """A matrix product and a bias, A x + b; of several inputs, the sum of such products.

    Args:
        apply: The function, of tensors (batch, ...).
        magnitude: The product |A| r for radii r >= 0, without the bias; one argument for each input.
        terms: How many products are summed into an output at most, for rounding.
        bias: Gives |b|, in a shape that broadcasts to the output's; None where there is no bias.
    """

    def __init__(
        self,
        apply: Callable[..., Tensor],
        magnitude: Callable[..., Tensor],
        *,
        terms: int,
        bias: Callable[[], Tensor] | None = None,
    ):
        self.apply, self.magnitude, self.terms, self.bias = apply, magnitude, terms, bias

    @property
    def error(self) -> float:
        """How far the model's own sum can be from A x + b, as a share of |A| |x| + |b|."""
        return 1.01 * (self.terms + 2) * ROUNDING

    def interval(self, *boxes: Box) -> Box:
        middles = [0.5 * (box.low + box.high) for box in boxes]
        radii = [0.5 * (box.high - box.low) for box in boxes]
        # Twice: once for the model, once for these bounds. It goes along with the radius through |A| at no cost.
        share = 2.0 * self.error + 8.0 * ROUNDING
        widened = [radius + share * (ops.abs(middle) + radius) for middle, radius in zip(middles, radii, strict=True)]
        middle, radius = self.apply(*middles), self.magnitude(*widened) + _TINY
        if self.bias is not None:
            radius = radius + share * self.bias()
        return Box(middle - radius, middle + radius)

    def rounding(self, *sizes: Tensor) -> Tensor:
        """How far the model's own outputs can be from A x + b, for |x| up to `sizes`."""
        size = self.magnitude(*sizes) + _TINY
        return self.error * (size if self.bias is None else size + self.bias())


class Elementwise(Step):
    """A nondecreasing function of each value, or one that falls to a single lowest point and rises from there.

    Args:
        function: The function, of tensors (batch, ...).
        error: How far its float32 values may be from the true ones, relative to max(1, |f|); 0 where they are exact.
        lowest: Where it is lowest, if it falls before it rises.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], *, error: float = 0.0, lowest: float | None = None):
        self.function, self.error, self.lowest = function, error, lowest

    def interval(self, *boxes: Box) -> Box:
        (box,) = boxes
        low, high = self.function(box.low), self.function(box.high)
        if self.lowest is not None:
            bottom = self.function(ops.minimum(ops.maximum(box.low, self.lowest), box.high))
            low, high = bottom, ops.maximum(low, high)
        if self.error:
            low, high = low - self.slack(low), high + self.slack(high)
        return Box(low, high)

    def slack(self, values: Tensor) -> Tensor:
        """What rounding of the function can do to values."""
        return self.error * ops.maximum(ops.abs(values), 1.0)


class Maximum(Step):
    """The largest of several values, exactly.

    Args:
        apply: The function, such as max pooling.
    """

    def __init__(self, apply: Callable[[Tensor], Tensor]):
        self.apply = apply

    def interval(self, *boxes: Box) -> Box:
        (box,) = boxes
        return Box(self.apply(box.low), self.apply(box.high))


Steps = Sequence[Step]
