"""Refuses a description that is too large or too deep to be a model's, before anything is made of it."""

import re
from typing import Any

from turtlenet.errors import ModelError

# Far above what any real model says: ResNet-152 nests 10 deep, has 500 layers and some 60,000 values.
_DEEPEST = 120
_MOST_VALUES = 5_000_000
_MOST_PARTS = 500_000
_MOST_CALLS = 20_000
_LARGEST = 2**40
_LARGEST_COUNT = 100_000
# These say how often something is done or listed, not how large a tensor is: building takes as long as they ask for.
_COUNTS = frozenset(
    (
        *("num", "num_split", "num_or_size_splits", "indices_or_sections", "sections", "depth_radius"),
        *("num_ops", "num_thresholds", "num_classes", "ngrams", "num_oov_indices", "num_mel_bins", "fft_length"),
    )
)
# These are no sizes: any integer is fine. Keras numbers shared objects by their place in memory.
_FREE = frozenset(("seed", "salt", "vocabulary", "mask_value", "mask_token", "oov_token", "value", "shared_object_id"))
_NUMBERS = r"bool|u?int(8|16|32|64)|b?float(16|32|64)|float8_e\dm\d(fn)?"
_NAMES = frozenset(("class_name", "module", "registered_name", "name"))
_LAYERS = frozenset(("layers", "layer", "backward_layer", "cell", "cells"))


def check_limits(config: Any) -> None:
    """Looks at a description as a whole.

    Raises:
        ModelError: Deeper than 120, more than 5 million values or 20,000 calls of layers, a number that no layer can
            mean, or a name that cannot be printed.
    """
    values = parts = 0
    waiting: list[tuple[Any, int, str]] = [(config, 0, "")]
    while waiting:
        value, depth, key = waiting.pop()
        values += 1
        if depth > _DEEPEST:
            raise ModelError(f"Expected a model's description nested at most {_DEEPEST} deep; this one is deeper.")
        if isinstance(value, dict):
            parts += 1
            _check_array(value)
            waiting.extend((each, depth + 1, name) for name, each in value.items())
        elif isinstance(value, list):
            parts += 1
            waiting.extend((each, depth + 1, key) for each in value)
        else:
            _check_value(key, value)
        if values > _MOST_VALUES or parts > _MOST_PARTS or len(waiting) > _MOST_VALUES:
            raise ModelError(
                f"Expected a model's description of at most {_MOST_VALUES:,} values in {_MOST_PARTS:,} lists and "
                "dicts; this one has more."
            )
    if _calls(config, "layers") > _MOST_CALLS:
        raise ModelError(f"Expected a model of at most {_MOST_CALLS:,} calls of layers; this one has more.")


def _check_array(value: dict[str, Any]) -> None:
    """An array of texts may be as long as it likes to say; no setting of a layer is one."""
    inner = value.get("config")
    if value.get("class_name") not in ("__numpy__", "__tensor__") or not isinstance(inner, dict):
        return
    dtype = inner.get("dtype", "float32")
    if not isinstance(dtype, str) or not re.fullmatch(_NUMBERS, dtype):
        raise ModelError(f"Expected an array of numbers; got one of {str(dtype)[:30]!r}.")


def _check_value(key: str, value: Any) -> None:
    if isinstance(value, int) and key not in _FREE:
        most = _LARGEST_COUNT if key in _COUNTS else _LARGEST
        if abs(value) > most:
            raise ModelError(f"Expected numbers that a layer can mean; got {key[:30]!r} of {str(value)[:30]}.")
    elif isinstance(value, str) and key in _NAMES and not value.isprintable():
        raise ModelError(f"Expected names that can be printed; got {value[:60]!r}.")


def _calls(value: Any, key: str) -> int:
    """How many times a layer is called. A model within a model multiplies: ten calls of ten calls of ten calls."""
    if isinstance(value, list):
        return sum(_calls(each, key) for each in value)
    if not isinstance(value, dict):
        return 0
    inside = sum(_calls(each, name) for name, each in value.items() if isinstance(each, (dict, list)))
    nodes = value.get("inbound_nodes")
    own = 1 if key in _LAYERS else 0
    return (own + inside) * max(1, len(nodes) if isinstance(nodes, list) else 1)
