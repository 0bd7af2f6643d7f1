"""Refuses a description that is too large or too deep to be a model's, before anything is made of it."""

from typing import Any

from turtlenet.errors import ModelError

__all__ = ["check_limits"]

# Far above what any real model says: ResNet-152 nests 10 deep and has some 60,000 values.
_DEEPEST = 120
_MOST_VALUES = 5_000_000
_LARGEST = 2**40


def check_limits(config: Any) -> None:
    """Looks at a description as a whole.

    Raises:
        ModelError: Deeper than 120, more than 5 million values, or a number that no layer can mean.
    """
    count = 0
    waiting: list[tuple[Any, int]] = [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST:
            raise ModelError(f"Expected a model's description nested at most {_DEEPEST} deep; this one is deeper.")
        if count > _MOST_VALUES:
            raise ModelError(f"Expected a model's description of at most {_MOST_VALUES:,} values; this one has more.")
        if isinstance(value, dict):
            # Keras numbers shared objects by their place in memory.
            waiting.extend((each, depth + 1) for key, each in value.items() if key != "shared_object_id")
        elif isinstance(value, list):
            waiting.extend((each, depth + 1) for each in value)
        elif isinstance(value, int) and abs(value) > _LARGEST:
            raise ModelError(f"Expected numbers that a layer can mean; got {str(value)[:30]}.")
