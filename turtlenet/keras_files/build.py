"""Builds a Keras 3 model from an upgraded description, and holds its size against the file before memory is spent."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.saving.serialization_lib import SafeModeScope

from turtlenet.errors import ModelError, an
from turtlenet.keras_files.legacy.rules import Json
from turtlenet.keras_files.recurrent_state import give_states, take_states
from turtlenet.keras_files.weights.match import Pair

# Numbers for one example: 256 GiB.
_LARGEST_OUTPUT = 2**36
_MOST_STEPS = 5_000


def build(
    config: Json,
    custom: Mapping[str, Any],
    pair: Callable[[keras.Model], list[Pair]],
    *,
    trust: bool = False,
) -> keras.Model:
    """Builds a model and gives every variable its array.

    Args:
        config: The model in the form of Keras 3.
        custom: Classes and functions by name.
        pair: Maps the model, whose variables have shapes only, to variables and their arrays.
        trust: Whether code in the description may run.

    Raises:
        ModelError: What `pair` raises, or what Keras says of a description that it cannot build, in one line.
    """
    stateful = take_states(config)
    # Within the scope variables have shapes and no values: a description that asks for terabytes costs nothing.
    try:
        with keras.StatelessScope():
            try:
                model = _deserialized(config, custom, trust)
                if not isinstance(model, keras.Model):
                    raise ModelError(f"Expected a model; the file describes {an(type(model).__name__)}.")
                _check_outputs(model)
                _check_scales(model)
                pairs = [each for each in pair(model) if not start_from(*each)]
            except BaseException:
                # Without this the scope would make what was refused as it ends.
                _forget()
                raise
        put(pairs)
        finish(model)
        give_states(model, stateful)
    except ModelError:
        raise
    except Exception as error:
        # An initializer that does not fit its variable, or an array that cannot be read.
        _forget()
        raise ModelError(f"Expected a model that Keras {keras.version()} can build; {reason(error)}.") from None
    if not model.built:
        raise ModelError("Expected a model that says the shape of its input; the file's does not.")
    return model


def finish(model: keras.Model) -> None:
    """Lets layers that work something out from their weights once (`Normalization`) do so again."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _forget() -> None:
    """Drops the variables that wait for their values: the next model to be built would make them."""
    global_state.set_global_attribute("uninitialized_variables", [])


def start_from(variable: Any, array: Any) -> bool:
    """Gives a variable that still waits for its value this one instead of random numbers, which take their time."""
    if getattr(variable, "_value", variable) is not None or not callable(getattr(variable, "_initializer", None)):
        return False

    def given(_: Any, dtype: Any = None) -> Any:
        return keras.ops.convert_to_tensor(array[()], dtype=dtype)

    variable._initializer = given
    return True


def _check_scales(model: keras.Model) -> None:
    """Refuses a `Rescaling` by what is no number: Keras looks at it in the first call only."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Rescaling):
            for name in ("scale", "offset"):
                given = np.asarray(getattr(layer, name))
                if given.dtype.kind not in "fiu" or not np.isfinite(given).all():
                    raise ModelError(f"Expected numbers for {name} of layer {layer.name!r}; got {given.tolist()!r}.")


def _check_outputs(model: keras.Model) -> None:
    """Refuses layers whose output for one example no memory holds, and those that would be built for hours."""
    for layer in model._flatten_layers():
        nodes = getattr(layer, "_inbound_nodes", ())
        for tensor in (tensor for node in nodes for tensor in node.output_tensors):
            if math.prod(size for size in tensor.shape if size is not None) > _LARGEST_OUTPUT:
                raise ModelError(f"Expected outputs that memory can hold; layer {layer.name!r} gives {tensor.shape}.")
        if getattr(layer, "unroll", False) is True and any(_steps(node) > _MOST_STEPS for node in nodes):
            raise ModelError(f"Expected at most {_MOST_STEPS:,} steps to unroll; layer {layer.name!r} has more.")


def _steps(node: Any) -> int:
    shape: tuple[int | None, ...] = node.input_tensors[0].shape if node.input_tensors else ()
    return shape[1] or 0 if len(shape) > 1 else 0


def put(pairs: list[Pair]) -> None:
    """Assigns each array to its variable."""
    for variable, array in pairs:
        variable.assign(array[()])


def _deserialized(config: Json, custom: Mapping[str, Any], trust: bool) -> Any:
    try:
        # The scope holds for models within models, and against a program that switched Keras's own guard off.
        with SafeModeScope(not trust):
            return keras.saving.deserialize_keras_object(config, custom_objects=dict(custom))
    except ModelError:
        raise
    except RecursionError:
        raise ModelError("Expected a model that Keras can build; this one nests too deep.") from None
    except Exception as error:
        raise ModelError(f"Expected a model that Keras {keras.version()} can build; {reason(error)}.") from None


def reason(error: BaseException) -> str:
    """Keras's own words in one line: the first sentence of the innermost exception."""
    text = str(error)
    for mark in ("Exception encountered:", "Error when deserializing class"):
        if mark in text:
            text = text.rpartition(mark)[2]
    text = " ".join(text.split()).partition(". ")[0]
    return f"it said: {text[:200].rstrip('.')}" if text else f"it raised {type(error).__name__}"
