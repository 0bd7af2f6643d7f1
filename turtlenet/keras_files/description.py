"""Reads names, shapes and ranges out of the description that Keras writes into a model file."""

import math
from collections.abc import Iterator
from typing import Any

Shape = tuple[int | None, ...]

# Pixels of 8 bits, of none, and of 16, 12 and 10 bits, as cameras and scanners give them.
_PIXELS = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (0.0, 65535.0), (0.0, 4095.0), (0.0, 1023.0))
_EXPECTED = ((0.0, 1.0), (-1.0, 1.0))


def layers(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and class of each top-level layer."""
    return [(str(_inner(item).get("name", "?")), str(item.get("class_name", "?"))) for item in _layer_configs(config)]


def input_shape(config: dict[str, Any]) -> Shape | None:
    """Shape of the first input, the batch in front; None where the description has none."""
    for item in _layer_configs(config):
        inner = _inner(item)
        shape = inner.get("batch_shape") or inner.get("batch_input_shape")
        if isinstance(shape, list):
            return tuple(shape)
        if nested := input_shape(item):
            return nested
        break
    return None


def input_range(config: dict[str, Any]) -> tuple[float, float] | None:
    """The pixel range that the first layer, if it is a `Rescaling`, brings to [0, 1] or [-1, 1]."""
    first = next((item for item in _layer_configs(config) if item.get("class_name") != "InputLayer"), None)
    if first is None:
        return None
    if first.get("class_name") != "Rescaling":
        return input_range(first)
    scale, offset = _inner(first).get("scale"), _inner(first).get("offset")
    if not isinstance(scale, (int, float)) or not isinstance(offset, (int, float)):
        return None
    for low, high in _PIXELS:
        scaled = (low * scale + offset, high * scale + offset)
        if any(math.dist(scaled, wanted) < 0.01 for wanted in _EXPECTED):
            return low, high
    return None


def label(value: Any) -> str | None:
    """The first name in a description of an optimizer or a loss."""
    return next(labels(value), None)


def labels(value: Any) -> Iterator[str]:
    """The names in a description of metrics, which Keras nests by output."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from labels(item)
    elif isinstance(value, dict) and "class_name" in value:
        inner = value.get("config")
        if value["class_name"] == "function":
            yield str(inner)
        elif value["class_name"] == "MeanMetricWrapper" and isinstance(inner, dict):
            yield str(inner.get("name"))
        else:
            yield str(value["class_name"]).rpartition(">")[2]
    elif isinstance(value, dict):
        for item in value.values():
            yield from labels(item)


def _layer_configs(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers in a model's description; before Keras 2.2.3, a Sequential was a bare list of them."""
    inner = config.get("config")
    listed = inner if isinstance(inner, list) else inner.get("layers") if isinstance(inner, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _inner(item: dict[str, Any]) -> dict[str, Any]:
    inner = item.get("config")
    return inner if isinstance(inner, dict) else {}
