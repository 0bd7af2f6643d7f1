"""PGD as one would write it by hand in TensorFlow, for nothing but speed.

The whole loop is one graph, the tape watches the input only, the start is given, the last point is the answer. Nothing
is checked, nothing is kept, no norm but Linf.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

__all__ = ["plain_pgd"]


def plain_pgd(model: keras.Model, *, eps: float, step: float, steps: int) -> Callable[[Any, Any, Any], Any]:
    """Compiles the attack on a model that gives logits.

    Returns:
        A function of images, labels and start points, tensors or arrays of one batch, that gives the last points.
    """

    @tf.function
    def attack(x: Any, y: Any, start: Any) -> Any:
        low, high = tf.maximum(x - eps, 0.0), tf.minimum(x + eps, 1.0)

        def climb(number: Any, point: Any) -> tuple[Any, Any]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(point)
                logits = model(point, training=False)
                loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
            moved = point + step * tf.sign(tape.gradient(loss, point))
            return number + 1, tf.clip_by_value(moved, low, high)

        return tf.while_loop(lambda number, _: number < steps, climb, (0, start))[1]

    return attack
