"""The seam for TensorFlow.

A whole attack is one `tf.function` around a `tf.while_loop`. XLA stays off: around convolutions on a CPU it is many
times slower. The gradient is asked for at the input only, so no weight gradient is ever computed for an attack.
"""

import functools
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from turtlenet.backend.tensorflow_convolution import own_convolutions
from turtlenet.backend.tensorflow_devices import has_gpu, is_spread, replica, run_on_all, uses_xla
from turtlenet.errors import ModelError, one_line


def input_gradient(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates the sum of a per-example loss at its input.

    Args:
        fn: Maps an input (batch, ...) to a loss of shape (batch,) and anything else worth keeping.
        x: Where to differentiate, float32.

    Returns:
        The loss (batch,), the rest, and the gradient, shaped like `x`; zeros where `x` has no influence.
    """
    zero = tf.UnconnectedGradients.ZERO
    if tf.executing_eagerly() or has_gpu():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            loss, rest = fn(x)
            total = tf.reduce_sum(loss)
        return loss, rest, tape.gradient(total, x, unconnected_gradients=zero)
    # A tape does not ask which gradient a graph's operation was given; `tf.gradients` does.
    x = tf.identity(x)
    with own_convolutions():
        loss, rest = fn(x)
    (slope,) = tf.gradients(tf.reduce_sum(loss), x, unconnected_gradients=zero)
    return loss, rest, slope


def input_gradients(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates each of a few outputs at its input, after one forward pass.

    Args:
        fn: Maps an input (batch, ...) to outputs of shape (batch, k) and anything else worth keeping.
        x: Where to differentiate, float32.

    Returns:
        The outputs, the rest, and the gradients (batch, k, ...); zeros where `x` has no influence.
    """
    zero = tf.UnconnectedGradients.ZERO
    if tf.executing_eagerly() or has_gpu():
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(x)
            outputs, rest = fn(x)
            parts = tf.unstack(outputs, axis=1)
        return outputs, rest, tf.stack([tape.gradient(part, x, unconnected_gradients=zero) for part in parts], axis=1)
    x = tf.identity(x)
    with own_convolutions():
        outputs, rest = fn(x)
    parts = tf.unstack(outputs, axis=1)
    slopes = [tf.gradients(part, x, unconnected_gradients=zero)[0] for part in parts]
    return outputs, rest, tf.stack(slopes, axis=1)


def weight_gradients(
    fn: Callable[[], tuple[Any, Any]], weights: Sequence[Any], at: Sequence[Any] | None = None, keep: bool = True
) -> tuple[Any, Any, list[Any]]:
    """Differentiates a scalar loss with respect to Keras variables.

    Args:
        fn: Gives the loss, and anything else worth keeping.
        weights: The variables.
        at: Values of theirs to differentiate at, in place of those that they have; they keep those.
        keep: Whether what `fn` changes besides, such as moving statistics, stays changed.

    Returns:
        The loss, the rest of what `fn` gave, and one gradient for each variable.
    """
    if at is not None or not keep:
        return _gradients_at(fn, weights, at, keep)
    values = [weight.value for weight in weights]
    if tf.executing_eagerly() or has_gpu() or replica()[1] > 1:
        with tf.GradientTape() as tape:
            loss, rest = fn()
        return loss, rest, tape.gradient(loss, values)
    with own_convolutions():
        loss, rest = fn()
    return loss, rest, tf.gradients(loss, values)


def _gradients_at(
    fn: Callable[[], tuple[Any, Any]], weights: Sequence[Any], at: Sequence[Any] | None, keep: bool
) -> tuple[Any, Any, list[Any]]:
    values = [tf.identity(value) for value in (at or [weight.value for weight in weights])]
    graph = not (tf.executing_eagerly() or has_gpu() or replica()[1] > 1)
    changes: dict[Any, Any] = {}
    scope = _Overlay(list(zip(weights, values, strict=True)), changes)
    with own_convolutions() if graph else tf.GradientTape() as tape:
        for value in () if graph else values:
            tape.watch(value)
        with scope:
            loss, rest = fn()
    for variable, value in changes.values() if keep else ():
        variable.assign(value)
    return loss, rest, tf.gradients(loss, values) if graph else tape.gradient(loss, values)


class _Overlay(keras.StatelessScope):
    """Values in place of variables, and what is assigned meanwhile, with the variables that it is assigned to."""

    def __init__(self, pairs: list[tuple[Any, Any]], changes: dict[Any, Any]):
        super().__init__(pairs, collect_losses=True, initialize_variables=False)
        self.changes = changes

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Keras's word for an assignment."""
        super().add_update(update)
        self.changes[id(update[0])] = update


def apply_gradients(optimizer: Any, gradients: Sequence[Any], weights: Sequence[Any]) -> None:
    """Lets a Keras optimizer take a step."""
    optimizer.apply(gradients, weights)


def pullback(fn: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Gives `fn(x)`, and what takes a slope at that result to the slope at `x`; no weight is recorded."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = fn(x)

    def back(slope: Any) -> Any:
        return tape.gradient(y, x, slope, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return y, back


def sum_over(count: int, fn: Callable[[Any], list[Any]], like: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Adds up `fn(0)`, ..., `fn(count - 1)` one after the other, so that only one of them is in memory.

    Args:
        count: How often to call; at least 1.
        fn: Gives tensors, and may change variables.
        like: Variables in the shapes of those tensors.
        variables: What `fn` may change; a graph of TensorFlow knows it itself.
    """

    def add(number: Any, sums: Any) -> tuple[Any, Any]:
        parts = fn(number)
        return number + 1, tuple(total + part for total, part in zip(sums, parts, strict=True))

    zeros = tuple(tf.zeros(variable.shape, variable.dtype) for variable in like)
    _, sums = tf.while_loop(lambda number, _: number < count, add, (tf.constant(0), zeros), parallel_iterations=1)
    return list(sums)


def compiled(fn: Callable[..., Any], variables: Callable[[], Sequence[Any]] = lambda: ()) -> Callable[..., Any]:
    """Makes one graph of a function of tensors, for any batch size; where XLA compiles, once for each size.

    Args:
        fn: The function.
        variables: Gives the Keras variables that it may read or change; a graph of TensorFlow knows them itself.
    """
    make = functools.partial(tf.function, fn, autograph=False, jit_compile=uses_xla() or None)
    graph = make(reduce_retracing=True)
    traced = False

    def call(*args: Any) -> Any:
        nonlocal graph, traced
        # TensorFlow counts traces by a function's place in the source and takes two attacks for one that retraces.
        with _hush_retracing:
            if is_spread(args):
                return run_on_all(graph, args)
            if not (traced or uses_xla()):
                # Survivors come in batches of other sizes, and tracing again costs as much as the first time.
                try:
                    graph.get_concrete_function(*_of_any_size(args))
                except (TypeError, ValueError, tf.errors.InvalidArgumentError):
                    # What wants to know the size, such as a stateful layer, has a graph for each.
                    graph = make(reduce_retracing=False)
                traced = True
            return graph(*args)

    return call


def _of_any_size(args: Sequence[Any]) -> Any:
    """The specifications of arguments, without the length of those that are as long as the first: the batch."""
    tensors = [tf.convert_to_tensor(each) if hasattr(each, "__array__") else each for each in args]
    count = tensors[0].shape[0] if tensors and tf.is_tensor(tensors[0]) and tensors[0].shape.rank else None

    def spec(value: Any) -> Any:
        if not tf.is_tensor(value):
            return value
        batch = value.shape.rank and value.shape[0] == count
        return tf.TensorSpec([None, *value.shape[1:]] if batch else value.shape, value.dtype)

    return [spec(each) for each in tensors]


def elementwise(fn: Callable[..., Sequence[Any]]) -> Callable[..., list[Any]]:
    """Makes one operation of a function that works element by element, on tensors that broadcast.

    It is traced once for all graphs that use it: one of a hundred operations costs each of them as much as one does.
    No gradient is meant to go through it.

    Args:
        fn: Maps tensors to a sequence of tensors, each of the shape to which the arguments broadcast.
    """
    made: dict[Any, Any] = {}

    def call(*args: Any) -> list[Any]:
        args = tuple(map(tf.convert_to_tensor, args))
        kinds = tuple(each.dtype for each in args)
        if kinds not in made:
            with tf.init_scope():
                graph = tf.function(fn, [tf.TensorSpec(None, kind) for kind in kinds], autograph=False)
                made[kinds] = graph.get_concrete_function()
        results = list(made[kinds](*args))
        shape = functools.reduce(tf.broadcast_static_shape, [each.shape for each in args])
        for each in results:
            each.set_shape(shape)
        return results

    return call


def word(value: Any) -> Any:
    """The last 32 bits of whole numbers: uint32 wraps by itself here."""
    return value


class _HushRetracing(logging.Filter):
    """Drops TensorFlow's warning of retracing while one of our graphs is called."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        tf.get_logger().addFilter(self)

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def filter(self, record: logging.LogRecord) -> bool:
        return not (self.depth and "retracing" in record.getMessage())


_hush_retracing = _HushRetracing()


def loop(steps: Any, body: Callable[[Any, Any], Any], state: Any, until: Callable[[Any], Any] | None = None) -> Any:
    """Runs `state = body(step, state)` for `steps` steps, or until `until(state)` is true.

    Args:
        steps: Number of steps, an int or an int32 scalar.
        body: Maps the step's number (int32 scalar) and the state to the next state, of the same structure.
        state: A tuple of tensors.
        until: Optional; maps the state to a boolean scalar.

    Returns:
        The number of steps done and the last state.
    """

    def more(step: Any, current: Any) -> Any:
        within = step < steps
        return within if until is None else tf.logical_and(within, tf.logical_not(until(current)))

    def advance(step: Any, current: Any) -> tuple[Any, Any]:
        return step + 1, body(step, current)

    # One iteration at a time: a gradient step depends on the last one, and parallel ones would only hold memory.
    return tf.while_loop(more, advance, (tf.constant(0), state), parallel_iterations=1)


def pipeline(source: Any, count: int | None) -> Any:
    """A `tf.data.Dataset` of the batches `source[0]`, `source[1]`, ...: `count` of them, or without an end.

    Keras would make one itself, with an autotuner whose thread sleeps for seconds before it ends with the data set.
    """
    first = tf.nest.map_structure(tf.convert_to_tensor, source[0])
    shapes = tf.nest.map_structure(lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype), first)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    numbers = (lambda: itertools.count()) if count is None else (lambda: range(count))
    batches = tf.data.Dataset.from_generator(lambda: (source[n] for n in numbers()), output_signature=shapes)
    size = tf.data.INFINITE_CARDINALITY if count is None else count
    return batches.apply(tf.data.experimental.assert_cardinality(size)).prefetch(2).with_options(options)


class Steps:
    """Gives a `keras.Model` its steps from `learn(data)` and `judge(data)`, which may change any variable."""

    def train_step(self: Any, data: Any) -> Any:
        """Keras's word for a step of training."""
        return self.learn(data)

    def test_step(self: Any, data: Any) -> Any:
        """Keras's word for a step of validation."""
        return self.judge(data)


def checkpoint_arrays(prefix: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """Reads arrays from a checkpoint of TensorFlow; none of its objects is built.

    Args:
        prefix: Path of the checkpoint, without `.index`.
        keys: Which arrays to read; all of them by default. `_CHECKPOINTABLE_OBJECT_GRAPH` and other texts come only
            when asked for, as bytes.

    Returns:
        The arrays by their keys in the checkpoint.

    Raises:
        ModelError: No such checkpoint, a damaged one, or one without a key.
    """
    index = Path(f"{prefix}.index")
    if not index.is_file():
        raise ModelError(f"Expected the weights in {index}; there is no such file.")
    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        wanted = [key for key in shapes if types[key] != tf.string] if keys is None else list(keys)
        if lacking := [key for key in wanted if key not in shapes]:
            raise ModelError(f"Expected the weights {lacking[0]} in {prefix}; the checkpoint has no such key.")
        # A damaged or hostile index may ask for more memory than there is.
        held = sum(part.stat().st_size for part in index.parent.glob(f"{index.stem}.data-*"))
        if sum(math.prod(shapes[key]) * max(types[key].size, 1) for key in wanted) > held:
            raise ModelError(f"Expected a whole checkpoint in {prefix}; its data are cut short.")
        values = {key: reader.get_tensor(key) for key in wanted}
    except ModelError:
        raise
    except Exception as error:  # TensorFlow's own, or the one of Python's that its reader finds nearest.
        reason = one_line(error, 160)
        raise ModelError(f"Expected a whole checkpoint in {prefix}; {reason}.") from None
    return {key: value if types[key] == tf.string else np.asarray(value) for key, value in values.items()}
