"""Which wrong classes are nearest, as far as the model is linear."""

import math

from keras import ops

from turtlenet import backend
from turtlenet.attacks.context import Context
from turtlenet.typing import Tensor


def nearest_first(context: Context, most: int) -> Tensor:
    """Wrong classes in the order of the distance to their planes at the inputs: the gap over the gradient's length.

    The length is in the dual norm, so that the distance is in the ball's own (Melamed et al., 2024, equation 3, for
    `linf`).

    Args:
        context: The attempt.
        most: How many of the likeliest wrong classes count.

    Returns:
        Classes, int32 (batch, min(most, classes - 1)); a gradient for each is computed.
    """
    x, y, model = context.x, context.goal.y, context.model
    logits = model(x)
    own = ops.one_hot(y, model.num_classes, dtype="float32")
    kept = min(most, model.num_classes - 1)
    others = ops.cast(ops.top_k(logits - 1e30 * own, kept)[1], "int32")

    def look(point: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(point)
        return ops.take_along_axis(logits, others, axis=1) - ops.take_along_axis(logits, y[:, None], axis=1), ()

    gap, _, slope = backend.input_gradients(look, x)
    flat = ops.reshape(slope, (-1, kept, math.prod(x.shape[1:])))
    rate = {
        "linf": lambda: ops.sum(ops.abs(flat), axis=2),
        "l2": lambda: ops.sqrt(ops.sum(ops.square(flat), axis=2)),
    }.get(context.ball.norm, lambda: ops.max(ops.abs(flat), axis=2))()
    order = ops.argsort(ops.abs(gap) / ops.maximum(rate, 1e-30), axis=1)
    return ops.take_along_axis(others, ops.cast(order, "int32"), axis=1)
