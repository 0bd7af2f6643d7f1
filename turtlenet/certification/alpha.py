"""Slopes of the lines in linear bounds, optimized for each margin by gradient ascent (Xu et al., 2021)."""

import math
from typing import NamedTuple, cast

from keras import ops

from turtlenet import backend
from turtlenet.certification.elementwise import Elementwise, Lines
from turtlenet.certification.linear import Least, lower_bounds
from turtlenet.certification.network import Network
from turtlenet.certification.steps import Box
from turtlenet.typing import Tensor

_RATE = 0.1
_DECAY = 0.95


class Free(NamedTuple):
    """Slopes that may be chosen: of which node, on which side (-1 below, +1 above), of which shape."""

    place: int
    side: int
    shape: tuple[int, ...]


def free(network: Network, known: list[Box] | None = None) -> list[Free]:
    """The slopes of a network that may be chosen; without boxes, shapes are those that `network` tells."""
    found = []
    for place, node in enumerate(network.nodes, 1):
        if isinstance(node.step, Elementwise) and node.step.derivative is not None:
            shape = tuple(known[place].low.shape[1:]) if known else node.shape
            found += [Free(place, side, shape) for side in ((-1,) if node.step.convex else (-1, 1))]
    return found


def optimized(network: Network, known: list[Box], slopes: Tensor, others: Tensor, least: Least, steps: int) -> Tensor:
    """Margins (batch, classes), the best over some steps; the first are those of the usual lines.

    Args:
        network: The network.
        known: The boxes of all places.
        slopes: The margins as functions of the logits, (batch, classes, classes).
        others: 1 for the classes whose margin counts, (batch, classes).
        least: See `lower_bounds`.
        steps: How many.
    """
    chosen, last = free(network, known), len(network.nodes)
    usual = {
        each.place: _elementwise(network, each.place).lines(_input(network, known, each.place)) for each in chosen
    }
    begun = lower_bounds(network, known, last, slopes, least) * others
    if not chosen:
        return begun
    count = slopes.shape[1]
    start = ops.concatenate([_share(network, known, each, usual[each.place], count) for each in chosen], axis=2)

    def margins(shares: Tensor) -> tuple[Tensor, Tensor]:
        lines = _lines(network, known, chosen, usual, shares)
        found = lower_bounds(network, known, last, slopes, least, lines) * others
        return ops.sum(found, axis=1), found

    def ascend(number: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        shares, mean, square, best = state
        _, found, uphill = backend.input_gradient(margins, shares)
        time = ops.cast(number, "float32") + 1.0
        mean, square = 0.9 * mean + 0.1 * uphill, 0.999 * square + 0.001 * ops.square(uphill)
        step = (mean / (1.0 - 0.9**time)) / (ops.sqrt(square / (1.0 - 0.999**time)) + 1e-12)
        shares = ops.clip(shares + _RATE * _DECAY**time * step, -1.0, 1.0)
        return shares, mean, square, ops.maximum(best, found)

    zeros = ops.zeros_like(start)
    _, state = backend.loop(steps, ascend, (start, zeros, zeros, begun))
    return state[-1]


def _elementwise(network: Network, place: int) -> Elementwise:
    return cast(Elementwise, network.nodes[place - 1].step)


def _input(network: Network, known: list[Box], place: int) -> Box:
    return known[network.nodes[place - 1].sources[0]]


def _share(network: Network, known: list[Box], each: Free, lines: Lines, count: int) -> Tensor:
    """The usual slopes as shares of the steepest ones, (batch, bounds, values)."""
    steepest = _elementwise(network, each.place).steepest(_input(network, known, each.place))
    share = (lines.low_slope if each.side < 0 else lines.high_slope) / steepest
    return ops.repeat(ops.reshape(share, (-1, 1, math.prod(each.shape))), count, axis=1)


def _lines(
    network: Network, known: list[Box], chosen: list[Free], usual: dict[int, Lines], shares: Tensor
) -> dict[int, Lines]:
    """The lines of chosen slopes, (batch, bounds, *shape)."""
    found, begin = {}, 0
    for each in chosen:
        size = math.prod(each.shape)
        share = ops.reshape(shares[:, :, begin : begin + size], (-1, shares.shape[1], *each.shape))
        begin += size
        step, box = _elementwise(network, each.place), _input(network, known, each.place)
        wide = Box(box.low[:, None], box.high[:, None])
        slope = share * step.steepest(box)[:, None]
        lines = found.get(each.place) or Lines(*(part[:, None] for part in usual[each.place]))
        offset = step.offset(wide, slope, each.side)
        if each.side < 0:
            found[each.place] = lines._replace(low_slope=slope, low_offset=offset)
        else:
            found[each.place] = lines._replace(high_slope=slope, high_offset=offset)
    return found
