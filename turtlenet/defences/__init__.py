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
from turtlenet.defences.bounded_relu import BoundedReLU, BoundReLU
from turtlenet.defences.dropout import InferenceDropout, InputDropout, MonteCarloDropout
from turtlenet.defences.filters.jpeg import JPEG
from turtlenet.defences.filters.mean import MeanFilter
from turtlenet.defences.filters.median import MedianFilter
from turtlenet.defences.filters.non_local_means import NonLocalMeans
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
from turtlenet.defences.quantizers.activations import QuantizeActivations, QuantizedActivation
from turtlenet.defences.quantizers.bit_depth import BitDepth
from turtlenet.defences.quantizers.soft import SoftQuantization
from turtlenet.defences.quantizers.thermometer import Thermometer, ThermometerEncoding
from turtlenet.defences.stochastic.activation_pruning import ActivationPruning, PrunedActivations
from turtlenet.defences.stochastic.pixeldp import PixelDP
from turtlenet.defences.stochastic.resize_pad import ResizePad

__all__ = [
    "ActivationPruning",
    "ApeGAN",
    "Binarize",
    "BinarizedConv1D",
    "BinarizedConv2D",
    "BinarizedDense",
    "BinarizedDepthwiseConv1D",
    "BinarizedDepthwiseConv2D",
    "BinarizedSeparableConv1D",
    "BinarizedSeparableConv2D",
    "BitDepth",
    "BoundReLU",
    "BoundedReLU",
    "ConstantQuantization",
    "Contractive",
    "Conversion",
    "Defence",
    "DefenseGAN",
    "Differentiable",
    "Front",
    "GaussianNoise",
    "InferenceDropout",
    "InputDropout",
    "JPEG",
    "Keyed",
    "LowBit",
    "LowBitConv1D",
    "LowBitConv2D",
    "LowBitDense",
    "LowBitDepthwiseConv1D",
    "LowBitDepthwiseConv2D",
    "LowBitSeparableConv1D",
    "LowBitSeparableConv2D",
    "MagNet",
    "MeanFilter",
    "MedianFilter",
    "MonteCarloDropout",
    "NonLocalMeans",
    "Orthogonal",
    "Permutation",
    "PixelDP",
    "PrunedActivations",
    "QuantizeActivations",
    "QuantizedActivation",
    "Reachable",
    "ResizePad",
    "Sign",
    "SignFlip",
    "SoftQuantization",
    "Thermometer",
    "ThermometerEncoding",
    "TrainableQuantization",
    "defences",
    "register_installed",
    "registered",
    "use_key",
    "write_key",
]

# Here, where every name of this folder is there for the packages that are imported.
register_installed()
