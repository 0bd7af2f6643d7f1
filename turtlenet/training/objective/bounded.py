"""A model in training, with bounds of its answers over boxes: what objectives of certificates are written in."""

from typing import Any
from weakref import WeakKeyDictionary

import keras
from keras import ops

from turtlenet.certification import Box, Network, network_of
from turtlenet.certification.in_training import activated, normalized_by, points
from turtlenet.certification.interval import boxes, differences, folded
from turtlenet.certification.linear import least_in, lower_bounds
from turtlenet.classifier import Classifier

_NETWORKS: "WeakKeyDictionary[keras.Model, Network]" = WeakKeyDictionary()
# The share that the regularizers of Shi et al. (2021) let pass, as in the paper.
_TOLERANCE = 0.5
_LEAST = 1e-12


class Bounded:
    """Answers and bounds of one batch, all with the same statistics where layers normalize.

    In training those are the statistics of `x`, the batch as it is, and the moving ones take a step towards them;
    else the moving ones. Dropout is off.

    Args:
        model: The classifier in training.
        x: The batch, float32 (batch, ...).
    """

    def __init__(self, model: Classifier, x: Any):
        x = ops.convert_to_tensor(x, "float32")
        if model.in_training:
            self.network, places = normalized_by(taken_apart(model), x, update=True)
        else:
            self.network = taken_apart(model)
            places = points(self.network, x)
        self.clean = places[-1]
        """Logits at `x`, float32 (batch, classes)."""
        self.boxes: list[Box] = []
        """The boxes of each node, of what was bounded last."""

    def logits(self, x: Any) -> Any:
        """Logits at other inputs, float32 (batch, classes)."""
        return points(self.network, ops.convert_to_tensor(x, "float32"))[-1]

    def margins(self, low: Any, high: Any, y: Any) -> Any:
        """Lower bounds of the true logit over each other one in a box, float32 (batch, classes), by intervals.

        See `turtlenet.certification.margins`: the last layer is folded in, and 0 stands for the true class.
        """
        self.boxes = boxes(self.network, low, high)
        return folded(self.network, self.boxes, y)

    def linear_margins(self, y: Any) -> Any:
        """What `margins` gives, by one pass backward (CROWN, Zhang et al., 2018) with the boxes found before."""
        slopes, others = differences(y, self.clean.shape[-1])
        least = least_in(self.boxes[0])
        return lower_bounds(self.network, self.boxes, len(self.network.nodes), slopes, least) * others

    def looseness(self) -> Any:
        """The two regularizers of Shi et al. (2021), a scalar: intervals that grow, and activations out of balance.

        The first is the mean over activations of max(0, 0.5 - w_0 / w_i) / 0.5, w_i the mean radius of the boxes that
        the i-th activation is given and w_0 that of the input. The second is the same mean of max(0, 0.5 - r_i) / 0.5
        for two ratios between boxes above 0 and below it, of their mean middles and of the middles' variance, each
        the smaller one of r and 1/r; a layer without either kind counts as balanced.
        """
        first = ops.mean(_radius(self.boxes[0]))
        found = [_short(first / ops.maximum(ops.mean(_radius(box)), _LEAST)) for box in self._activated()]
        found += [_unbalanced(box) for box in self._activated()]
        return sum(found) / max(1, len(self._activated()))

    def _activated(self) -> list[Box]:
        return activated(self.network, self.boxes)


def taken_apart(model: Classifier) -> Network:
    """The network of a classifier's model, taken apart once.

    Raises:
        ModelError: A layer without a rule to bound it.
    """
    if model.model not in _NETWORKS:
        _NETWORKS[model.model] = network_of(model.model, narrow=True)
    return _NETWORKS[model.model]


def _radius(box: Box) -> Any:
    return 0.5 * (box.high - box.low)


def _short(ratio: Any) -> Any:
    """How far a ratio falls short of the tolerance, as a share of it."""
    return ops.relu(_TOLERANCE - ratio) / _TOLERANCE


def _unbalanced(box: Box) -> Any:
    middle = 0.5 * (box.low + box.high)
    on, off = ops.cast(box.low > 0, "float32"), ops.cast(box.high < 0, "float32")
    spread = ops.square(middle - ops.mean(middle))
    ratios = [(ops.mean(middle * on), -ops.mean(middle * off)), (ops.sum(spread * on), ops.sum(spread * off))]
    total: Any = 0.0
    for above, below in ratios:
        both = ops.logical_and(above > _LEAST, below > _LEAST)
        # Twice: the branch that is not taken must have a gradient that is no NaN.
        above, below = ops.where(both, above, 1.0), ops.where(both, below, 1.0)
        total = total + _short(ops.minimum(above / below, below / above))
    return total
