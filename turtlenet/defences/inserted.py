"""Puts further layers between the layers of a model, wherever they stand: sequential, functional, nested."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from turtlenet.errors import ModelError

Make = Callable[[str], keras.layers.Layer]
CONVOLUTIONS = tuple(
    getattr(keras.layers, f"{kind}{size}D")
    for kind, sizes in (("Conv", "123"), ("DepthwiseConv", "12"), ("SeparableConv", "12"))
    for size in sizes
) + tuple(getattr(keras.layers, f"Conv{size}DTranspose") for size in "123")


_KERNELS = (*CONVOLUTIONS, keras.layers.Dense)
# Their values pass or are shares: they are not what a hidden unit answers.
_KEPT = (keras.activations.linear, keras.activations.softmax, keras.activations.log_softmax)
_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)


def layers_of(model: keras.Model) -> list[Any]:
    """The layers of a model, from the input on, those of nested models in their place; each once, inputs left out."""
    found = {id(layer): layer for layer in _within(model) if not isinstance(layer, keras.layers.InputLayer)}
    return list(found.values())


def _alike(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def _weights(layer: Any) -> list[Any]:
    return list(layer.get_weights())


def settle(layer: Any) -> None:
    """Lets a `Normalization` that was adapted to data compute with the statistics that it was just given."""
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def between(
    model: keras.Model,
    places: Mapping[int, str],
    make: Make,
    *,
    stem: str = "dropout",
    twin: Callable[[Any], Any] = _alike,
    weights: Callable[[Any], list[Any] | None] = _weights,
) -> keras.Model:
    """A copy of a model with weights of its own and further layers in it, uncompiled.

    Args:
        model: Built of layers that Keras can rebuild from their configs; it stays as it is.
        places: By a layer's `id`, whether a layer comes `after` it or `before` it.
        make: Makes such a layer of a name that no other one has.
        stem: What that name ends in, behind the name of the layer that it stands beside.
        twin: Makes the copy of a layer; one of the same config by default.
        weights: The arrays that the copy of a layer is given, or None where it keeps its own; by default those of the
            layer.

    Raises:
        ModelError: A model that Keras cannot rebuild.
    """
    try:
        copy = _Copy(model, places, make, stem, twin, weights)
        made = copy.of(model)
        copy.weigh()
        return made
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"Expected a model that Keras can rebuild from its config; got: {reason}") from None


def activations_of(model: keras.Model) -> list[Any]:
    """The layers of a model that have a nonlinear activation, before the last one with a kernel, from the input on.

    They are convolutions and dense layers with an activation of their own, and layers that are one.
    """
    layers = layers_of(model)
    last = max((place for place, each in enumerate(layers) if isinstance(each, _KERNELS)), default=0)
    return [each for each in layers[:last] if isinstance(each, (*_KERNELS, *_ACTIVATIONS)) and _is_active(each)]


def in_place_of(model: keras.Model, chosen: list[Any], make: Make, stem: str) -> keras.Model:
    """A copy of a model with other layers in the place of activations; see `between`.

    Args:
        model: The model; it stays as it is.
        chosen: Those of `activations_of(model)` whose activation goes.
        make: Makes what takes the place of one, of a name.
        stem: What that name ends in, where the layer with the activation stays.
    """
    gone = {id(each) for each in chosen}

    def twin(layer: Any) -> Any:
        if id(layer) not in gone:
            return _alike(layer)
        if isinstance(layer, _ACTIVATIONS):
            return make(layer.name)
        return type(layer).from_config(layer.get_config() | {"activation": "linear"})

    def weights(layer: Any) -> list[Any] | None:
        # A slope that was trained goes with its activation; what takes its place begins as it is made.
        return None if id(layer) in gone and isinstance(layer, _ACTIVATIONS) else _weights(layer)

    places = {id(each): "after" for each in chosen if not isinstance(each, _ACTIVATIONS)}
    return between(model, places, make, stem=stem, twin=twin, weights=weights)


def _is_active(layer: Any) -> bool:
    # A layer that is an activation and names no function is one of `ReLU`, `LeakyReLU`, ...
    return getattr(layer, "activation", None) not in _KEPT


class _Copy:
    """One copying: which layers were made, and the names that are taken."""

    def __init__(self, model: keras.Model, places: Mapping[int, str], make: Make, stem: str, twin: Any, weights: Any):
        self.places = places
        self.make = make
        self.stem, self.twin, self.weights = stem, twin, weights
        self.twins: dict[int, Any] = {}
        self.pairs: dict[int, tuple[Any, Any]] = {}
        """Each original and its copy, by the `id` of the copy."""
        self.taken = {layer.name for layer in _within(model)}

    def of(self, model: Any) -> Any:
        """The copy of a model, or of a layer; a layer that stands in several places is copied once."""
        if id(model) not in self.twins:
            twin = self._model(model) if isinstance(model, keras.Model) else self.twin(model)
            self.twins[id(model)], self.pairs[id(twin)] = twin, (model, twin)
        return self.twins[id(model)]

    def weigh(self) -> None:
        """Gives every copied layer the weights of its original, now that all are built."""
        for original, twin in self.pairs.values():
            if not isinstance(original, keras.Model):
                # By way of NumPy: the two must not share an array, which a training step on JAX gives away.
                arrays = self.weights(original)
                if arrays is not None:
                    twin.set_weights(arrays)
                settle(twin)

    def _model(self, model: Any) -> Any:
        if isinstance(model, keras.Sequential):
            return keras.Sequential(list(self._in_a_row(model)), name=model.name, trainable=model.trainable)
        compiled, model.compiled = model.compiled, False
        try:
            return keras.models.clone_model(model, clone_function=self.of, call_function=self._call)
        finally:
            # Keras would compile the clone, too.
            model.compiled = compiled

    def _in_a_row(self, model: Any) -> Iterator[Any]:
        start = model._layers[0]
        if isinstance(start, keras.layers.InputLayer):
            yield keras.layers.InputLayer.from_config(start.get_config())
        for layer in model.layers:
            place = self.places.get(id(layer))
            if place == "before":
                yield self._further(layer)
            yield self.of(layer)
            if place == "after":
                yield self._further(layer)

    def _call(self, twin: Any, *inputs: Any, **settings: Any) -> Any:
        layer = self.pairs[id(twin)][0] if id(twin) in self.pairs else None
        place = self.places.get(id(layer))
        if place == "before":
            inputs = (self._further(layer)(inputs[0]), *inputs[1:])
        outputs = twin(*inputs, **settings)
        return self._further(layer)(outputs) if place == "after" else outputs

    def _further(self, layer: Any) -> keras.layers.Layer:
        stem = name = f"{layer.name}_{self.stem}"
        number = 1
        while name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        self.taken.add(name)
        return self.make(name)


def _within(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _within(layer)
        else:
            yield layer
