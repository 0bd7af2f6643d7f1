"""Puts defences around a loaded model, and finds them again."""

import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from turtlenet.defences import Conversion, Defence, Differentiable, defences
from turtlenet.errors import ModelError, SpecError
from turtlenet.keras_files.compiled.live import compile_like, uncompiled
from turtlenet.models.classifier import check_numbers, pixel_bounds
from turtlenet.registry import takes


def wrap(
    model: keras.Model, layers: Sequence[str | Defence | Conversion], bounds: tuple[Any, Any] | None = None
) -> keras.Model:
    """Puts defences in front of a model, which keeps its variables and its compiled state.

    Features of different units cannot be mixed, mirrored or rounded as they are. So where bounds differ, the defences
    of specs see each feature in units of its own bounds, 0 to 1: a `keras.layers.Normalization` stands before them,
    and its inverse behind them.

    Args:
        model: A built model with one input.
        layers: Defences or their specs, from the input on.
        bounds: Smallest and largest value, for the specs: two numbers, or arrays that broadcast to an input; None
            tells them from the model.

    Returns:
        A functional model of the same inputs and outputs, with the model given as its last layer, or one with other
        layers in it; the model itself where there are no defences.

    Raises:
        SpecError, SettingError: A defence that there is not, or with bad settings.
        ModelError: A model with several inputs, or with weights that are NaN.
    """
    if not layers:
        return model
    if len(getattr(model, "inputs", None) or [None]) != 1:
        raise ModelError(f"Expected a model with one input to put a defence in front of; {model.name!r} has more.")
    check_numbers(model)
    ends = bounds or pixel_bounds(model)
    scale = _scale_of(ends, tuple(model.input_shape[1:]))
    outer = float(np.min(ends[0])), float(np.max(ends[1]))
    taken = {each.name for each in [*_in_order(model), *layers] if isinstance(each, Defence)}
    made = [
        each if isinstance(each, Defence | Conversion) else _built(each, outer, scale is not None, taken)
        for each in layers
    ]
    inner = model
    with uncompiled(model):
        for each in made:
            inner = each.convert(inner) if isinstance(each, Conversion) else inner
    front = [
        # A layer that comes as one has bounds of its own, in input units.
        (each, scale if isinstance(spec, str) else None)
        for spec, each in zip(layers, made, strict=True)
        if isinstance(each, Defence)
    ]
    defended = _behind(front, inner) if front else inner
    compile_like(defended, model)
    return defended


def wants_bounds(layers: Sequence[str | Defence | Conversion]) -> bool:
    """Whether any of the specs is told the bounds of inputs; a layer that comes as one has bounds of its own.

    Raises:
        SpecError: An unknown name.
    """
    return any(isinstance(each, str) and takes(defences.factory_of(each), "low", "high") for each in layers)


def _built(spec: str, outer: tuple[float, float], scaled: bool, taken: set[str]) -> Defence | Conversion:
    """A layer is told the bounds of pixels, and its name; what changes layers the bounds, where it has use for them.

    A layer in front that sees `scaled` features has those of the scale. What changes layers works behind the inverse
    of the scale, so its bounds are the outer ones of all features.

    A random layer draws by its name. Keras would number it by the layers that a session made before, and the same
    model would draw otherwise in the next session; so it is numbered within its model.
    """
    if not isinstance(spec, str):
        raise SpecError(f"Expected a defence or its spec, a text; got {type(spec).__name__} {spec!r}.")
    factory = defences.factory_of(spec)
    of_layers = inspect.isclass(factory) and issubclass(factory, Conversion)
    if not of_layers and not takes(factory, "low", "high"):
        # Asked before it is called: what is no defence is some other function, which may do anything.
        raise SpecError(
            f"Expected a defence at {spec!r}, which takes low and high, the bounds of pixels; got {factory!r}."
        )
    if of_layers:
        return defences.build(spec, defaults=dict(zip(("low", "high"), outer, strict=True)))
    low, high = (0.0, 1.0) if scaled else outer
    named: dict[str, Any] = {}
    if inspect.isclass(factory) and takes(factory, "name"):
        named["name"] = _free(factory.__name__, taken)
    return defences.build(spec, low=low, high=high, **named)


def _free(kind: str, taken: set[str]) -> str:
    """A layer's name as Keras makes it of a class's, with a number where the model has that name already."""
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    numbered = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(1)))
    name = next(each for each in numbered if each not in taken)
    taken.add(name)
    return name


def _behind(front: Sequence[tuple[Defence, dict[str, Any] | None]], model: keras.Model) -> keras.Model:
    """A model behind defences, each with the scale in whose units it sees its input."""
    source = keras.Input(tuple(model.input_shape[1:]), name="image")
    x = source
    for scale, group in itertools.groupby(front, key=lambda pair: pair[1]):
        x = x if scale is None else keras.layers.Normalization(**scale)(x)
        for layer, _ in group:
            x = layer(x)
        x = x if scale is None else keras.layers.Normalization(invert=True, **scale)(x)
    return keras.Model(source, model(x), name=f"{model.name}_defended")


def _scale_of(bounds: tuple[Any, Any], shape: tuple[Any, ...]) -> dict[str, Any] | None:
    """Settings of the `Normalization` that brings each feature from its bounds to [0, 1]; None for bounds of all.

    Args:
        bounds: Two numbers, or arrays that broadcast to an input.
        shape: Of an input.
    """
    if not any(map(np.ndim, bounds)):
        return None
    low, high = (np.broadcast_to(np.asarray(end, "float64"), shape) for end in bounds)
    if len(np.unique(low)) == len(np.unique(high)) == 1:
        return None
    # Of an image whose channels have bounds of their own these alone: the file stays small.
    last = (0,) * (len(shape) - 1)
    by_channel = all((end == end[last]).all() for end in (low, high))
    if by_channel:
        low, high = low[last], high[last]
    axis = -1 if by_channel else tuple(range(1, len(shape) + 1))
    return {"axis": axis, "mean": low.tolist(), "variance": np.square(high - low).tolist()}


def defences_of(model: keras.Model) -> list[Differentiable]:
    """The layers of defences in a model, from the input on."""
    return [layer for layer in _in_order(model) if isinstance(layer, Differentiable)]


def _in_order(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers, those of a model inside in its place."""
    for layer in model.layers:
        yield from _in_order(layer) if isinstance(layer, keras.Model) else layer._flatten_layers()
