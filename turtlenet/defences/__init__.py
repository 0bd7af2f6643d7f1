"""Defences: layers that go in front of a model, and say how a strong attacker takes their gradient."""

from turtlenet.defences.base import Conversion, Defence, Differentiable, Reachable, defences, registered
from turtlenet.defences.binarized import (
    Binarize,
    BinarizedConv1D,
    BinarizedConv2D,
    BinarizedDense,
    BinarizedDepthwiseConv1D,
    BinarizedDepthwiseConv2D,
    BinarizedSeparableConv1D,
    BinarizedSeparableConv2D,
    Sign,
)
from turtlenet.defences.dropout import InferenceDropout, InputDropout, MonteCarloDropout
from turtlenet.defences.fronts import ApeGAN, Contractive, DefenseGAN, Front, MagNet
from turtlenet.defences.gaussian import GaussianNoise
from turtlenet.defences.installed import register_installed
from turtlenet.defences.keyed import Keyed, Permutation, SignFlip
from turtlenet.defences.keys import use_key, write_key
from turtlenet.defences.low_bit import (
    LowBit,
    LowBitConv1D,
    LowBitConv2D,
    LowBitDense,
    LowBitDepthwiseConv1D,
    LowBitDepthwiseConv2D,
    LowBitSeparableConv1D,
    LowBitSeparableConv2D,
)
from turtlenet.defences.orthogonal import Orthogonal
from turtlenet.defences.quantization import ConstantQuantization, TrainableQuantization

__all__ = [
    "MagNet",
    "Front",
    "DefenseGAN",
    "Contractive",
    "ApeGAN",
    "Binarize",
    "BinarizedConv1D",
    "BinarizedConv2D",
    "BinarizedDense",
    "BinarizedDepthwiseConv1D",
    "BinarizedDepthwiseConv2D",
    "BinarizedSeparableConv1D",
    "BinarizedSeparableConv2D",
    "ConstantQuantization",
    "Conversion",
    "Defence",
    "Differentiable",
    "GaussianNoise",
    "InferenceDropout",
    "InputDropout",
    "Keyed",
    "MonteCarloDropout",
    "LowBit",
    "LowBitConv1D",
    "LowBitConv2D",
    "LowBitDense",
    "LowBitDepthwiseConv1D",
    "LowBitDepthwiseConv2D",
    "LowBitSeparableConv1D",
    "LowBitSeparableConv2D",
    "Sign",
    "Orthogonal",
    "Permutation",
    "Reachable",
    "SignFlip",
    "TrainableQuantization",
    "defences",
    "register_installed",
    "registered",
    "use_key",
    "write_key",
]

# Here, where every name of this folder is there for the packages that are imported.
register_installed()
