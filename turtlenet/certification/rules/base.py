"""Which steps a layer is taken apart into: a rule for each class of layer."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from turtlenet.certification.steps import Step

Rule: TypeAlias = Callable[[Any], Sequence[Step]]

_RULES: dict[type, Rule] = {}
# A class between a layer and the one that has the rule computes something else if it has any of these.
_OWN = {"call", "forward", "convolution_op", "product", "quantized"}


def rule(*kinds: type) -> Callable[[Rule], Rule]:
    """Decorates the rule of one class of layers or several.

    The rule is given a built layer and gives its steps, one after the other; the first takes the layer's inputs. It
    serves a subclass too, unless that has a `call` of its own.

    >>> from keras import layers, ops
    >>> from turtlenet.certification import Elementwise, rule
    >>> class Cube(layers.Layer):
    ...     def call(self, x):
    ...         return x**3
    >>> @rule(Cube)
    ... def cube(layer):
    ...     return [Elementwise(lambda x: x**3, error=1e-6)]
    """

    def add(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(kinds, function))
        return function

    return add


def rule_of(layer: Any) -> Rule | None:
    """The rule for a layer; None where there is none, or where the layer computes something else than its class."""
    for kind in type(layer).__mro__:
        if kind in _RULES:
            return _RULES[kind]
        if not _OWN.isdisjoint(vars(kind)):
            return None
    return None


def input_shapes(layer: Any) -> list[tuple[int, ...]]:
    """The shapes of a layer's first input, with the batch, wherever the layer is called."""
    return [tuple(node.input_tensors[0].shape) for node in layer._inbound_nodes]


def most_inputs(layer: Any) -> int:
    """How many tensors a layer takes at most, wherever it is called."""
    return max(len(node.input_tensors) for node in layer._inbound_nodes)
