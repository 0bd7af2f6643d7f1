"""The seam: the few things that Keras does not say the same way on every framework.

Rules: no other folder imports a framework; nothing here knows an attack, a ball or a loss; every function takes and
gives tensors and can be called inside a compiled function as well as outside.

    input_gradient(fn, x)        loss, extras and the gradient at the input; no weight is recorded
    weight_gradients(fn, weights)  loss, extras and the gradients of weights
    compiled(fn, variables)      one graph for a whole function, for any batch size
    loop(steps, body, state, until)  a bounded loop that may stop early
    Steps                        a model's steps of training and validation, as Keras wants them
    replica()                    which replica of how many this is
    pipeline(source, count)        batches in the form that feeds `fit` without delay
    checkpoint_arrays(prefix)      arrays in a checkpoint, by their keys
    devices()                    what there is to compute on
"""

import keras

from turtlenet.errors import SettingError

__all__ = [
    "Steps",
    "checkpoint_arrays",
    "compiled",
    "devices",
    "input_gradient",
    "loop",
    "pipeline",
    "replica",
    "weight_gradients",
]

if keras.backend.backend() == "tensorflow":
    from turtlenet.backend.tensorflow import (
        Steps,
        checkpoint_arrays,
        compiled,
        devices,
        input_gradient,
        loop,
        pipeline,
        replica,
        weight_gradients,
    )
elif keras.backend.backend() == "jax":
    from turtlenet.backend.jax import (  # type: ignore[assignment]
        Steps,
        checkpoint_arrays,
        compiled,
        devices,
        input_gradient,
        loop,
        pipeline,
        replica,
        weight_gradients,
    )
else:
    raise SettingError(
        f"Expected the Keras backend tensorflow or jax; got {keras.backend.backend()!r}: set KERAS_BACKEND."
    )
