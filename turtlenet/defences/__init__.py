"""Defences: layers that go in front of a model, and say how a strong attacker takes their gradient."""

from turtlenet.defences.base import Conversion, Defence, Honest, defences, registered
from turtlenet.defences.keyed import Permutation, SignFlip
from turtlenet.defences.keys import use_key, write_key
from turtlenet.defences.orthogonal import Orthogonal
from turtlenet.defences.quantization import ConstantQuantization, TrainableQuantization

__all__ = [
    "ConstantQuantization",
    "Conversion",
    "Defence",
    "Honest",
    "Orthogonal",
    "Permutation",
    "SignFlip",
    "TrainableQuantization",
    "defences",
    "registered",
    "use_key",
    "write_key",
]
