"""Convolutions on a CPU, where XLA's own are slow.

XLA computes the gradient at the input of a strided convolution as a convolution of slopes with zeros between them, and
one whose kernel covers its whole input as a convolution of what is mostly padding: it multiplies by all those zeros.
Here the first is a convolution without a stride that gives each block of stride x stride pixels as channels, and the
second a matrix product. JAX takes no rule of ours for one function alone, so the traced function is rewritten.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp
from jax.extend import core

_CONVOLUTION = core.primitives.conv_general_dilated_p
# A kernel of up to this many channels leaves most of a vector register empty; XLA's zeros cost less there.
_THIN = 4


def own_convolutions(closed: Any) -> Any:
    """The same traced function, with these in place of XLA's convolutions; functions within it too."""
    equations = [each for equation in closed.jaxpr.eqns for each in _rewritten(equation)]
    changed = len(equations) != len(closed.eqns) or any(map(operator.is_not, equations, closed.eqns))
    return closed.replace(jaxpr=closed.jaxpr.replace(eqns=equations)) if changed else closed


def _rewritten(equation: Any) -> list[Any]:
    """The operations that do what one did."""
    if (rule := _rule(equation)) is not None:
        return _traced(rule, equation)
    params = {name: _within(value) for name, value in equation.params.items()}
    changed = any(value is not equation.params[name] for name, value in params.items())
    return [equation.replace(params=params) if changed else equation]


def _within(value: Any) -> Any:
    """A parameter of an operation: a traced function, as of `jit` or `while_loop`, several of them as of `cond`."""
    if isinstance(value, core.ClosedJaxpr):
        return own_convolutions(value)
    if isinstance(value, tuple):
        parts = tuple(map(_within, value))
        return parts if any(map(operator.is_not, parts, value)) else value
    return value


def _traced(rule: Callable[..., Any], equation: Any) -> list[Any]:
    """The operations of a rule, on the variables of the operation in whose place they stand."""
    given = [jax.ShapeDtypeStruct(each.aval.shape, each.aval.dtype) for each in equation.invars]
    traced = jax.make_jaxpr(functools.partial(_channels_last, rule, equation))(*given)
    names = dict(zip(traced.jaxpr.invars, equation.invars, strict=True))
    names[traced.jaxpr.outvars[0]] = equation.outvars[0]

    def renamed(parts: Sequence[Any]) -> list[Any]:
        return [part if isinstance(part, core.Literal) else names.get(part, part) for part in parts]

    return [each.replace(invars=renamed(each.invars), outvars=renamed(each.outvars)) for each in traced.eqns]


def _rule(equation: Any) -> Callable[..., Any] | None:
    """What computes an operation in place of XLA; None for XLA itself."""
    if equation.primitive is not _CONVOLUTION:
        return None
    params = equation.params
    numbers, stride = params["dimension_numbers"], params["lhs_dilation"]
    x, kernel, y = (each.aval for each in (*equation.invars, *equation.outvars))
    plain = params["feature_group_count"] == params["batch_group_count"] == max(params["rhs_dilation"]) == 1
    if not plain or not x.dtype == kernel.dtype == y.dtype == "float32":
        return None
    before, size, after = (
        [each.shape[axis] for axis in spec[2:]]
        for each, spec in ((x, numbers.lhs_spec), (kernel, numbers.rhs_spec), (y, numbers.out_spec))
    )
    # With zeros between its pixels the input is larger than the kernel, whatever a stride leaves of the output.
    covers = before == size and max(stride) == 1 and not any(map(any, params["padding"]))
    if covers and max(after) == 1:
        return _whole
    if max(params["window_strides"]) > 1:
        return None
    if max(before) == 1:
        return _from_one
    wide = kernel.shape[numbers.rhs_spec[0]] > _THIN
    return _in_blocks if wide and max(stride) > 1 and all(map(_pays, size, stride)) else None


def _pays(size: int, stride: int) -> bool:
    """Whether a kernel fills a few blocks: one of 3 pixels takes 4 at a stride of 2, and more products than XLA's."""
    return size >= 2 * stride


