"""How far the loss around an input is from linear: the regularizer of gradient alignment."""

from typing import Any

from keras import ops

from turtlenet import backend, losses
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier


def misalignment(model: Classifier, x: Any, y: Any, ball: Ball, key: Any) -> Any:
    """Gives 1 - cos(grad L(x), grad L(x + r)) of each example, with r uniform in the ball.

    Andriushchenko & Flammarion (2020), "Understanding and improving fast adversarial training", eq. 6. Its weight
    gradient goes through both input gradients. They are taken in inference mode, so that both see the same model.

    Args:
        model: The classifier in training.
        x: Inputs, float32 (batch, ...).
        y: Labels, int32 (batch,).
        ball: Where the random points lie.
        key: The examples' keys (batch, 2).

    Returns:
        float32 (batch,), from 0 to 2.
    """

    def gradient(point: Any) -> Any:
        def look(point: Any) -> tuple[Any, Any]:
            return losses.cross_entropy(y, model(point)), ()

        slope = backend.input_gradient(look, point)[2]
        return ops.reshape(slope, (ops.shape(slope)[0], -1))

    here, there = gradient(ops.convert_to_tensor(x, "float32")), gradient(ops.stop_gradient(ball.sample(x, key)))
    sizes = ops.sqrt(ops.sum(ops.square(here), axis=1) * ops.sum(ops.square(there), axis=1) + 1e-24)
    return 1.0 - ops.sum(here * there, axis=1) / sizes
