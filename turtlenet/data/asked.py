"""Data of several inputs, or for several outputs, as the attacked inputs and the rows beside them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from turtlenet.data.about import VALIDATION
from turtlenet.data.given import by_name
from turtlenet.data.pixels import as_array_like, size_text
from turtlenet.errors import DataError
from turtlenet.tasks import ModelInput, Question

_PARTS = ("", "_train", "_test", *(f"_{part}" for part in VALIDATION))


def names_of(question: Question | None, output: str = "") -> set[str]:
    """Names of arrays in a file that belong to the inputs and the outputs of a model with several.

    Args:
        question: What is asked; None for one class of one input.
        output: The output that is asked, where nothing else is.
    """
    if question is None:
        return {f"{output}{part}" for part in _PARTS} if output else set()
    inputs = question.inputs if question.several else ()
    names = (*inputs, question.output) if question.output else inputs
    return {f"{name}{part}" for name in names for part in _PARTS}


def answers_of(arrays: Mapping[str, Any], output: str) -> dict[str, Any]:
    """The same arrays, with labels of an output's own name in the place of `y`, which may belong to another output.

    Args:
        arrays: By name, also with the names of parts behind.
        output: The output; empty for none.
    """
    own = {f"y{part}": arrays.get(f"{output}{part}") for part in _PARTS} if output else {}
    return {**arrays, **{name: labels for name, labels in own.items() if labels is not None}}


def asked_arrays(
    arrays: Mapping[str, Any], question: Question, name: str, parts: Sequence[str] = _PARTS
) -> dict[str, Any]:
    """Named arrays of a data set as `x` and `y` of each part; see `asked_pair`.

    Args:
        arrays: `IMAGE`, `VECTOR` and `y` for inputs of these names, or with `_train` and `_test` behind each; labels
            may also have the output's name, which comes before `y`.
        question: What is asked.
        name: What messages call the data.
        parts: What stands behind the names of the parts that are looked at.

    Raises:
        DataError: Inputs that are missing or do not fit.
    """
    found = answers_of(arrays, question.output)
    for part in parts if question.several else ():
        inputs = {each: found[f"{each}{part}"] for each in question.inputs if found.get(f"{each}{part}") is not None}
        _check_named(found.get(f"x{part}"), inputs, question, name)
        if f"y{part}" in found and f"x{part}" not in found:
            x, y = asked_pair(
                by_name(inputs, question.inputs, name + part.replace("_", " ")), found[f"y{part}"], question, name
            )
            found |= {f"x{part}": x, f"y{part}": y}
    return found


def _check_named(x: Any, inputs: Mapping[str, Any], question: Question, name: str) -> None:
    """Refuses one array for several inputs, unless it holds all that move, one behind the other."""
    packed = sum(math.prod(each.shape) for each in question.moving)
    if x is not None and not inputs and math.prod(np.shape(x)[1:]) != packed:
        raise DataError(
            f"Expected an array for each input of the model, named {', '.join(question.inputs)}, in {name}; got x, of "
            f"shape {size_text(np.shape(x)[1:])}, alone."
        )


def asked_pair(x: Any, y: Any, question: Question, name: str = "arrays") -> tuple[Any, Any]:
    """The attacked inputs as one array, and what goes beside them: the answers, with the held inputs in a pair.

    Args:
        x: One array; of several inputs, a dict by their names or a tuple in the model's order.
        y: True answers, or a dict of them by the outputs' names.
        question: What is asked.
        name: What messages call the data.

    Raises:
        DataError: Inputs or outputs that are missing or do not fit.
    """
    if isinstance(y, Mapping):
        if question.output not in y:
            raise DataError(f"Expected labels of output {question.output!r} in {name}; got {', '.join(map(str, y))}.")
        y = y[question.output]
    if not question.several:
        if isinstance(x, Mapping):
            x = by_name(x, question.inputs, name)[question.inputs[0]]
        return x, y
    given = by_name(x, question.inputs, name)
    parts = {each.name: _checked(given[each.name], each, name) for each in (*question.moving, *question.held)}
    counts = {key: len(part) for key, part in parts.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{count:,} of {key}" for key, count in counts.items())
        raise DataError(f"Expected as many examples of each input; got {shown} in {name}.")
    moved = question.packed(parts)
    return moved, (question.packed(parts, held=True), y) if question.held else y


def _checked(values: Any, each: ModelInput, name: str) -> Any:
    """One input as an array of its shape."""
    found = as_array_like(values, name)
    if found.dtype.kind not in "buif":
        raise DataError(f"Expected numbers for input {each.name}; got {found.dtype} in {name}.")
    found = np.asarray(found[:])
    own = found.shape[1:]
    if own != each.shape and found[:1].size != each.size:
        raise DataError(
            f"Expected input {each.name} of shape {size_text(each.shape)}; got {size_text(own) or 'one'} in {name}."
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise DataError(f"Expected finite values of input {each.name}; got others in {name}.")
    if not each.dtype.startswith(("float", "bfloat")) and np.abs(found).max(initial=0) > 2**24:
        raise DataError(f"Expected whole numbers up to {2**24:,} for input {each.name}; got larger ones in {name}.")
    return found.reshape(len(found), *each.shape)
