"""The losses of AdvGAN (paper 003, eq. 7 to 10), one number for each example.

A generator lowers `adversarial + alpha * GAN + beta * hinge`; a discriminator lowers its own side of the GAN loss. The
discriminator's answers are logits: with a sigmoid, eq. 7 becomes the logarithm of 0 once it is sure.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from turtlenet.attacks import Goal
from turtlenet.errors import SpecError, did_you_mean


class GanLoss(NamedTuple):
    """Both sides of the game on the discriminator's logits (batch,).

    Attributes:
        discriminator: Of the logits at untouched images and at perturbed ones.
        generator: Of the logits at perturbed images.
    """

    discriminator: Callable[[Any, Any], Any]
    generator: Callable[[Any], Any]


def _log_of_both(real: Any, fake: Any) -> Any:
    """-log D(x) - log(1 - D(x + G(x))), from logits."""
    return ops.softplus(-real) + ops.softplus(fake)


GAN_LOSSES: dict[str, GanLoss] = {
    # Paper 003, eq. 7. Where the discriminator is sure, the generator's side is flat.
    "log": GanLoss(_log_of_both, lambda fake: -ops.softplus(fake)),
    # Goodfellow et al. (2014): -log D(x + G(x)) instead, steep exactly there.
    "non-saturating": GanLoss(_log_of_both, lambda fake: ops.softplus(-fake)),
    # Mao et al. (2017), which public code of AdvGAN uses.
    "least-squares": GanLoss(
        lambda real, fake: ops.square(real - 1.0) + ops.square(fake), lambda fake: ops.square(fake - 1.0)
    ),
}

ADVERSARIAL = ("cross_entropy", "margin")
HINGES = ("linf", "l2")


def gan_loss(name: str) -> GanLoss:
    """The GAN loss of that name.

    Raises:
        SpecError: No such loss.
    """
    if name not in GAN_LOSSES:
        raise SpecError(f"Unknown GAN loss {name!r}.{did_you_mean(name, GAN_LOSSES)}")
    return GAN_LOSSES[name]


def adversarial(name: str, goal: Goal, logits: Any, kappa: float = 0.0) -> Any:
    """How far the model is from the answer that the attacker wants, (batch,); lower is better for the attacker.

    Args:
        name: `cross_entropy`: towards a target eq. 8 of paper 003, else minus that of the label, which has no lower
            end; `margin`: Carlini and Wagner's, which is content at `-kappa`.
        goal: Labels, and targets if there are any.
        logits: The model's, float32 (batch, classes).
        kappa: Confidence of the margin, in logits.
    """
    climbed = goal.loss(name, logits)
    return -ops.minimum(climbed, kappa) if name == "margin" else -climbed


def hinge(norm: str, delta: Any, c: Any) -> Any:
    """By how much a perturbation is longer than `c` in input units, (batch,) (paper 003, eq. 9)."""
    flat = ops.reshape(delta, (ops.shape(delta)[0], -1))
    # A square root has no slope at 0.
    length = ops.max(ops.abs(flat), axis=1) if norm == "linf" else ops.sqrt(ops.sum(ops.square(flat), axis=1) + 1e-12)
    return ops.maximum(length - c, 0.0)
