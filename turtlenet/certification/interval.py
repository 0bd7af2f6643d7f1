"""Interval bound propagation (Gowal et al., 2018): boxes through a network, in two passes' time.

    bounds(model, low, high)        of the logits
    margins(model, low, high, y)    of the true logit over each other one, with the last layers folded in

Both are differentiable in the weights and in the box, and may be called inside a compiled function.
"""

from typing import Any

import keras
from keras import ops

from turtlenet import backend
from turtlenet.certification.network import Network, network_of
from turtlenet.certification.steps import ROUNDING, Affine, Box, Movement
from turtlenet.typing import Labels, Tensor


def bounds(model: keras.Model | Network, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds of a model's outputs for all inputs within a box.

    Args:
        model: A functional or sequential model, at inference; or what `network_of` made of it.
        low: Lower ends, float32 (batch, *input_shape).
        high: Upper ends, shaped like it.

    Returns:
        Lower and upper bounds, float32 (batch, outputs); rounding is accounted for.

    Raises:
        ModelError: A layer without a rule, or one that draws random numbers.
    """
    found = boxes(_network(model), low, high)[-1]
    return found.low, found.high


def margins(model: keras.Model | Network, low: Tensor, high: Tensor, y: Labels) -> Tensor:
    """Lower bounds of how far the true logit is above each other one, for all inputs within a box.

    The last layers, as far as they are affine, are folded into the differences (Gowal et al., 2018, section 3), which
    is tighter than to compare the bounds of two logits.

    Args:
        model: See `bounds`.
        low: Lower ends, float32 (batch, *input_shape).
        high: Upper ends, shaped like it.
        y: True classes, int32 (batch,).

    Returns:
        Margins, float32 (batch, classes), 0 for the true class itself. An input is certified where all others are
        above 0. `-margins` are the worst logits, for a loss.

    Raises:
        ModelError: See `bounds`.
    """
    network = _network(model)
    known = boxes(network, low, high)
    return folded(network, known, y)


def boxes(network: Network, low: Tensor, high: Tensor) -> list[Box]:
    """The box of the input, and of each node's output."""
    found = [Box(ops.convert_to_tensor(low, "float32"), ops.convert_to_tensor(high, "float32"))]
    for node in network.nodes:
        found.append(node.step.interval(*(found[place] for place in node.sources)))
    return found


def folded(network: Network, known: list[Box], y: Labels) -> Tensor:
    """Margins (batch, classes) for the boxes of a network: back through its last affine steps, then by their input."""
    classes = known[-1].low.shape[-1]
    true = ops.one_hot(y, classes, dtype="float32")
    # Rows of differences, (batch, classes, classes): the true logit less another.
    slopes = true[:, None, :] - ops.eye(classes, dtype="float32")[None]
    constant, place = ops.zeros_like(slopes[:, :, 0]), len(network.nodes)
    while place and (step := network.nodes[place - 1].step) and isinstance(step, Affine | Movement):
        node = network.nodes[place - 1]
        if len(node.sources) > 1 or _is_read(network, node.sources[0], place):
            break
        box = known[node.sources[0]]
        constant = constant + offset(step, slopes, box)
        slopes = transposed(step.apply, slopes, box.low)
        place = node.sources[0]
    return (constant + least(slopes, known[place])) * (1.0 - true)


def offset(step: Affine | Movement, slopes: Tensor, box: Box) -> Tensor:
    """What an affine step's bias, less what rounding can do, adds to each bound (batch, bounds)."""
    zero = step.apply(ops.zeros_like(box.low[:1]))[None]
    total = over_values(slopes * zero)
    if isinstance(step, Affine):
        error = step.rounding(box.size)[:, None]
        # Once for the model, once for the slopes that are computed here, once for this sum.
        total = total - 3.0 * over_values(ops.abs(slopes) * error)
    return total


def transposed(apply: Any, slopes: Tensor, like: Tensor) -> Tensor:
    """Slopes (batch, bounds, *inputs) at the inputs of an affine function, given those at its outputs."""
    bounds = slopes.shape[1]
    flat = ops.reshape(slopes, (-1, *slopes.shape[2:]))
    start = ops.repeat(ops.zeros_like(like), bounds, axis=0)
    found = backend.pullback(apply, start)[1](flat)
    return ops.reshape(found, (-1, bounds, *like.shape[1:]))


def least(slopes: Tensor, box: Box) -> Tensor:
    """The smallest value of each linear function (batch, bounds) in a box, less what rounding can do."""
    middle, radius = 0.5 * (box.low + box.high)[:, None], 0.5 * (box.high - box.low)[:, None]
    size = ops.abs(slopes)
    error = 2.0 * (_count(slopes) + 4) * ROUNDING
    return over_values(slopes * middle - size * (radius + error * (ops.abs(middle) + radius)))


def over_values(products: Tensor) -> Tensor:
    """Sums (batch, bounds, ...) over all but the first two axes."""
    return ops.sum(products, axis=tuple(range(2, len(products.shape))))


def _count(slopes: Tensor) -> int:
    count = 1
    for size in slopes.shape[2:]:
        count *= size
    return count


def _is_read(network: Network, place: int, but: int) -> bool:
    """Whether another node than one reads a place."""
    readers = [number for number, node in enumerate(network.nodes, 1) if place in node.sources]
    return readers != [but]


def _network(model: keras.Model | Network) -> Network:
    return model if isinstance(model, Network) else network_of(model)
