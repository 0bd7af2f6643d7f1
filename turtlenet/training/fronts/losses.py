"""The losses of trained fronts, one number for each example (batch,)."""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from turtlenet import backend


def squares(one: Any, other: Any) -> Any:
    """Mean square of the difference of two batches of images, over the values of an image."""
    return ops.mean(_flat(ops.square(one - other)), axis=1)


def fooling(fake: Any) -> Any:
    """-log D(G(x)) of logits: a generator's side (Goodfellow et al., 2014; APE-GAN, eq. 7)."""
    return ops.softplus(-fake)


def telling(real: Any, fake: Any) -> Any:
    """-log D(x) - log(1 - D(G(x))) of logits: the discriminator's side (APE-GAN, eq. 5)."""
    return ops.softplus(-real) + ops.softplus(fake)


def gradient_penalty(critic: Callable[[Any], Any], x: Any) -> Any:
    """(|dC/dx|_2 - 1)^2 at images x (Gulrajani et al., 2017, eq. 3).

    Args:
        critic: Maps images (batch, ...) to scores (batch,).
        x: Points between images and generated ones.
    """
    _, _, slope = backend.input_gradient(lambda at: (critic(at), ()), x)
    # A square root has no slope at 0.
    length = ops.sqrt(ops.sum(_flat(ops.square(slope)), axis=1) + 1e-12)
    return ops.square(length - 1.0)


def contraction(codes: Sequence[Any], kernels: Sequence[Any]) -> Any:
    """Sum over sigmoid layers of |dh_j / dh_(j-1)|_F^2 (Gu & Rigazio, 2014, eq. 5; Rifai et al., 2011, eq. 7).

    For h = sigmoid(W' u + b) that is the sum over units i of (h_i (1 - h_i))^2 |W_i|^2.

    Args:
        codes: The layers' outputs h_j, (batch, units).
        kernels: Their W, (units before, units).
    """
    layers = zip(codes, kernels, strict=True)
    return sum(ops.square(h * (1.0 - h)) @ ops.sum(ops.square(w), axis=0)[:, None] for h, w in layers)[:, 0]


def _flat(images: Any) -> Any:
    return ops.reshape(images, (ops.shape(images)[0], -1))
