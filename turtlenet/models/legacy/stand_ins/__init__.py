"""Layers and functions that older Kerases had and Keras 3 has not.

Each computes what the old one computed, from the same weights in the same order.
"""

from turtlenet.models.legacy.stand_ins.activations import ParametricSoftplus, SReLU, keras2_hard_sigmoid
from turtlenet.models.legacy.stand_ins.cosine import Cosine
from turtlenet.models.legacy.stand_ins.dense import Highway, MaxoutDense
from turtlenet.models.legacy.stand_ins.kernel import RandomFourierFeatures
from turtlenet.models.legacy.stand_ins.local import LocallyConnected1D, LocallyConnected2D

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
