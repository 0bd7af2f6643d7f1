"""How each kind of layer is bounded: one rule a class, which anyone may add to."""

from turtlenet.certification.rules import activations, kernels, scales, shapes
from turtlenet.certification.rules.base import Rule, rule, rule_of
from turtlenet.certification.rules.defences import is_reachable, reachable
from turtlenet.certification.rules.operations import steps_of_operation

__all__ = [
    "Rule",
    "activations",
    "is_reachable",
    "kernels",
    "reachable",
    "rule",
    "rule_of",
    "scales",
    "shapes",
    "steps_of_operation",
]
