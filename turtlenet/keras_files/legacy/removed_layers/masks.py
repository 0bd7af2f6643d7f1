"""Layers of Keras 3 that treat masks in another way than Keras 2 did; used where something in a model masks.

Keras 2 merged masks with a logical and, and left out inputs without one; Keras 3 takes an or, and none where an input
has none. `Multiply`, `Maximum` and `Minimum` of Keras 3 also change values under a mask. And some layers that pass a
mask on today dropped it.
"""

from typing import Any

import keras
from keras import layers, ops
from keras.src import backend
from keras.src.ops.numpy import Concatenate as Joined


class _Merging:
    """The mask of Keras 2: a step counts where every input that has a mask says so."""

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        given = [each for each in mask or [] if each is not None]
        result = given[0] if given else None
        for each in given[1:]:
            result = ops.logical_and(result, each)
        return result


class Add(_Merging, layers.Add):
    pass


class Subtract(_Merging, layers.Subtract):
    pass


class Average(_Merging, layers.Average):
    pass


class Multiply(_Merging, layers.Multiply):
    def _merge_function(self, inputs: Any) -> Any:
        return _folded(ops.multiply, inputs)


class Maximum(_Merging, layers.Maximum):
    def _merge_function(self, inputs: Any) -> Any:
        return _folded(ops.maximum, inputs)


class Minimum(_Merging, layers.Minimum):
    def _merge_function(self, inputs: Any) -> Any:
        return _folded(ops.minimum, inputs)


class Concatenate(_Merging, layers.Concatenate):
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        rank = len(inputs[0].shape)
        axis = self.axis % rank
        if axis == rank - 1 or not mask or None in [None if each is None else 0 for each in mask]:
            return super().compute_mask(inputs, mask)
        # A name of its own: a layer of the file may have the one that Keras would give.
        return Joined(axis=axis, name=f"{self.name}_mask")(mask)


class _Dropping:
    """Passes no mask on."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


class Identity(_Dropping, layers.Identity):
    def call(self, inputs: Any) -> Any:
        # The very same tensor would carry its mask along.
        return keras.tree.map_structure(ops.copy, inputs)


class Rescaling(_Dropping, layers.Rescaling):
    pass


class Normalization(_Dropping, layers.Normalization):
    pass


class MultiHeadAttention(layers.MultiHeadAttention):
    """That of Keras 3 takes the masks off the tensors that it reads, whoever else reads them."""

    masked = True

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        **settings: Any,
    ) -> Any:
        own = ops.copy(query)
        if self.masked:
            backend.set_keras_mask(own, query_mask)
            settings |= {"value_mask": value_mask, "key_mask": key_mask}
        return super().call(own, ops.copy(value), None if key is None else ops.copy(key), **settings)


class UnmaskedMultiHeadAttention(_Dropping, MultiHeadAttention):
    """That of TensorFlow 2.4 to 2.9, which looked at `attention_mask` only."""

    masked = False


def _folded(merge: Any, inputs: Any) -> Any:
    output = inputs[0]
    for each in inputs[1:]:
        output = merge(output, each)
    return output


def _registered(*classes: type) -> dict[str, str]:
    """The name under which a stand-in is registered, by the class that it stands for."""
    for each in classes:
        # Weights in a `.keras` archive go by the class's own name: that stays.
        keras.saving.register_keras_serializable(package="turtlenet", name=f"Keras2{each.__name__}")(each)
    return {each.__name__: f"turtlenet>Keras2{each.__name__}" for each in classes}


MERGING = _registered(Add, Subtract, Average, Multiply, Maximum, Minimum, Concatenate)
DROPPING = _registered(Identity, Rescaling, Normalization)
ATTENDING = _registered(MultiHeadAttention, UnmaskedMultiHeadAttention)
