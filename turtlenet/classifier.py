"""A Keras model as an attacker sees it: logits as a pure function of an input, in known bounds."""

import copy
from collections.abc import Callable, Hashable
from typing import Any

import keras
from keras import ops

from turtlenet import backend, gradients

__all__ = ["Classifier"]


class Classifier:
    """Logits, bounds and compiled functions of a model.

    `turtlenet.models.classifier` makes one from any loaded model, whatever its head.

    Args:
        model: A Keras model from float32 images (batch, *input_shape) to logits (batch, classes).
        bounds: Smallest and largest value of a pixel, in the units of the model's input.
        head: What the model's file ends in, in words, for reports.
        gradient: How attackers take the gradient of its defences; see `turtlenet.gradients`.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        bounds: tuple[float, float] = (0.0, 1.0),
        head: str = "logits",
        gradient: str = "adaptive",
    ):
        gradients.check_gradient(gradient)
        self.model = model
        self.bounds = (float(bounds[0]), float(bounds[1]))
        self.head = head
        self.gradient = gradient
        self.input_shape: tuple[int, ...] = tuple(model.input_shape[1:])
        self.num_classes = int(model.output_shape[-1])
        self.fitting: int | None = None
        """The largest batch that was seen to fit into memory, once one did not."""
        self._graphs: dict[Hashable, Callable[..., Any]] = {}

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        """Gives float32 logits (batch, classes); the weights are those of this moment."""
        if training:
            return ops.cast(self.model(x, training=True), "float32")
        return (backend.wide_gradient(self._attacked) if self.narrow else self._attacked)(x)

    def _attacked(self, x: Any) -> Any:
        with gradients.taken(self.gradient):
            return ops.cast(self.model(x, training=False), "float32")

    def taking(self, gradient: str) -> "Classifier":
        """The same classifier as one sees it who takes gradients in another way; itself for an empty word."""
        if gradient in ("", self.gradient):
            return self
        other = copy.copy(self)
        gradients.check_gradient(gradient)
        other.gradient, other._graphs = gradient, {}
        return other

    @property
    def precision(self) -> str:
        """What the layers with weights compute in: `float32`, or `bfloat16, float32`."""
        layers = self.model._flatten_layers(include_self=False, recursive=True)
        kinds = {layer.compute_dtype for layer in layers if layer._trainable_variables}
        return ", ".join(sorted(kinds)) or "float32"

    @property
    def narrow(self) -> bool:
        """Whether any layer computes in float16, where slopes vanish unless they are scaled."""
        return any(layer.compute_dtype == "float16" for layer in self.model._flatten_layers(include_self=False))

    def compiled(self, name: Hashable, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps one graph for each name, for as long as this classifier lives."""
        if name not in self._graphs:
            self._graphs[name] = backend.compiled(fn, lambda: self.model.variables)
        return self._graphs[name]

    def predict(self, x: Any) -> Any:
        """Compiled logits of one batch, as a float32 NumPy array."""
        pixels = backend.shard(ops.convert_to_tensor(x, "float32"))
        return ops.convert_to_numpy(self.compiled("predict", self.__call__)(pixels))
