"""Layers and functions that older Kerases had and Keras 3 has not.

Each computes what the old one computed, from the same weights in the same order.
"""

from turtlenet.keras_files.legacy.removed_layers.activations import ParametricSoftplus, SReLU, keras2_hard_sigmoid
from turtlenet.keras_files.legacy.removed_layers.cosine import Cosine
from turtlenet.keras_files.legacy.removed_layers.dense import Highway, MaxoutDense
from turtlenet.keras_files.legacy.removed_layers.kernel import RandomFourierFeatures
from turtlenet.keras_files.legacy.removed_layers.local import LocallyConnected1D, LocallyConnected2D

__all__ = [
    "Cosine",
    "Highway",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "MaxoutDense",
    "ParametricSoftplus",
    "RandomFourierFeatures",
    "SReLU",
    "keras2_hard_sigmoid",
]
