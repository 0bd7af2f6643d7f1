"""TensorFlow's arithmetic: by element, by pair, reductions and products of matrices."""

from collections.abc import Callable
from typing import Any

from keras import ops

from turtlenet.keras_files.legacy.calls.constants import alike, is_integer, name_of, sizes, tensor, words


def _element(function: Callable) -> Callable:
    return lambda x: function(tensor(x))


def _pair(function: Callable) -> Callable:
    return lambda x, y: function(*alike(x, y))


def _divide(x: Any, y: Any) -> Any:
    x, y = alike(x, y)
    if is_integer(x):
        # TensorFlow divides small integers in single precision and others in double.
        wide = "float32" if name_of(x.dtype).endswith(("int8", "int16")) else "float64"
        x, y = ops.cast(x, wide), ops.cast(y, wide)
    return ops.true_divide(x, y)


def _divide_no_nan(x: Any, y: Any) -> Any:
    x, y = alike(x, y)
    zero = ops.equal(y, ops.zeros_like(y))
    return ops.where(zero, ops.zeros_like(x / ops.ones_like(y)), x / ops.where(zero, ops.ones_like(y), y))


def _reduction(function: Callable) -> Callable:
    """`input_tensor`, `axis` and `keepdims`; the type stays, also where Keras would make integers longer."""

    def reduce(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = tensor(input_tensor)
        result = function(x, axis=sizes(axis), keepdims=keepdims)
        return result if result.dtype == x.dtype else ops.cast(result, x.dtype)

    return reduce


def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Any:
    axis, size = sizes(axis), ops.abs(tensor)
    if ord in ("euclidean", "fro") or (ord == 2 and not isinstance(axis, tuple)):
        return ops.sqrt(ops.sum(ops.square(tensor), axis=axis, keepdims=keepdims))
    if isinstance(axis, tuple):
        raise NotImplementedError(f"the norm of order {ord!r} over {len(axis)} axes")
    if ord == float("inf"):
        return ops.max(size, axis=axis, keepdims=keepdims)
    total = ops.sum(size**ord, axis=axis, keepdims=keepdims)
    return total ** (1.0 / ord)


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    total = ops.sum(ops.square(x), axis=sizes(axis), keepdims=True)
    return x * ops.rsqrt(ops.maximum(total, ops.cast(epsilon, x.dtype)))


def _normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    length = _norm(tensor, ord, axis, True)
    return tensor / length, length


def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
) -> Any:
    a, b = alike(a, b)
    a = ops.swapaxes(a, -1, -2) if transpose_a or adjoint_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b or adjoint_b else b)


def _dot(x: Any, y: Any) -> Any:
    """The product over the last axis of x and the last but one of y, as `keras.backend.dot` has it."""
    x, y = alike(x, y)
    return ops.tensordot(x, y, axes=[[-1], [max(len(y.shape) - 2, 0)]])


def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    a, b = alike(a, b)
    return ops.tensordot(a, b, axes=axes)


def _add(a: Any, b: Any) -> Any:
    # On TensorFlow `ops.add` takes what looks like a bias, such as (6, 1), for one of the last axis where sizes agree.
    return ops.subtract(a, ops.negative(b))


def _add_n(inputs: Any) -> Any:
    first, *rest = inputs
    for each in rest:
        first = _add(*alike(first, each))
    return first


