"""The part of a ball that lies within the bounds: where certificates start."""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from turtlenet.balls import Ball, is_plain
from turtlenet.certification.linear import Least, least_in, over_values
from turtlenet.certification.network import Network
from turtlenet.certification.steps import ROUNDING, Affine, Box, Movement
from turtlenet.errors import SettingError
from turtlenet.typing import Tensor

NORMS = ("linf", "l2", "l1")
_HALVINGS = 16


class Region(NamedTuple):
    """Inputs within a box and, where `order` is 1 or 2, within a radius of a center.

    Attributes:
        low: Lower ends, float32 (batch, *input_shape).
        high: Upper ends.
        center: The images.
        radius: A float32 scalar.
    """

    low: Tensor
    high: Tensor
    center: Tensor
    radius: Tensor

    @property
    def box(self) -> Box:
        """The box alone."""
        return Box(self.low, self.high)


def check_plain(ball: Ball) -> None:
    """Refuses a ball whose radius is in units of each feature.

    Raises:
        SettingError: Features with bounds, radii or rules of their own.
    """
    if not is_plain(ball):
        raise SettingError(
            "Expected one radius and bounds for all features to certify; got some of their own, or rules: "
            "attacks alone keep to those."
        )


def region_of(ball: Ball, x: np.ndarray) -> Region:
    """The region of a ball around images, rounded outward: one float32 ulp beyond radius and bounds lies within.

    Args:
        ball: Where an input may move, in the norm `linf`, `l2` or `l1`.
        x: Images, float32 (batch, ...), within the bounds.

    Raises:
        SettingError: Another norm, or features with bounds, radii or rules of their own.
    """
    check_plain(ball)
    if ball.norm not in NORMS:
        raise SettingError(f"Expected a norm of {', '.join(NORMS)} to certify; got {ball.norm}.")
    ulp = float(np.spacing(np.float32(max(abs(ball.low), abs(ball.high)))))
    eps = np.asarray(ball.eps, "float64")
    # One step for what may be returned, and others for the rounding of these float32 differences.
    reach = np.where(eps > 0, eps * (1.0 + 2e-6) + 4.0 * ulp, 0.0).astype("float32")
    x = np.asarray(x, "float32")
    beyond = ulp if np.max(eps) > 0 else 0.0
    low = np.maximum(x - reach, np.float32(ball.low - beyond))
    high = np.minimum(x + reach, np.float32(ball.high + beyond))
    length = float(np.max(eps)) * (1.0 + 2e-6) + 4.0 * ulp * ball.span(math.prod(x.shape[1:]))
    return Region(low, high, x, np.float32(length if np.max(eps) > 0 else 0.0))


def least_within(region: Region, order: float) -> Least:
    """Ends linear functions in a region: the bound of the box, or that of the ball within it if it is better.

    The latter is the dual of a small problem, so every multiplier gives a bound: 16 halvings find a good one.
    """
    plain = least_in(region.box)
    if order == math.inf:
        return plain
    center, radius = region.center[:, None], region.radius
    error = 4.0 * (math.prod(region.center.shape[1:]) + 8) * ROUNDING

    def least(slopes: Tensor) -> Tensor:
        # How far each value can go in the direction that lowers the function.
        room = ops.where(slopes > 0, center - region.low[:, None], region.high[:, None] - center)
        gain = ops.abs(slopes)
        most = (_most_l1 if order == 1 else _most_l2)(gain, room, radius)
        rounding = error * over_values(gain * (ops.abs(center) + room)) + error * most
        return ops.maximum(plain(slopes), over_values(slopes * center) - most - rounding)

    return least


def _most_l1(gain: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The largest sum of gain * move for moves within room whose sum is at most the radius."""
    low, high = ops.zeros_like(over_values(gain)), _largest(gain)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        spent = over_values(ops.where(gain > _spread(middle, gain), room, ops.zeros_like(room)))
        low, high = ops.where(spent > radius, middle, low), ops.where(spent > radius, high, middle)
    return over_values(ops.maximum(gain - _spread(high, gain), 0.0) * room) + high * radius


def _most_l2(gain: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The largest sum of gain * move for moves within room whose squares sum to at most that of the radius."""
    length = ops.sqrt(over_values(ops.square(gain)))
    high = length / ops.maximum(radius, 1e-20) + 1e-20
    low = ops.zeros_like(high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        moves = ops.minimum(gain / ops.maximum(_spread(middle, gain), 1e-20), room)
        far = over_values(ops.square(moves)) > ops.square(radius)
        low, high = ops.where(far, middle, low), ops.where(far, high, middle)
    price = _spread(high, gain)
    moves = ops.minimum(gain / ops.maximum(price, 1e-20), room)
    return over_values(moves * (gain - 0.5 * price * moves)) + 0.5 * high * ops.square(radius)


def _largest(values: Tensor) -> Tensor:
    return ops.max(values, axis=tuple(range(2, len(values.shape))))


def _spread(values: Tensor, like: Tensor) -> Tensor:
    return ops.reshape(values, (-1, values.shape[1]) + (1,) * (len(like.shape) - 2))


def first_boxes(network: Network, region: Region, order: float) -> dict[int, Box]:
    """Boxes behind the first products of a network, by the dual norm of their rows; by place."""
    if order == math.inf:
        return {}
    found: dict[int, Box] = {}
    inside: dict[int, tuple[Tensor, Tensor]] = {0: (region.center, region.radius)}
    for place, node in enumerate(network.nodes, 1):
        step = node.step
        if len(node.sources) > 1 or node.sources[0] not in inside or not isinstance(step, Affine | Movement):
            continue
        center, radius = inside[node.sources[0]]
        if isinstance(step, Movement):
            if step.once:
                inside[place] = step.apply(center), radius
            continue
        middle = step.apply(center)
        if step.reach is not None:
            room = radius * step.reach(order, tuple(center.shape[1:]))
            slack = 3.0 * step.rounding(ops.abs(center) + radius) + 4.0 * ROUNDING * room
            found[place] = Box(middle - room - slack, middle + room + slack)
        stretch = step.stretch(order) if step.stretch is not None else None
        if stretch is not None:
            # What rounding adds is no longer than this in any norm.
            error = ops.max(over_values(step.rounding(ops.abs(center) + radius)[:, None]))
            inside[place] = middle, radius * stretch + 2.0 * error
    return found
