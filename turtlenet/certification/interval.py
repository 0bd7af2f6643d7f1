"""Interval bound propagation (Gowal et al., 2018): boxes through a network, in two passes' time.

    bounds(model, low, high)        of the logits
    margins(model, low, high, y)    of the true logit over each other one, with the last layers folded in

Both are differentiable in the weights and in the box, and may be called inside a compiled function.
"""

from collections.abc import Mapping

import keras
from keras import ops

from turtlenet.certification.linear import least_in, offset, transposed
from turtlenet.certification.network import Network, network_of
from turtlenet.certification.steps import Affine, Box, Movement
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


def boxes(network: Network, low: Tensor, high: Tensor, tighter: Mapping[int, Box] | None = None) -> list[Box]:
    """The box of the input, and of each node's output.

    Args:
        network: The network.
        low: Lower ends of the input.
        high: Upper ends.
        tighter: Boxes of some places that are known to hold, too.
    """
    found = [Box(ops.convert_to_tensor(low, "float32"), ops.convert_to_tensor(high, "float32"))]
    for place, node in enumerate(network.nodes, 1):
        box = node.step.interval(*(found[source] for source in node.sources))
        found.append(box.within(tighter[place]) if tighter and place in tighter else box)
    return found


def differences(y: Labels, classes: int) -> tuple[Tensor, Tensor]:
    """The true logit less each one, as slopes (batch, classes, classes), and a mask (batch, classes): 1 for others."""
    true = ops.one_hot(y, classes, dtype="float32")
    return true[:, None, :] - ops.eye(classes, dtype="float32")[None], 1.0 - true


def folded(network: Network, known: list[Box], y: Labels) -> Tensor:
    """Margins (batch, classes) for the boxes of a network: back through its last affine steps, then by their input."""
    slopes, others = differences(y, known[-1].low.shape[-1])
    constant, place = ops.zeros_like(slopes[:, :, 0]), len(network.nodes)
    while place and isinstance(step := network.nodes[place - 1].step, Affine | Movement):
        (source, *more) = network.nodes[place - 1].sources
        if more or _is_read(network, source, place):
            break
        box = known[source]
        constant = constant + offset(step, slopes, [box])
        slopes = transposed(step.apply, slopes, box.low)
        place = source
    return (constant + least_in(known[place])(slopes)) * others


def _is_read(network: Network, place: int, but: int) -> bool:
    """Whether another node than one reads a place."""
    readers = [number for number, node in enumerate(network.nodes, 1) if place in node.sources]
    return readers != [but]


def _network(model: keras.Model | Network) -> Network:
    return model if isinstance(model, Network) else network_of(model)