def _cumsum(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    line = ops.flip(x, axis) if reverse else x
    total = ops.cumsum(line, axis=axis) - (line if exclusive else ops.zeros_like(line))
    return ops.flip(total, axis) if reverse else total


def _keras2_relu(x: Any, alpha: float = 0.0, max_value: Any = None, threshold: float = 0.0) -> Any:
    high = ops.where(x > threshold, x, ops.zeros_like(x)) if threshold else ops.relu(x)
    high = high if max_value is None else ops.clip(high, 0.0, max_value)
    return high - alpha * ops.relu(threshold - x) if alpha else high


def _extreme(function: Callable) -> Callable:
    def find(input: Any, axis: int = 0, output_type: str = "int64") -> Any:
        return ops.cast(function(tensor(input), axis=axis), output_type)

    return find


_ELEMENTS = """
abs=absolute acos=arccos acosh=arccosh asin=arcsin asinh=arcsinh atan=arctan atanh=arctanh ceil conj cos cosh erf exp
expm1 floor imag is_finite=isfinite is_inf=isinf is_nan=isnan log log1p log_sigmoid logical_not negative real
reciprocal rint=round round rsqrt sigmoid sign sin sinh softplus sqrt square tan tanh
"""
_PAIRS = """
add atan2=arctan2 equal floordiv=floor_divide floormod=mod greater greater_equal less less_equal logical_and logical_or
logical_xor maximum minimum multiply not_equal pow=power subtract
"""

ARITHMETIC: dict[str, Callable] = {
    **{f"math.{name}": _element(getattr(ops, called)) for name, called in words(_ELEMENTS).items()},
    "math.erfc": lambda x: 1.0 - ops.erf(x),
    "math.reciprocal_no_nan": lambda x: _divide_no_nan(1.0, x),
    **{f"math.{name}": _pair(getattr(ops, called)) for name, called in words(_PAIRS).items()},
    "__operators__.add": _pair(_add),
    "__operators__.eq": _pair(ops.equal),
    "__operators__.ne": _pair(ops.not_equal),
    "math.truediv": _divide,
    "math.divide": _divide,
    "math.divide_no_nan": _divide_no_nan,
    "math.squared_difference": _pair(lambda x, y: ops.square(x - y)),
    "math.multiply_no_nan": _pair(lambda x, y: ops.where(ops.equal(y, ops.zeros_like(y)), ops.zeros_like(x), x * y)),
    "math.scalar_mul": lambda scalar, x: ops.multiply(*alike(scalar, x)),
    "math.add_n": _add_n,
    "math.accumulate_n": lambda inputs, shape=None, tensor_dtype=None: _add_n(inputs),
    "math.reduce_sum": _reduction(ops.sum),
    "math.reduce_mean": _reduction(ops.mean),
    "math.reduce_max": _reduction(ops.max),
    "math.reduce_min": _reduction(ops.min),
    "math.reduce_prod": _reduction(ops.prod),
    "math.reduce_std": _reduction(ops.std),
    "math.reduce_variance": _reduction(ops.var),
    "math.reduce_all": _reduction(ops.all),
    "math.reduce_any": _reduction(ops.any),
    "math.reduce_logsumexp": _reduction(ops.logsumexp),
    "math.reduce_euclidean_norm": _reduction(lambda x, **over: ops.sqrt(ops.sum(ops.square(x), **over))),
    "math.argmax": _extreme(ops.argmax),
    "math.argmin": _extreme(ops.argmin),
    "math.cumsum": _cumsum,
    "math.cumprod": lambda x, axis=0: ops.cumprod(x, axis=axis),
    "math.top_k": lambda input, k=1, sorted=True: ops.top_k(input, k, sorted=sorted),
    "math.l2_normalize": _l2_normalize,
    "linalg.normalize": _normalize,
    "norm": _norm,
    "linalg.matmul": _matmul,
    "linalg.matrix_transpose": lambda a: ops.swapaxes(a, -1, -2),
    "tensordot": _tensordot,
    "einsum": lambda equation, *inputs: ops.einsum(equation, *(tensor(each) for each in inputs)),
    "keras.backend.dot": _dot,
    "nn.relu": _element(ops.relu),
    "nn.relu6": _element(ops.relu6),
    "nn.elu": _element(ops.elu),
    "nn.selu": _element(ops.selu),
    "nn.softsign": _element(ops.softsign),
    "nn.silu": lambda features, beta=1.0: features * ops.sigmoid(beta * features),
    "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate=approximate),
    "nn.leaky_relu": lambda features, alpha=0.2: ops.where(features > 0, features, alpha * features),
    "nn.crelu": lambda features, axis=-1: ops.relu(ops.concatenate([features, -features], axis=axis)),
    "nn.softmax": lambda logits, axis=-1: ops.softmax(logits, axis=axis),
    "nn.log_softmax": lambda logits, axis=-1: ops.log_softmax(logits, axis=axis),
    "keras.activations.relu": _keras2_relu,
    "keras.activations.hard_sigmoid": lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0),
    "keras.activations.linear": lambda x: x,
    "keras.activations.elu": lambda x, alpha=1.0: ops.elu(x, alpha),
}
