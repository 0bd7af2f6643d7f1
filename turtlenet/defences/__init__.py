"""Defences: layers that go in front of a model, and say how a strong attacker takes their gradient."""

from turtlenet.defences.base import Conversion, Defence, Honest, defences, registered
from turtlenet.defences.dropout import InferenceDropout, MonteCarloDropout
from turtlenet.defences.quantization import ConstantQuantization, TrainableQuantization

__all__ = [
    "ConstantQuantization",
    "Conversion",
    "Defence",
    "Honest",
    "InferenceDropout",
    "MonteCarloDropout",
    "TrainableQuantization",
    "defences",
    "registered",
]
