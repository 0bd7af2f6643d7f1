"""The seam: the few things that Keras does not say the same way on every framework.

Rules: no other folder imports a framework; nothing here knows an attack, a ball or a loss; every function takes and
gives tensors and can be called inside a compiled function as well as outside.

    input_gradient(fn, x)        loss, extras and the gradient at the input; no weight is recorded
    weight_gradients(fn, weights)  loss, extras and the gradients of weights
    compiled(fn)                 one graph for a whole function, for any batch size
    loop(steps, body, state, until)  a bounded loop that may stop early
    replica()                    which replica of how many this is
    pipeline(source, count)        batches in the form that feeds `fit` without delay
    checkpoint_arrays(prefix)      arrays in a checkpoint, by their keys
    devices()                    what there is to compute on
"""

import keras

from turtlenet.errors import SettingError

__all__ = [
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
        f"Expected the Keras backend tensorflow; got {keras.backend.backend()!r}: unset KERAS_BACKEND or set it."
    )
