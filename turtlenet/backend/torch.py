"""The seam for PyTorch.

Everything runs eagerly: a compiled function is the function itself without a recording of gradients around it, and a
loop is one of Python's. Where a gradient is asked for, it is recorded from that input or those weights on and nowhere
else, so no weight gradient is ever computed for an attack. `torch.compile` stays off: on a CPU one graph of a
small network costs as much processor time as thousands of steps of an attack (docs/benchmarks.md).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import torch
from keras import ops, tree

from turtlenet.backend.batches import pipeline
from turtlenet.backend.torch_convolution import OwnConvolutions
from turtlenet.backend.torch_devices import added_up, device

__all__ = [
    "Steps",
    "apply_gradients",
    "checkpoint_arrays",
    "compiled",
    "elementwise",
    "input_gradient",
    "input_gradients",
    "loop",
    "pipeline",
    "pullback",
    "sum_over",
    "weight_gradients",
    "word",
]


def input_gradient(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates the sum of a per-example loss at its input; see the TensorFlow seam."""
    # Inside of another gradient this one is differentiated in its turn.
    nested = _recorded(x)
    with torch.enable_grad(), _recording:
        point = _point(x, nested)
        loss, rest = fn(point)
        slope = _slope(loss.sum(), point, nested)
    return (loss, rest, slope) if nested else _detached((loss, rest, slope))


def input_gradients(fn: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any, Any]:
    """Differentiates each of a few outputs at its input; see the TensorFlow seam."""
    nested = _recorded(x)
    with torch.enable_grad(), _recording:
        point = _point(x, nested)
        outputs, rest = fn(point)
        totals = outputs.sum(dim=0)
        slopes = torch.stack([_slope(total, point, nested, again=True) for total in totals], dim=1)
    return (outputs, rest, slopes) if nested else _detached((outputs, rest, slopes))


def weight_gradients(
    fn: Callable[[], tuple[Any, Any]], weights: Sequence[Any], at: Sequence[Any] | None = None, keep: bool = True
) -> tuple[Any, Any, list[Any]]:
    """Differentiates a scalar loss with respect to Keras variables; see the TensorFlow seam."""
    # The parameters themselves where they will do: a module of PyTorch within a model reads no others.
    values = [
        value if at is None and value.requires_grad else value.detach().requires_grad_()
        for value in (at or [weight.value for weight in weights])
    ]
    changes: dict[int, Any] = {}
    others = [pair for pair in zip(weights, values, strict=True) if pair[0].value is not pair[1]]
    overlay = _Overlay(others, changes)
    with torch.enable_grad(), _recording, overlay, OwnConvolutions():
        loss, rest = fn()
        slopes = torch.autograd.grad(loss, values, allow_unused=True)
    for variable, value in changes.values() if keep else ():
        variable.assign(value)
    return loss.detach(), _detached(rest), list(slopes)


class _Recording(threading.local):
    """Whether gradients are being recorded for a gradient around."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


_recording = _Recording()


class _Overlay(keras.StatelessScope):
    """Values in place of variables, and what is assigned meanwhile, with the variables that it is assigned to."""

    def __init__(self, pairs: list[tuple[Any, Any]], changes: dict[int, Any]):
        super().__init__(pairs, collect_losses=True, initialize_variables=False)
        self.changes = changes

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Keras's word for an assignment."""
        variable, value = update
        # No step depends on how a moving statistic was computed, and its graph would grow from step to step.
        super().add_update((variable, value.detach()))
        self.changes[id(variable)] = (variable, value.detach())


def apply_gradients(optimizer: Any, gradients: Sequence[Any], weights: Sequence[Any]) -> None:
    """Lets a Keras optimizer take a step, on all processes' gradients where several train together."""
    with torch.no_grad():
        optimizer.apply(added_up(gradients), weights)


