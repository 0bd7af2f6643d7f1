"""What an attack climbs: one number for each example, from its logits.

Each loss is given the labels as int32 of shape (batch,) and the logits as float32 of shape (batch, classes), and gives
float32 of shape (batch,). Higher is worse for the model. The targeted form is higher the nearer the model is to
answering `target`. Losses are never averaged over a batch: an example's gradient is its own.

>>> import numpy as np
>>> logits = np.array([[1.0, 3.0, 2.0]], "float32")
>>> np.asarray(margin(np.array([1]), logits))  # The label has the largest logit: rightly classified.
array([-1.], dtype=float32)
>>> get("margin").targeted is None, sorted(LOSSES)
(False, ['cross_entropy', 'dlr', 'kl', 'margin', 'probability_margin'])
"""

from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from turtlenet.errors import ModelError, SettingError, SpecError, did_you_mean
from turtlenet.typing import Labels, Tensor

__all__ = [
    "LOSSES",
    "OF_OTHER_TASKS",
    "TRAINING",
    "Loss",
    "binary_cross_entropy",
    "check_classes",
    "cross_entropy",
    "difference_of_logits_ratio",
    "divergence",
    "get",
    "margin",
    "probability_margin",
    "squared_deviation",
    "squared_error",
]

_FAR = -1e30


class Loss(NamedTuple):
    """A loss in both its forms, and how many classes it needs.

    Attributes:
        untargeted: Maps (y, logits) to the loss; (reference logits, logits) where it is relative.
        targeted: Maps (y, target, logits) to the loss; None where there is no such form.
        least_classes: How many classes it needs.
        relative: Whether it compares with the logits of another input, the unattacked one, and not with a label.
    """

    untargeted: Callable[[Tensor, Tensor], Tensor]
    targeted: Callable[[Labels, Labels, Tensor], Tensor] | None
    least_classes: int = 2
    relative: bool = False


def cross_entropy(y: Labels, logits: Tensor) -> Tensor:
    """Cross-entropy of softmax probabilities.

    Written as softplus(logsumexp of the other logits - logit of y): the usual form rounds to a gradient of 0 once
    float32 probabilities saturate, which hides the way uphill from an attack.
    """
    return ops.softplus(ops.logsumexp(_others(y, logits), axis=-1) - _of(y, logits))


def squared_error(y: Labels, logits: Tensor) -> Tensor:
    """Mean over the classes of the squared errors of the probabilities (papers 000 and 002, eq. 2)."""
    return ops.mean(ops.square(ops.softmax(logits, axis=-1) - _mask(y, logits)), axis=-1)


def margin(y: Labels, logits: Tensor) -> Tensor:
    """Best other logit minus the label's (Carlini & Wagner, 2017, f6 without its clip); positive: misclassified."""
    return ops.max(_others(y, logits), axis=-1) - _of(y, logits)


def difference_of_logits_ratio(y: Labels, logits: Tensor) -> Tensor:
    """Margin over the spread of the three best logits (Croce & Hein, 2020, eq. 6): blind to the logits' scale."""
    best = ops.top_k(logits, 3)[0]
    return margin(y, logits) / (best[:, 0] - best[:, 2] + 1e-12)


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """KL(softmax(reference) || softmax(logits)), as in TRADES (Zhang et al., 2019, eq. 5); both (batch, classes)."""
    known, now = ops.log_softmax(reference, axis=-1), ops.log_softmax(logits, axis=-1)
    return ops.sum(ops.exp(known) * (known - now), axis=-1)


def probability_margin(y: Labels, logits: Tensor) -> Tensor:
    """Largest other probability minus the label's (Xie et al., 2024, section 3: PMA).

    Written with 1 - p of the label in place of p: the usual form rounds to a gradient of 0 once float32 probabilities
    saturate.
    """
    own, others = _of(y, logits), ops.logsumexp(_others(y, logits), axis=-1)
    best = ops.max(_others(y, logits), axis=-1) - own - ops.softplus(others - own)
    return ops.exp(best) + ops.exp(-ops.softplus(own - others)) - 1.0


def _targeted_probability_margin(y: Labels, target: Labels, logits: Tensor) -> Tensor:
    return -probability_margin(target, logits)


def _targeted_cross_entropy(y: Labels, target: Labels, logits: Tensor) -> Tensor:
    return -cross_entropy(target, logits)


def _targeted_margin(y: Labels, target: Labels, logits: Tensor) -> Tensor:
    return -margin(target, logits)


def _targeted_ratio(y: Labels, target: Labels, logits: Tensor) -> Tensor:
    """Croce & Hein (2020), eq. 7."""
    best = ops.top_k(logits, 4)[0]
    spread = best[:, 0] - 0.5 * (best[:, 2] + best[:, 3]) + 1e-12
    return (_of(target, logits) - _of(y, logits)) / spread


def binary_cross_entropy(y: Labels, logits: Tensor) -> Tensor:
    """Mean over the labels of their cross-entropies, of the logits of `turtlenet.tasks.MultiLabel`."""
    return ops.mean(ops.softplus(logits[:, 1:] - logits[:, :1]), axis=-1)


def squared_deviation(y: Labels, logits: Tensor) -> Tensor:
    """Mean over the outputs of the squared deviation in units of the tolerance, of `turtlenet.tasks.Regression`."""
    units = (logits.shape[-1] - 1) // 2
    return ops.mean(ops.square(0.5 * (logits[:, 1 : units + 1] - logits[:, units + 1 :])), axis=-1)


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, _targeted_cross_entropy),
    "margin": Loss(margin, _targeted_margin),
    "dlr": Loss(difference_of_logits_ratio, _targeted_ratio, least_classes=3),
    "kl": Loss(divergence, None, relative=True),
    "probability_margin": Loss(probability_margin, _targeted_probability_margin),
}


TRAINING: dict[str, Callable[[Labels, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_deviation": squared_deviation,
}
"""What training may minimize, one number for each example."""

OF_OTHER_TASKS = ("binary_cross_entropy", "squared_deviation")
"""Those of them that are no loss of single labels: see `turtlenet.tasks`."""


def get(name: str) -> Loss:
    """The loss of that name.

    Raises:
        SpecError: No such loss.
    """
    if name not in LOSSES:
        raise SpecError(f"Unknown loss {name!r}.{did_you_mean(name, LOSSES)}")
    return LOSSES[name]


def check_classes(name: str, num_classes: int, *, targeted: bool) -> None:
    """Refuses a loss on a model with too few classes.

    Args:
        name: The loss's name.
        num_classes: The model's.
        targeted: Whether the loss leads towards a target.

    Raises:
        ModelError: The ratio needs three classes, and four when targeted.
        SettingError: The divergence knows no target.
    """
    if targeted and get(name).targeted is None:
        raise SettingError(
            f"Expected no target for loss {name!r}, which moves away from the model's own answer; got one."
        )
    least = get(name).least_classes + (1 if targeted and name == "dlr" else 0)
    if num_classes < least:
        raise ModelError(
            f"Expected at least {least} classes for loss {name!r}; got {num_classes}: use cross_entropy or margin."
        )


def _mask(y: Labels, logits: Tensor) -> Tensor:
    return ops.one_hot(y, logits.shape[-1], dtype="float32")


def _of(y: Labels, logits: Tensor) -> Tensor:
    return ops.sum(logits * _mask(y, logits), axis=-1)


def _others(y: Labels, logits: Tensor) -> Tensor:
    return logits + _FAR * _mask(y, logits)
