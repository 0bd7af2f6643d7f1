"""Linear bounds by going backward through a network (CROWN, Zhang et al., 2018).

What is carried backward is a linear function of a node's output, for each bound that is asked for: slopes (batch,
bounds, *shape) and a constant (batch, bounds). At each step it is replaced by one of the step's inputs that lies below
it everywhere in the boxes. What is left at the network's input is smallest at a corner of the region there.
"""

import math
from collections.abc import Callable, Mapping

from keras import ops

from turtlenet import backend
from turtlenet.certification.elementwise import Elementwise, Lines
from turtlenet.certification.network import Network
from turtlenet.certification.steps import ROUNDING, Affine, Box, Maximum, Movement, Step
from turtlenet.typing import Tensor

Carried = tuple[list[Tensor], Tensor]
"""Slopes at each input of a step, and what is added to the constant."""

Least = Callable[[Tensor], Tensor]
"""The smallest value of linear functions (batch, bounds, *shape) over a region: (batch, bounds)."""


def lower_bounds(
    network: Network,
    known: list[Box],
    place: int,
    slopes: Tensor,
    least: Least,
    lines: Mapping[int, Lines] | None = None,
) -> Tensor:
    """Lower bounds of linear functions of one node's output, over a region of inputs.

    Args:
        network: The network.
        known: The boxes of its input and of every node's output.
        place: The node, from 1; 0 for the input itself.
        slopes: The functions, float32 (batch, bounds, *shape).
        least: Ends it at the input; `least_in` for a box.
        lines: Lines of some elementwise nodes, by place, in shapes that broadcast to (batch, bounds, *shape).

    Returns:
        Bounds, float32 (batch, bounds); rounding is accounted for.
    """
    waiting = {place: slopes}
    constant = size = ops.zeros_like(over_values(slopes))
    for number in range(place, 0, -1):
        if number not in waiting:
            continue
        node = network.nodes[number - 1]
        boxes = [known[source] for source in node.sources]
        found, more = _back(node.step, waiting.pop(number), boxes, (lines or {}).get(number))
        constant, size = constant + more, size + ops.abs(more)
        for source, slope in zip(node.sources, found, strict=True):
            waiting[source] = waiting[source] + slope if source in waiting else slope
    rest = least(waiting[0]) if 0 in waiting else ops.zeros_like(constant)
    return constant + rest - 2.0 * (len(network.nodes) + 1) * ROUNDING * (size + ops.abs(rest))


def least_in(box: Box) -> Least:
    """Ends linear functions in a box, less what rounding can do."""
    count = math.prod(box.low.shape[1:])
    # Twice: for this sum, and for the slopes, each of which is a sum of at most as many (see `offset`).
    error = 2.0 * (count + 4) * ROUNDING
    middle = 0.5 * (box.low + box.high)
    radius = 0.5 * (box.high - box.low) + error * box.size

    def least(slopes: Tensor) -> Tensor:
        flat = ops.reshape(slopes, (-1, slopes.shape[1], count))
        return _products(flat, middle) - _products(ops.abs(flat), radius)

    return least


def _products(flat: Tensor, values: Tensor) -> Tensor:
    """The products (batch, bounds) of matrices (batch, bounds, values) and vectors (batch, *shape)."""
    column = ops.reshape(values, (-1, flat.shape[2], 1))
    return ops.matmul(flat, column)[:, :, 0]


def offset(step: Affine | Movement, slopes: Tensor, boxes: list[Box]) -> Tensor:
    """What an affine step's bias, less what rounding can do, adds to each bound (batch, bounds)."""
    products = slopes * step.apply(*(ops.zeros_like(box.low[:1]) for box in boxes))[None]
    total = _axis_by_axis(products)
    if isinstance(step, Affine):
        error = step.rounding(*(box.size for box in boxes))[:, None]
        # Once for the model, once for this sum, and then for the slopes at the input, which are computed here.
        total = total - (2.0 + _spread(slopes, boxes)) * over_values(ops.abs(slopes) * error)
        total = total - 1.01 * (sum(slopes.shape[2:]) + 2) * ROUNDING * _axis_by_axis(ops.abs(products))
    return total


def _spread(slopes: Tensor, boxes: list[Box]) -> float:
    """How many times the terms of an output's sum the terms of an input's slope are, at most and at least 1.

    A slope at an input is a sum over the outputs that the input goes to: on average as many as an output has terms,
    times the outputs for each input. With a stride some inputs go to twice as many as others along an axis.
    """
    shape = slopes.shape[2:]
    ratio = max(math.prod(shape) / math.prod(box.low.shape[1:]) for box in boxes)
    return max(1.0, 2.0 ** (len(shape) - 1) * ratio)


def _axis_by_axis(products: Tensor) -> Tensor:
    """Sums (batch, bounds) over all but the first two axes, which rounds as often as the axes together are long."""
    while len(products.shape) > 2:
        products = ops.sum(products, axis=-1)
    return products