def pullback(fn: Callable[[Any], Any], x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Gives `fn(x)`, and what takes a slope at that result to the slope at `x`; see the TensorFlow seam."""
    nested = _recorded(x)
    with torch.enable_grad():
        point = _point(x, nested)
        y = fn(point)

    def back(slope: Any) -> Any:
        if not y.requires_grad:
            return torch.zeros_like(point)
        return torch.autograd.grad(
            y, point, slope, retain_graph=True, create_graph=nested, allow_unused=True, materialize_grads=True
        )[0]

    return y if nested else y.detach(), back


def _recorded(x: Any) -> bool:
    """Whether what is computed of `x` is recorded for a gradient around."""
    return torch.is_grad_enabled() and (x.requires_grad or _recording.depth > 0)


def _point(x: Any, nested: bool) -> Any:
    return x.view_as(x) if nested and x.requires_grad else x.detach().requires_grad_()


def _slope(total: Any, point: Any, nested: bool, again: bool = False) -> Any:
    if not total.requires_grad:
        return torch.zeros_like(point)
    return torch.autograd.grad(
        total,
        point,
        retain_graph=nested or again,
        create_graph=nested,
        allow_unused=True,
        materialize_grads=True,
    )[0]


def _detached(values: Any) -> Any:
    return tree.map_structure(lambda value: value.detach() if torch.is_tensor(value) else value, values)


def sum_over(count: int, fn: Callable[[Any], list[Any]], like: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Adds up `fn(0)`, ..., `fn(count - 1)` one after the other; see the TensorFlow seam."""
    sums = [torch.zeros_like(variable.value) for variable in like]
    for number in range(count):
        sums = [total + part for total, part in zip(sums, fn(number), strict=True)]
    return sums


def compiled(fn: Callable[..., Any], variables: Callable[[], Sequence[Any]] = lambda: ()) -> Callable[..., Any]:
    """The function itself, in which nothing is recorded but where a gradient is asked for.

    Args:
        fn: The function.
        variables: Gives the Keras variables that it may read or change; here they are read where they lie.
    """

    def call(*args: Any) -> Any:
        with torch.no_grad():
            return fn(*tree.map_structure(_tensor, args))

    return call


def _tensor(value: Any) -> Any:
    return ops.convert_to_tensor(value) if hasattr(value, "__array__") else value


def elementwise(fn: Callable[..., Sequence[Any]]) -> Callable[..., list[Any]]:
    """A function that works element by element; nothing is traced here."""

    def call(*args: Any) -> list[Any]:
        with torch.no_grad():
            return list(fn(*map(ops.convert_to_tensor, args)))

    return call


def word(value: Any) -> Any:
    """The last 32 bits of whole numbers: Keras keeps uint32 in int64 here, where sums do not wrap."""
    return torch.bitwise_and(value, 0xFFFFFFFF)


def loop(steps: Any, body: Callable[[Any, Any], Any], state: Any, until: Callable[[Any], Any] | None = None) -> Any:
    """Runs `state = body(step, state)` for `steps` steps, or until `until(state)`; see the TensorFlow seam."""
    state = tree.map_structure(ops.convert_to_tensor, state)
    done, last = 0, int(steps)
    while done < last and not (until is not None and bool(until(state))):
        moved = body(torch.tensor(done, dtype=torch.int32, device=device()), state)
        # A Python number in the state takes the type that it began with.
        state = tree.map_structure(lambda old, new: ops.cast(new, old.dtype), state, moved)
        done += 1
    return ops.convert_to_tensor(done, "int32"), state


class Steps:
    """Gives a `keras.Model` its steps from `learn(data)` and `judge(data)`, which may change any variable."""

    def train_step(self: Any, data: Any) -> Any:
        """Keras's word for a step of training."""
        with torch.no_grad():
            return self.learn(tree.map_structure(_tensor, data))

    def test_step(self: Any, data: Any) -> Any:
        """Keras's word for a step of validation."""
        with torch.no_grad():
            return self.judge(tree.map_structure(_tensor, data))


def checkpoint_arrays(prefix: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """Reads arrays from a checkpoint of TensorFlow, with TensorFlow; see its seam."""
    # Imported when there is such a file to read, as it takes seconds.
    from turtlenet.backend.tensorflow import checkpoint_arrays as read

    return read(prefix, keys)
