"""How much a model's answers to one input differ from draw to draw (paper 001, equation 12)."""

from typing import Any

from keras import ops

__all__ = ["LARGEST", "uncertainty"]

LARGEST = 0.25
"""No variance of numbers from 0 to 1 is larger, so no score is."""


def uncertainty(probabilities: Any) -> Any:
    """Variance over the draws of each class's probability, averaged over the classes: one number for each input.

    Equation 12 of paper 001, sum over i of Var(O_i) / n with n the number of classes. The paper does not say which
    variance; here it is that of the N numbers themselves, the mean squared distance to their mean (1/N, not 1/(N-1)).

    Args:
        probabilities: Softmax outputs, float32 (batch, draws, classes).

    Returns:
        float32 (batch,), from 0, where all draws agree, to at most 0.25.
    """
    center = ops.mean(probabilities, axis=1, keepdims=True)
    return ops.mean(ops.mean(ops.square(probabilities - center), axis=1), axis=-1)
