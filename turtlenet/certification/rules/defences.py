"""Defences: the exact image of a box behind a quantizer, and what a key moves, mirrors and mixes."""

import math
from typing import Any

import numpy as np
from keras import ops

from turtlenet.certification.elementwise import Elementwise
from turtlenet.certification.rules.activations import signs
from turtlenet.certification.rules.base import rule
from turtlenet.certification.steps import Affine, Movement, Step
from turtlenet.defences import Defence, Orthogonal, Permutation, Sign, SignFlip
from turtlenet.errors import ModelError

# Of a matrix of the size of an image, squared: 4,096 values take 64 MiB.
_MOST_VALUES = 4096
# A float32 sigmoid with a sharpness of 50 rounds its argument first, by 50 units in the last place.
_QUANTIZER = 2e-6


def reachable(layer: Any) -> list[Step]:
    """The steps of a defence that says what it can give for a box: an elementwise, nondecreasing one."""
    sharpness = 0.0 if getattr(layer, "hard", False) else getattr(layer, "sharpness", 1.0)
    return [
        Elementwise(
            layer.outputs,
            error=_QUANTIZER * max(1.0, sharpness / 10.0) if sharpness else 0.0,
            levels=2 if getattr(layer, "hard", False) and layer.steps == 1 else 0,
            preimage=layer.preimage,
        )
    ]


@rule(Sign)
def _sign(layer: Any) -> list[Step]:
    return [signs()]


@rule(Permutation)
def _permutation(layer: Any) -> list[Step]:
    return [Movement(layer.forward, once=True)]


@rule(SignFlip)
def _sign_flip(layer: Any) -> list[Step]:
    middle = abs(layer.low + layer.high)

    def bias() -> Any:
        return ops.convert_to_tensor(middle, "float32")

    return [Affine(layer.forward, lambda radius: radius, terms=2, bias=bias, stretch=lambda order: 1.0)]


@rule(Orthogonal)
def _orthogonal(layer: Any) -> list[Step]:
    size = math.prod(layer.element)
    if size > _MOST_VALUES:
        raise ModelError(
            f"Expected images of at most {_MOST_VALUES:,} values to bound {layer.name!r}, an orthogonal transform; "
            f"got {size:,}."
        )
    zero = ops.convert_to_numpy(layer.defend(ops.zeros((1, *layer.element), "float32")))
    units = np.eye(size, dtype="float32").reshape(-1, *layer.element)
    matrix = np.abs(ops.convert_to_numpy(layer.defend(units)) - zero).reshape(size, size)
    # What the matrix's own rounding may have taken away.
    matrix = matrix + 1e-6 * max(1.0, float(np.abs(zero).max()))
    middle = abs(layer.low + layer.high)

    def magnitude(radius: Any) -> Any:
        flat = ops.matmul(ops.reshape(radius, (-1, size)), ops.convert_to_tensor(matrix, "float32"))
        return ops.reshape(flat, (-1, *layer.element))

    def bias() -> Any:
        # The middle of the bounds is taken off and put back.
        return magnitude(ops.full((1, *layer.element), middle, "float32")) + middle

    # Twice there and back, in as many stages as the size has powers of two, or a sum over a block.
    terms = 4 * (size.bit_length() if layer.transform == "hadamard" else layer.block * len(layer.grid)) + 8

    # An orthogonal matrix keeps Euclidean lengths, all but rounding.
    def stretch(order: float) -> float | None:
        return 1.00001 if order == 2 else None

    return [Affine(layer.forward, magnitude, terms=terms, bias=bias, stretch=stretch)]


def is_reachable(layer: Any) -> bool:
    """Whether `reachable` serves a layer."""
    return isinstance(layer, Defence) and layer.has_reachable
