"""Frozen results as JSON, and back."""

import dataclasses
import json
import re
import types
import typing
from typing import Any


def dump(data: dict[str, Any]) -> str:
    """JSON with a line for each entry, but lists of numbers on one line: they may be as long as the data set.

    >>> print(dump({"eps": 0.3, "labels": [1, 2]}))
    {
     "eps": 0.3,
     "labels": [ 1, 2 ]
    }
    """
    text = json.dumps(data, indent=1, allow_nan=False)
    return re.sub(r"\[(?:[-\d.e,\s]|null)*\]", lambda match: re.sub(r"\s+", " ", match[0]), text)


def read(kind: Any, value: Any) -> Any:
    """Builds a value of an annotated type from what JSON made of it; fields that the type lacks are left out.

    >>> read(tuple[int, ...], [1, 2])
    (1, 2)
    """
    origin = typing.get_origin(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {item.name for item in dataclasses.fields(kind)}
        return kind(**{name: read(hints[name], item) for name, item in value.items() if name in known})
    if origin is tuple:
        inner = typing.get_args(kind)
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return tuple(read(one, item) for one, item in zip(kinds, value, strict=True))
    if origin in (typing.Union, types.UnionType) and value is not None:
        return read(typing.get_args(kind)[0], value)
    return value
