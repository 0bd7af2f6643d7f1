"""The seam: the few things that Keras does not say the same way on every framework.

Rules: no other folder imports a framework; nothing here knows an attack, a ball or a loss; every function of the first
group takes and gives tensors and can be called inside a compiled function as well as outside.

    input_gradient(fn, x)          loss, extras and the gradient at the input; no weight is recorded
    input_gradients(fn, x)         the same of each of a few outputs, after one forward pass
    pullback(fn, x)                the result, and what takes a slope there to one at the input
    weight_gradients(fn, weights)  loss, extras and the gradients of weights
    wide_gradient(fn)              the same function, whose gradient survives float16
    compiled(fn, variables)        one graph for a whole function, for any batch size
    elementwise(fn)                one operation of a function that has many, traced once for all graphs
    word(value)                    the last 32 bits of whole numbers, where uint32 does not wrap by itself
    loop(steps, body, state, until)  a bounded loop that may stop early
    sum_over(count, fn, ...)       gradients of a batch, part by part
    apply_gradients(...)           a step of a Keras optimizer
    replica()                      which replica of how many this is

    Steps                          a model's steps of training and validation, as Keras wants them
    pipeline(source, count)        batches in the form that feeds `fit` without delay
    checkpoint_arrays(prefix)      arrays in a checkpoint, by their keys

    configure(...)                 which devices and processes compute, before any model is made
    devices(), process(), shares() what there is to compute on, and how many share it
    exact_products()               how to have products in full float32, where they are not
    shard(x), own(count)           a batch on all devices; this process's part of one
    gather(work), from_first(work) results of all processes, or of the first, in all
    together(variables)            all processes as one machine
    out_of_memory(error)           whether that was the reason
    in_graph(values)               whether a function of the caller's is being traced
"""

import os

# On some processors TensorFlow leaves oneDNN out, and then has no convolution with channels first. It reads this once,
# when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

from turtlenet.errors import SettingError

__all__ = [
    "Steps",
    "apply_gradients",
    "checkpoint_arrays",
    "compiled",
    "configure",
    "devices",
    "elementwise",
    "exact_products",
    "from_first",
    "gather",
    "in_graph",
    "input_gradient",
    "input_gradients",
    "loop",
    "out_of_memory",
    "own",
    "pipeline",
    "process",
    "pullback",
    "replica",
    "shard",
    "shares",
    "sum_over",
    "together",
    "uses_xla",
    "weight_gradients",
    "wide_gradient",
    "word",
]

if keras.backend.backend() == "tensorflow":
    from turtlenet.backend.tensorflow import (
        Steps,
        apply_gradients,
        checkpoint_arrays,
        compiled,
        elementwise,
        input_gradient,
        input_gradients,
        loop,
        pipeline,
        pullback,
        sum_over,
        weight_gradients,
        word,
    )
    from turtlenet.backend.tensorflow_devices import (
        configure,
        devices,
        exact_products,
        from_first,
        gather,
        in_graph,
        out_of_memory,
        own,
        process,
        replica,
        shard,
        shares,
        together,
        uses_xla,
    )
elif keras.backend.backend() == "jax":
    from turtlenet.backend.jax import (  # type: ignore[assignment]
        Steps,
        apply_gradients,
        checkpoint_arrays,
        compiled,
        elementwise,
        input_gradient,
        input_gradients,
        loop,
        pipeline,
        pullback,
        sum_over,
        weight_gradients,
        word,
    )
    from turtlenet.backend.jax_devices import (
        configure,
        devices,
        exact_products,
        from_first,
        gather,
        in_graph,
        out_of_memory,
        own,
        process,
        replica,
        shard,
        shares,
        together,
        uses_xla,
    )
elif keras.backend.backend() == "torch":
    from turtlenet.backend.torch import (  # type: ignore[assignment]
        Steps,
        apply_gradients,
        checkpoint_arrays,
        compiled,
        elementwise,
        input_gradient,
        input_gradients,
        loop,
        pipeline,
        pullback,
        sum_over,
        weight_gradients,
        word,
    )
    from turtlenet.backend.torch_devices import (
        configure,
        devices,
        exact_products,
        from_first,
        gather,
        in_graph,
        out_of_memory,
        own,
        process,
        replica,
        shard,
        shares,
        together,
        uses_xla,
    )
else:
    raise SettingError(
        f"Expected the Keras backend tensorflow, jax or torch; got {keras.backend.backend()!r}: set KERAS_BACKEND."
    )

from turtlenet.backend.narrow import wide_gradient