def _channels_last(rule: Callable[..., Any], equation: Any, x: Any, kernel: Any) -> Any:
    """Calls a rule with an input (batch, *pixels, channels) and a kernel (*places, channels, filters).

    It is given the stride and, for each axis, where the output starts in the sum of all shifted kernels, and its size.
    """
    params = equation.params
    numbers = params["dimension_numbers"]
    batch, channels, *space = numbers.lhs_spec
    filters, depth, *places = numbers.rhs_spec
    x, kernel = x.transpose(batch, *space, channels), kernel.transpose(*places, depth, filters)
    start = [size - 1 - low for size, (low, _) in zip(kernel.shape, params["padding"], strict=False)]
    after = [equation.outvars[0].aval.shape[axis] for axis in numbers.out_spec[2:]]
    y = rule(x, kernel, params["lhs_dilation"], start, after)
    return jnp.moveaxis(y, (0, y.ndim - 1, *range(1, y.ndim - 1)), numbers.out_spec)


def _whole(x: Any, kernel: Any, stride: Sequence[int], start: Sequence[int], size: Sequence[int]) -> Any:
    """A kernel that covers the input, which gives one pixel."""
    y = x.reshape(len(x), -1) @ kernel.reshape(-1, kernel.shape[-1])
    return y.reshape(len(x), *size, -1)


def _from_one(x: Any, kernel: Any, stride: Sequence[int], start: Sequence[int], size: Sequence[int]) -> Any:
    """An input of one pixel: each pixel of the output is its product with one place of the kernel."""
    kernel = _part(lax.rev(kernel, range(len(size))), start, size, first=0)
    y = x.reshape(len(x), -1) @ jnp.moveaxis(kernel, -2, 0).reshape(x.shape[-1], -1)
    return y.reshape(len(x), *size, -1)


def _in_blocks(x: Any, kernel: Any, stride: Sequence[int], start: Sequence[int], size: Sequence[int]) -> Any:
    """A convolution of pixels with zeros between them, for all places of a block of outputs at once.

    Pixel j of `x` meets place t of the turned kernel at output stride*j + t. With t = stride*p + r that is place r of
    block j + p: a convolution over p, with a channel for each r.
    """
    space = range(len(size))
    steps = [-(-kernel.shape[axis] // stride[axis]) for axis in space]
    missing = [steps[axis] * stride[axis] - kernel.shape[axis] for axis in space]
    kernel = jnp.pad(kernel, [*((more, 0) for more in missing), (0, 0), (0, 0)])
    kernel = kernel.reshape(*(part for pair in zip(steps, stride, strict=True) for part in pair), *kernel.shape[-2:])
    across, within = [2 * axis for axis in space], [2 * axis + 1 for axis in space]
    kernel = lax.rev(kernel, within).transpose(*across, kernel.ndim - 2, *within, kernel.ndim - 1)
    kernel = kernel.reshape(*steps, x.shape[-1], -1)

    first = [start[axis] // stride[axis] for axis in space]
    last = [(start[axis] + size[axis] - 1) // stride[axis] for axis in space]
    padding = [(steps[axis] - 1 - first[axis], last[axis] - x.shape[axis + 1] + 1) for axis in space]
    batch, *blocks, channels = range(x.ndim)
    layout = lax.ConvDimensionNumbers(
        (batch, channels, *blocks), (channels, channels - 1, *space), (batch, channels, *blocks)
    )
    y = lax.conv_general_dilated(x, kernel, [1] * len(size), padding, dimension_numbers=layout)

    y = y.reshape(*y.shape[:-1], *stride, -1)
    y = y.transpose(0, *(axis for each in blocks for axis in (each, each + len(size))), y.ndim - 1)
    y = y.reshape(len(x), *((last[axis] - first[axis] + 1) * stride[axis] for axis in space), -1)
    return _part(y, [start[axis] - first[axis] * stride[axis] for axis in space], size, first=1)


def _part(x: Any, start: Sequence[int], size: Sequence[int], first: int) -> Any:
    """So many places of each axis from `first` on; zeros beyond them."""
    asked = [(-low, low + wide - there) for low, wide, there in zip(start, size, x.shape[first:], strict=False)]
    cut = [(0, 0)] * first + asked + [(0, 0)] * (x.ndim - first - len(size))
    return lax.pad(x, jnp.zeros((), x.dtype), [(low, high, 0) for low, high in cut])
