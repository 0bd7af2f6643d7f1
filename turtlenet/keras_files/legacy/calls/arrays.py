"""TensorFlow's functions of shapes, indices and types."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from turtlenet.keras_files.legacy.calls.constants import alike, sizes, tensor


def _getitem(tensor: Any, slice_spec: Any = None) -> Any:
    parts = slice_spec if isinstance(slice_spec, list) else [slice_spec]
    return tensor[tuple(Ellipsis if isinstance(each, str) and each == "..." else each for each in parts)]


def _lengths(shape: Any) -> Any:
    """A shape; a single length that is computed from another shape is what is left, as JAX takes no computed ones."""
    lengths = sizes(shape)
    computed = [hasattr(each, "dtype") for each in lengths] if isinstance(lengths, tuple) else []
    if sum(computed) != 1 or any(each == -1 for each, unknown in zip(lengths, computed, strict=True) if not unknown):
        return lengths
    return tuple(-1 if unknown else each for each, unknown in zip(lengths, computed, strict=True))


def _strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Any:
    """Each mask has a bit for every entry of `begin`: what stands there does not count, or differs."""
    spec: list[Any] = []
    for at in range(len(begin)):
        bit = 1 << at
        if ellipsis_mask & bit:
            spec.append(Ellipsis)
        elif new_axis_mask & bit:
            spec.append(None)
        elif shrink_axis_mask & bit:
            spec.append(begin[at])
        else:
            first, last = (None if begin_mask & bit else begin[at]), (None if end_mask & bit else end[at])
            spec.append(slice(first, last, None if strides is None else strides[at]))
    return input_[tuple(spec)]


def _slice(input_: Any, begin: Any, size: Any) -> Any:
    ends = [None if length == -1 else first + length for first, length in zip(begin, size, strict=True)]
    return input_[tuple(slice(first, last) for first, last in zip(begin, ends, strict=True))]


def _split(value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis=axis)
    parts = list(num_or_size_splits)
    if -1 in parts:
        parts[parts.index(-1)] = value.shape[axis] - sum(parts) - 1
    return ops.split(value, [int(each) for each in np.cumsum(parts)[:-1]], axis=axis)


def _concat(values: Any, axis: int) -> Any:
    like = next((each for each in values if hasattr(each, "dtype")), None)
    return ops.concatenate([tensor(each, like) for each in values], axis=axis)


def _stack(values: Any, axis: int = 0) -> Any:
    like = next((each for each in values if hasattr(each, "dtype")), None)
    return ops.stack([tensor(each, like) for each in values], axis=axis)


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    if mode.upper() == "CONSTANT":
        return ops.pad(tensor, paddings, mode="constant", constant_values=constant_values)
    return ops.pad(tensor, paddings, mode=mode.lower())


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    indices = tensor(indices) if hasattr(indices, "dtype") else np.asarray(indices)
    if not batch_dims:
        return ops.take(tensor(params), indices, axis=axis or 0)
    if batch_dims != 1 or axis not in (None, 1) or len(indices.shape) != 2:
        raise NotImplementedError(f"gather with batch_dims {batch_dims} along axis {axis}")
    wide = ops.reshape(indices, (*ops.shape(indices), *(1,) * (len(params.shape) - 2)))
    return ops.take_along_axis(params, wide, axis=1)


def _one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = None, axis: int = -1, dtype: Any = None
) -> Any:
    marks = ops.one_hot(indices, depth, axis=axis, dtype="bool")
    chosen = [each for each in (on_value, off_value) if each is not None]
    kind = dtype or ("int32" if chosen and all(isinstance(each, int) for each in chosen) else "float32")
    on, off = (default if each is None else each for each, default in ((on_value, 1), (off_value, 0)))
    return ops.where(marks, ops.cast(on, kind), ops.cast(off, kind))


def _where(condition: Any, x: Any, y: Any) -> Any:
    return ops.where(tensor(condition), *alike(x, y))


def _top(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    ordered = ops.sort(values, axis=axis)
    return ordered if direction == "ASCENDING" else ops.flip(ordered, axis)


def _argsort(values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Any:
    return ops.argsort(values if direction == "ASCENDING" else -values, axis=axis)


def _range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    return ops.arange(0, start, delta, dtype=dtype) if limit is None else ops.arange(start, limit, delta, dtype=dtype)


def _fill(dims: Any, value: Any) -> Any:
    return ops.broadcast_to(tensor(value), sizes(dims))


def _shape(input: Any, out_type: str = "int32") -> Any:
    return ops.stack([ops.cast(each, out_type) for each in ops.shape(input)])


def _clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    length = ops.sqrt(ops.sum(ops.square(t), axis=sizes(axes), keepdims=True))
    return t * clip_norm / ops.maximum(length, clip_norm)


def _batch_flatten(x: Any) -> Any:
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def _batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    one, two = axes if isinstance(axes, list) else (axes, axes)
    if axes is None:
        one, two = len(x.shape) - 1, (1 if len(y.shape) == 2 else len(y.shape) - 2)
    if len(x.shape) > 3 or len(y.shape) > 3:
        raise NotImplementedError("batch_dot of more than three axes")
    letters = {(2, 1): "bi", (3, 1): "bij", (3, 2): "bji"}
    left = letters[len(x.shape), one % len(x.shape)]
    right = {(2, 1): "bi", (3, 1): "bik", (3, 2): "bki"}[len(y.shape), two % len(y.shape)]
    result = ops.einsum(f"{left},{right}->b{'j' * ('j' in left)}{'k' * ('k' in right)}", x, y)
    return result if len(result.shape) > 1 else ops.expand_dims(result, 1)


ARRAYS: dict[str, Callable] = {
    "__operators__.getitem": _getitem,
    "strided_slice": _strided_slice,
    "slice": _slice,
    "concat": _concat,
    "stack": _stack,
    "unstack": lambda value, num=None, axis=0: ops.unstack(value, num, axis),
    "split": _split,
    "reshape": lambda tensor, shape: ops.reshape(tensor, _lengths(shape)),
    "transpose": lambda a, perm=None: ops.transpose(a, perm),
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, sizes(axis) or None if axis != 0 else 0),
    "tile": lambda input, multiples: ops.tile(input, sizes(multiples)),
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis),
    "pad": _pad,
    "reverse": lambda tensor, axis: ops.flip(tensor, sizes(axis)),
    "roll": lambda input, shift, axis: ops.roll(input, sizes(shift), sizes(axis)),
    "broadcast_to": lambda input, shape: ops.broadcast_to(input, sizes(shape)),
    "gather": _gather,
    "nn.embedding_lookup": lambda params, ids: _gather(params, ids),
    "where": _where,
    "one_hot": _one_hot,
    "cast": lambda x, dtype: ops.cast(tensor(x), dtype),
    "dtypes.cast": lambda x, dtype: ops.cast(tensor(x), dtype),
    "convert_to_tensor": lambda value, dtype=None, dtype_hint=None: ops.convert_to_tensor(value, dtype),
    "identity": lambda input: tensor(input),
    "ensure_shape": lambda x, shape: x,
    "stop_gradient": lambda input: ops.stop_gradient(input),
    "zeros_like": lambda input, dtype=None: ops.zeros_like(input, dtype=dtype),
    "ones_like": lambda input, dtype=None: ops.ones_like(input, dtype=dtype),
    "zeros": lambda shape, dtype="float32": ops.zeros(sizes(shape), dtype),
    "ones": lambda shape, dtype="float32": ops.ones(sizes(shape), dtype),
    "fill": _fill,
    "range": _range,
    "shape": _shape,
    "size": lambda input, out_type="int32": ops.cast(ops.prod(_shape(input)), out_type),
    "rank": lambda input: ops.convert_to_tensor(len(input.shape), "int32"),
    "sort": _top,
    "argsort": _argsort,
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.minimum(
        ops.maximum(t, tensor(clip_value_min, t)), tensor(clip_value_max, t)
    ),
    "clip_by_norm": _clip_by_norm,
    "keras.backend.batch_flatten": _batch_flatten,
    "keras.backend.batch_dot": _batch_dot,
    "keras.backend.permute_dimensions": lambda x, pattern: ops.transpose(x, pattern),
    "keras.backend.repeat": lambda x, n: ops.repeat(ops.expand_dims(x, 1), n, 1),
    "keras.backend.repeat_elements": lambda x, rep, axis: ops.repeat(x, rep, axis),
    "keras.backend.concatenate": lambda tensors, axis=-1: _concat(tensors, axis),
    "keras.backend.flatten": lambda x: ops.reshape(x, (-1,)),
}
