"""Layers that keep real weights and compute with quantized ones, and the conversion of a model to them."""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers, ops

from turtlenet.defences.base import Conversion, Differentiable, defences
from turtlenet.defences.inserted import settle
from turtlenet.errors import ModelError


def within(x: Any) -> Any:
    """The input itself, with a gradient of 1 where |x| <= 1 and 0 beyond (paper 001, eq. 5)."""
    # Not a clip: at 1 itself, where the constraint leaves a weight, frameworks differ on the gradient of a clip.
    return ops.where(ops.abs(x) <= 1, x, ops.stop_gradient(x))


@keras.saving.register_keras_serializable("turtlenet")
class UnitClip(keras.constraints.Constraint):
    """Clips weights to [-limit, limit] after each step of training, as beyond it they would have no gradient."""

    def __init__(self, limit: float = 1.0):
        self.limit = float(limit)

    def __call__(self, w: Any) -> Any:
        """The weights, clipped."""
        return ops.clip(w, -self.limit, self.limit)

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the constraint anew."""
        return {"limit": self.limit}


class Quantized(Differentiable):
    """The common part of layers with kernels that are seen quantized, in training and out of it.

    Comes before one of the classes of `turtlenet.defences.per_example_kernels` and a layer of Keras, whose settings it
    takes.
    Kernels without a constraint of the caller's are clipped to [-1, 1] in training, or to `limits`, one for each.

    An attacker's gradient at the input is exact: to him, quantized weights are constants.
    """

    adaptive = "the layer's own gradient: quantized weights are constants"

    kernels: tuple[str, ...]
    """The names of the layer's kernels."""
    constraints: tuple[str, ...]
    """The settings that hold their constraints."""

    def __init__(self, *args: Any, limits: Sequence[float] = (), **settings: Any):
        each = zip(self.constraints, limits or [1.0] * len(self.constraints), strict=True)
        settings |= {name: UnitClip(limit) for name, limit in each if settings.get(name) is None}
        super().__init__(*args, **settings)

    def quantized(self, kernel: Any, number: int) -> Any:
        """A kernel as it is computed with: of the same shape, or one for each example.

        Args:
            kernel: The real one.
            number: Which one of the layer's kernels.
        """
        raise NotImplementedError

    def call(self: Any, inputs: Any) -> Any:
        """Keras's word for it."""
        # The property `kernel` stays real: it is what Keras writes to files.
        real = [ops.convert_to_tensor(getattr(self, name)) for name in self.kernels]
        seen = [self.quantized(kernel, number) for number, kernel in enumerate(real)]
        own = len(seen[0].shape) > len(real[0].shape)
        outputs = self.each_product(inputs, *seen) if own else self.product(inputs, *seen)
        if self.use_bias:
            outputs = outputs + self.shaped_bias()
        return outputs if self.activation is None else self.activation(outputs)


@dataclass(frozen=True, kw_only=True)
class LayerConversion(Conversion):
    """Puts a layer of its own in the place of each layer of `layer_kinds`, also in nested models.

    All other layers stay, transposed convolutions among them, as do layers of these kinds within a wrapper such as
    `TimeDistributed`.

    Args:
        first: Whether to change the first of these layers, too.
        last: Whether to change the last of these layers, too.
    """

    layer_kinds: ClassVar[tuple[type, ...]] = (
        layers.Dense,
        layers.Conv1D,
        layers.Conv2D,
        layers.DepthwiseConv1D,
        layers.DepthwiseConv2D,
        layers.SeparableConv1D,
        layers.SeparableConv2D,
    )

    first: bool = True
    last: bool = True

    @abc.abstractmethod
    def changed(self, layer: Any, hidden: bool) -> Any:
        """A layer for the place of one of `layer_kinds`.

        Args:
            layer: The layer.
            hidden: Whether another one of `layer_kinds` comes after it.
        """

    def begun(self, layer: Any) -> None:  # noqa: B027
        """What is done to the weights of a layer that `changed` gave, before it is trained; nothing by itself."""

    def passed(self, layer: Any) -> Any:
        """A layer for the place of one that has no such kernel and comes before the last one that has."""
        return _twin(layer)

    def convert(self, model: keras.Model) -> keras.Model:
        """Gives a new model with the same weights, uncompiled; leaves the one given as it is.

        Raises:
            ModelError: A model without a layer that could be changed, or one that Keras cannot rebuild.
        """
        order = list({id(each): each for each in _within(model)}.values())
        # A layer that Keras itself quantized keeps integers for a kernel.
        fit = [
            place
            for place, each in enumerate(order)
            if type(each) in self.layer_kinds and getattr(each, "quantization_mode", None) is None
        ]
        chosen = {id(order[place]) for place in fit[not self.first : len(fit) - (not self.last)]}
        if not chosen:
            others = " but those that stay real" if fit else ""
            spec = defences.name_of(type(self))
            raise ModelError(
                f"Expected a model with Dense or Conv layers for `{spec}`; {model.name!r} has none{others}."
            )
        hidden = {id(each) for each in order[: fit[-1]]}
        fits = {id(order[place]) for place in fit}

        made = []

        def clone(layer: Any) -> Any:
            if id(layer) in chosen:
                made.append(self.changed(layer, id(layer) in hidden))
                return made[-1]
            return self.passed(layer) if id(layer) in hidden - fits else _twin(layer)

        converted = _cloned(model, clone)
        for layer in made:
            self.begun(layer)
        return converted


def _twin(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def _within(model: Any) -> Iterator[Any]:
    """The layers of a model, from the input on, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _within(layer)
        else:
            yield layer


def _cloned(model: keras.Model, clone: Any) -> keras.Model:
    compiled, model.compiled = model.compiled, False
    try:
        made = keras.models.clone_model(model, clone_function=clone, recursive=True)
        made.set_weights(model.get_weights())
        for layer in made._flatten_layers():
            settle(layer)
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"Expected a model that Keras can rebuild from its config; got: {reason}") from None
    finally:
        # Keras would compile the clone, too.
        model.compiled = compiled
    return made
