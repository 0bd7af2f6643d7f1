"""Attackers who can only ask: what they train on the answers, and what they craft with it."""

from turtlenet.black_box.distillation import distill
from turtlenet.black_box.evaluate import evaluate_black_box
from turtlenet.black_box.oracle import ANSWERS, Oracle
from turtlenet.black_box.substitute import Substitution, fit_answers, fresh_network, substitution, train_substitute

__all__ = [
    "ANSWERS",
    "Oracle",
    "Substitution",
    "distill",
    "evaluate_black_box",
    "fit_answers",
    "fresh_network",
    "substitution",
    "train_substitute",
]
