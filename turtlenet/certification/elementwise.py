"""Functions of each value: their bounds, and the lines below and above them that CROWN needs.

For a line of any slope the offset follows from where the function less the line is extreme: at the ends of the
interval, at a kink or a jump, or where the derivative is that slope. So every slope gives a valid line, and slopes are
free to be chosen, or optimized (Xu et al., 2021).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from turtlenet.certification.steps import ROUNDING, Box, Step
from turtlenet.typing import Tensor

# Points of an interval at which a smooth function without closed form is looked at.
_GRID = 24
# Below this width, as a share of the values, a chord's slope is rounding.
_NARROW = 1e-5


class Jump(NamedTuple):
    """A point where a function jumps: its values just below and from there on."""

    point: float
    below: float
    above: float


class Lines(NamedTuple):
    """A line below a function and one above it on an interval, each a slope and an offset, shaped like the box."""

    low_slope: Tensor
    low_offset: Tensor
    high_slope: Tensor
    high_offset: Tensor


class Elementwise(Step):
    """A nondecreasing function of each value, or one that falls to a single lowest point and rises from there.

    What is not told of it costs tightness, never soundness: without `derivative` the lines are constants.

    Args:
        function: The function, of tensors (batch, ...).
        error: How far its float32 values may be from the true ones, relative to max(1, |f|); 0 where they are exact.
        lowest: Where it is lowest, if it falls before it rises.
        derivative: Its derivative, of tensors; at a kink that of either side.
        kinks: Points where the derivative jumps.
        jumps: Points where the function does.
        stationary: Maps slopes to all points where the derivative is that, between kinks; none by default, as for a
            function that is linear between its kinks.
        curvature: The largest magnitude of the second derivative, for a smooth function without `stationary`.
        convex: Whether the chord is the best line above it.
        levels: 2 where it gives but the two ends of its box, as a hard quantizer of two levels does; else 0.
        positive: Whether no value is below 0.
        preimage: Maps wanted outputs, inputs and the ends of their box to inputs within it that give those outputs.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        *,
        error: float = 0.0,
        lowest: float | None = None,
        derivative: Callable[[Tensor], Tensor] | None = None,
        kinks: Sequence[float] = (),
        jumps: Sequence[Jump] = (),
        stationary: Callable[[Tensor], Sequence[Tensor]] | None = None,
        curvature: float = 0.0,
        convex: bool = False,
        levels: int = 0,
        positive: bool = False,
        preimage: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
    ):
        self.function, self.error, self.lowest, self.derivative = function, error, lowest, derivative
        self.kinks, self.jumps, self.stationary = tuple(kinks), tuple(jumps), stationary
        self.curvature, self.convex, self.levels, self.preimage = curvature, convex, levels, preimage
        self.positive = positive

    def interval(self, *boxes: Box) -> Box:
        (box,) = boxes
        low, high = self.function(box.low), self.function(box.high)
        if self.lowest is not None:
            bottom = self.function(ops.minimum(ops.maximum(box.low, self.lowest), box.high))
            low, high = bottom, ops.maximum(low, high)
        if self.error:
            low, high = low - self._slack(low), high + self._slack(high)
        return Box(low, high, self.positive and not self.error)

    def _slack(self, values: Tensor) -> Tensor:
        return self.error * ops.maximum(ops.abs(values), 1.0)

    def loose(self, box: Box) -> Tensor:
        """Where the function is not linear on a box, bool: what is bounded more tightly there pays."""
        if self.derivative is None or self.stationary or self.curvature:
            return box.high > box.low
        inside = [
            ops.logical_and(box.low < point, point < box.high)
            for point in (*self.kinks, *(j.point for j in self.jumps))
        ]
        found = ops.zeros_like(box.low, dtype="bool")
        for each in inside:
            found = ops.logical_or(found, each)
        return found

    def lines(self, box: Box) -> Lines:
        """The lines of those slopes, among a few, that are nearest to the function in the middle of the box."""
        middle = 0.5 * (box.low + box.high)
        slopes = self._candidates(box, middle)
        low_slope, low_offset = slopes[0], self.offset(box, slopes[0], -1)
        high_slope, high_offset = slopes[0], self.offset(box, slopes[0], +1)
        for slope in slopes[1:]:
            below, above = self.offset(box, slope, -1), self.offset(box, slope, +1)
            better = slope * middle + below > low_slope * middle + low_offset
            low_slope, low_offset = ops.where(better, slope, low_slope), ops.where(better, below, low_offset)
            better = slope * middle + above < high_slope * middle + high_offset
            high_slope, high_offset = ops.where(better, slope, high_slope), ops.where(better, above, high_offset)
        return Lines(low_slope, low_offset, high_slope, high_offset)

    def steepest(self, box: Box) -> Tensor:
        """A slope that no useful line exceeds, for the optimization of slopes."""
        return ops.maximum(1.0, ops.max(ops.stack([ops.abs(each) for each in self._candidates(box)]), axis=0))

    def offset(self, box: Box, slope: Tensor, side: int) -> Tensor:
        """The offset of the line of a slope below (side -1) or above (side +1) the function on a box.

        Args:
            box: The interval of each value.
            slope: Slopes, of a shape that broadcasts with the box's.
            side: Which of the two lines.
        """
        extreme = ops.minimum if side < 0 else ops.maximum
        low, high = box.low, box.high
        found = extreme(self.function(low) - slope * low, self.function(high) - slope * high)
        for point in self._points(box, slope):
            found = extreme(found, self.function(point) - slope * point)
        for jump in self.jumps:
            within = ops.logical_and(low < jump.point, jump.point <= high)
            value = jump.below if side < 0 else jump.above
            found = ops.where(within, extreme(found, value - slope * jump.point), found)
        if self.derivative is None and self.lowest is None and not self.kinks and not self.jumps:
            # Nothing is known but that it does not fall: only a constant is safe.
            found = (self.function(low) if side < 0 else self.function(high)) + 0.0 * found
        size = ops.maximum(ops.abs(self.function(low)), ops.abs(self.function(high)))
        slack = (self.error + 8.0 * ROUNDING) * ops.maximum(size, 1.0 if self.error else 0.0)
        slack = slack + 8.0 * ROUNDING * ops.abs(slope) * box.size
        if self.curvature:
            slack = slack + self.curvature / 8.0 * ops.square((high - low) / _GRID)
        return found + side * slack

    def _points(self, box: Box, slope: Tensor) -> list[Tensor]:
        """Where the function less a line may be extreme within a box, beside its ends."""
        low, high = box.low, box.high
        points: list[Any] = list(self.kinks)
        if self.lowest is not None and self.derivative is None:
            points.append(self.lowest)
        if self.stationary is not None:
            points += self.stationary(slope)
        if self.curvature:
            points += [low + (high - low) * (number / _GRID) for number in range(1, _GRID)]
        return [ops.minimum(ops.maximum(low, point), high) for point in points]

    def _candidates(self, box: Box, middle: Tensor | None = None) -> list[Tensor]:
        low, high = box.low, box.high
        flat = ops.zeros_like(low)
        if self.derivative is None:
            return [flat]
        middle = 0.5 * (low + high) if middle is None else middle
        width, tangent = high - low, self.derivative(middle)
        wide = width > _NARROW * ops.maximum(box.size, 1e-3)
        chord = (self.function(high) - self.function(low)) / ops.where(wide, width, ops.ones_like(width))
        ends = [self.derivative(low), self.derivative(high)]
        return [flat, tangent, *ends, ops.where(wide, chord, tangent)]