def transposed(apply: Callable[[Tensor], Tensor], slopes: Tensor, like: Tensor) -> Tensor:
    """Slopes (batch, bounds, *inputs) at the input of an affine function, given those at its output."""
    bounds, values = slopes.shape[1], tuple(like.shape[1:])
    flat = ops.reshape(slopes, (-1, *slopes.shape[2:]))
    start = ops.zeros((ops.shape(flat)[0], *values), "float32")
    return ops.reshape(backend.pullback(apply, start)[1](flat), (-1, bounds, *values))


def over_values(products: Tensor) -> Tensor:
    """Sums (batch, bounds, ...) over all but the first two axes."""
    return ops.sum(products, axis=tuple(range(2, len(products.shape))))


def _back(step: Step, slopes: Tensor, boxes: list[Box], lines: Lines | None) -> Carried:
    if isinstance(step, Affine | Movement):
        return _through_affine(step, slopes, boxes)
    if isinstance(step, Elementwise):
        return _through_lines(lines or spread(step.lines(boxes[0])), slopes, boxes[0])
    if isinstance(step, Maximum):
        return _through_maximum(step, slopes, boxes[0])
    # A step of somebody's own has an interval alone.
    box = step.interval(*boxes)
    return _constant(box, slopes, boxes)


def _through_affine(step: Affine | Movement, slopes: Tensor, boxes: list[Box]) -> Carried:
    zeros = [ops.zeros_like(box.low[:1]) for box in boxes]
    found = []
    for number, box in enumerate(boxes):

        def of_one(x: Tensor, number: int = number) -> Tensor:
            count = ops.shape(x)[0]
            parts = [x if other == number else ops.repeat(zero, count, axis=0) for other, zero in enumerate(zeros)]
            return step.apply(*parts)

        found.append(transposed(of_one, slopes, box.low))
    return found, offset(step, slopes, boxes)


def spread(lines: Lines) -> Lines:
    """Lines of shape (batch, *shape) for all bounds alike."""
    return Lines(*(each[:, None] for each in lines))


def _through_lines(lines: Lines, slopes: Tensor, box: Box) -> Carried:
    up, down = ops.maximum(slopes, 0.0), ops.minimum(slopes, 0.0)
    found = up * lines.low_slope + down * lines.high_slope
    total = over_values(up * lines.low_offset + down * lines.high_offset)
    sums = (math.prod(box.low.shape[1:]) + 8) * ROUNDING
    size = sums * (ops.abs(up * lines.low_offset) + ops.abs(down * lines.high_offset))
    # The slopes are products of two.
    return [found], total - over_values(size + 4.0 * ROUNDING * ops.abs(found) * box.size[:, None])


def _through_maximum(step: Maximum, slopes: Tensor, box: Box) -> Carried:
    """The largest is at least the value with the largest lower bound, and at most the largest upper bound."""
    up, down = ops.maximum(slopes, 0.0), ops.minimum(slopes, 0.0)
    most = step.apply(box.high)
    settled = ops.zeros_like(most)
    if step.apart:
        winner = backend.pullback(step.apply, box.low)[1](ops.ones_like(most)) >= 1.0
        others = step.apply(ops.where(winner, ops.full_like(box.high, -3e38), box.high))
        # The winner of the lower bounds is above all others wherever the inputs lie.
        settled = ops.cast(step.apply(box.low) >= others, "float32")
    settled = settled[:, None]
    total = over_values(down * (1.0 - settled) * most[:, None])
    size = over_values(ops.abs(down * (1.0 - settled) * most[:, None]))
    found = _routed(step, up + down * settled, box.low)
    return [found], total - (math.prod(most.shape[1:]) + 4) * ROUNDING * size


def _routed(step: Maximum, slopes: Tensor, at: Tensor) -> Tensor:
    """Slopes at the inputs: each output's go to the largest of its inputs."""
    bounds = slopes.shape[1]
    flat = ops.reshape(slopes, (-1, *slopes.shape[2:]))
    found = backend.pullback(step.apply, ops.repeat(at, bounds, axis=0))[1](flat)
    return ops.reshape(found, (-1, bounds, *at.shape[1:]))


def _constant(box: Box, slopes: Tensor, boxes: list[Box]) -> Carried:
    up, down = ops.maximum(slopes, 0.0), ops.minimum(slopes, 0.0)
    total = over_values(up * box.low[:, None] + down * box.high[:, None])
    size = over_values(ops.abs(slopes) * box.size[:, None])
    bounds = slopes.shape[1]
    none = [ops.zeros((ops.shape(slopes)[0], bounds, *each.low.shape[1:]), "float32") for each in boxes]
    return none, total - 2.0 * (math.prod(box.low.shape[1:]) + 4) * ROUNDING * size
