"""How many operations a net needs: the model that shares of a peak are counted by.

F is the forward pass of one image: two operations for each multiplication and addition of its convolutions and dense
layers; all else is free. The gradient at the input costs as much again for the backward pass, 2F with the forward
pass. A training step costs 3F, so one with PGD-k costs (2k+3)F.
"""

import math

import keras
from keras import layers

__all__ = ["forward_flops"]


def forward_flops(model: keras.Model) -> int:
    """F of a built model whose layers are each called once."""
    return sum(_layer(layer) for layer in model.layers)


def _layer(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return forward_flops(layer)
    if isinstance(layer, layers.DepthwiseConv2D):
        return 2 * math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:2])
    if isinstance(layer, layers.Conv2D):
        # The kernel is (height, width, channels of a group, filters): an output is a sum over the first three.
        return 2 * math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:3])
    if isinstance(layer, layers.Dense):
        return 2 * math.prod(layer.output.shape[1:]) * layer.kernel.shape[0]
    return 0
