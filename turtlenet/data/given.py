"""What a Python user holds: arrays of any library, and streams of batches, brought to plain arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from turtlenet.data.pixels import as_array_like
from turtlenet.errors import DataError, an, one_line

LARGEST_STREAM = 2**30
"""Bytes of a stream that are kept in memory at most; one without an end is known by it."""
TAKEN = (
    "(x, y), a name, a path, package.module:function, or finite batches of (x, y) of at most 1 GiB "
    "(turtlenet.Trainer.fit takes streams of any length)"
)


def parts_of(data: Any, shape: tuple[int, ...], inputs: Sequence[str] = ()) -> tuple[Any, ...]:
    """The images, labels and, if there are any, weights in what a user gave.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)` as a tuple or a list, or a stream; see `from_stream`.
        shape: The model's input shape without the batch: tells an example from a batch.
        inputs: Names of the inputs of a model with several; the elements of a stream have a dict or tuple of them.

    Raises:
        DataError: Nothing of the kind.
    """
    several = isinstance(data, (tuple, list))
    batches = isinstance(data, list) and bool(data) and all(isinstance(each, tuple) for each in data)
    if several and not batches:
        if len(data) not in (2, 3):
            raise DataError(f"Expected data as {TAKEN}; got {an(type(data).__name__)} of {len(data)}.")
        return tuple(data)
    return from_stream(data, shape, inputs)


def are_two_parts(data: Any) -> bool:
    """Whether data are `((x, y), (x, y))` for training and test, as `load_data` of `keras.datasets` gives them."""
    return isinstance(data, tuple) and len(data) == 2 and all(type(part) is tuple and len(part) == 2 for part in data)


def from_stream(data: Any, shape: tuple[int, ...], inputs: Sequence[str] = ()) -> tuple[Any, ...]:
    """Reads a finite stream once: a `tf.data.Dataset`, a `PyDataset`, a data loader, a generator, a list of batches.

    Args:
        data: Gives `(x, y)` or `(x, y, sample_weight)`, batches of examples or single ones.
        shape: The model's input shape without the batch.
        inputs: Names of the inputs of a model with several, in its order.

    Returns:
        Images (n, ...), or a dict of several inputs, labels (n, ...), and weights (n,) if the stream has any.

    Raises:
        DataError: No stream, one without an end or of more than 1 GiB, or elements of another form.
    """
    kind = type(data).__name__
    columns: list[list[np.ndarray]] = []
    size = 0
    try:
        for element in _elements(data):
            if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
                got = f"{len(element)} parts" if isinstance(element, (tuple, list)) else type(element).__name__
                raise DataError(f"Expected batches of (x, y) in {kind}; got {got}.")
            if inputs:
                element = (*by_name(element[0], inputs, kind).values(), *element[1:])
            arrays = [np.asarray(as_array_like(part, kind)) for part in element]
            if not inputs and not arrays[1].ndim or arrays[0].shape == tuple(shape):
                arrays = [array[None] for array in arrays]
            columns = columns or [[] for _ in arrays]
            if len(columns) != len(arrays):
                raise DataError(f"Expected weights in all batches of {kind} or in none; got both.")
            for column, array in zip(columns, arrays, strict=True):
                # A copy: some streams give the same memory each time.
                column.append(np.array(array))
                size += array.nbytes
            if size > LARGEST_STREAM:
                raise DataError(f"Expected data as {TAKEN}; got {an(kind)} of more than 1 GiB, or without an end.")
        if not columns:
            raise DataError(f"Expected at least one example; got an empty {kind}.")
        whole = [np.concatenate(column) for column in columns]
        count = len(inputs)
        return (dict(zip(inputs, whole, strict=False)), *whole[count:]) if inputs else tuple(whole)
    except DataError:
        raise
    except Exception as error:  # A user's stream raises what it likes.
        raise DataError(f"Expected batches of (x, y) that fit together in {kind}; got: {one_line(error)}.") from None


def by_name(x: Any, inputs: Sequence[str], name: str) -> dict[str, Any]:
    """Several inputs by their names, of a dict, or of a tuple or list in the model's order.

    Raises:
        DataError: Some are missing, or there are others.
    """
    wanted = ", ".join(inputs)
    if isinstance(x, (tuple, list)) and len(x) == len(inputs):
        return dict(zip(inputs, x, strict=True))
    if not isinstance(x, Mapping):
        got = f"{len(x)} of them" if isinstance(x, (tuple, list)) else type(x).__name__
        raise DataError(f"Expected a dict of the inputs {wanted} in {name}, or a tuple in this order; got {got}.")
    missing = [each for each in inputs if each not in x]
    if missing:
        raise DataError(f"Expected the inputs {wanted} in {name}; got {', '.join(map(str, x)) or 'none'}.")
    return {each: x[each] for each in inputs}


def _elements(data: Any) -> Iterator[Any]:
    kind = type(data).__name__
    cardinality: Callable[[], Any] | None = getattr(data, "cardinality", None)
    endless = callable(cardinality) and int(cardinality()) == -1
    # Keras says so of a `PyDataset` without an end.
    endless = endless or (hasattr(data, "num_batches") and data.num_batches is None)
    if endless:
        raise DataError(f"Expected data as {TAKEN}; got {an(kind)} without an end.")
    plain = isinstance(data, (str, bytes, dict)) or hasattr(data, "shape") or hasattr(data, "dtype")
    if not plain and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[number] for number in range(len(data)))
    if not plain and hasattr(data, "__iter__"):
        return iter(data)
    raise DataError(f"Expected data as {TAKEN}; got {an(kind)}.")
