"""Operations of `keras.ops` in the graph of a model, such as those that a head is made of."""

from collections.abc import Callable, Sequence
from typing import Any

from turtlenet.certification.rules.activations import hyperbolic, rectified, sigmoid
from turtlenet.certification.steps import Affine, Movement, Step

_MOVES = {
    "Cast",
    "Concatenate",
    "Flatten",
    "GetItem",
    "Identity",
    "Moveaxis",
    "Pad",
    "Ravel",
    "Reshape",
    "Squeeze",
    "Stack",
    "Transpose",
    "ZerosLike",
}
_FUNCTIONS: dict[str, Callable[[], Step]] = {"Relu": rectified, "Sigmoid": sigmoid, "Tanh": hyperbolic}


def steps_of_operation(operation: Any, call: Callable[..., Any], inputs: int) -> Sequence[Step] | None:
    """The steps of an operation; None where it has no rule.

    Args:
        operation: The operation.
        call: The operation with its other arguments: a function of its tensors.
        inputs: How many tensors it takes.
    """
    name = type(operation).__name__
    if not type(operation).__module__.startswith("keras.src.ops"):
        return None
    if name in _MOVES:
        return [Movement(call)]
    if name in _FUNCTIONS:
        return [_FUNCTIONS[name]()]
    if name == "Add" and inputs == 2:
        return [Affine(call, call, terms=2)]
    if name == "Subtract" and inputs == 2:
        return [Affine(call, lambda one, other: one + other, terms=2)]
    return None
