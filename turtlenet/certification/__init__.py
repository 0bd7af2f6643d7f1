"""Certificates: bounds that hold for every point of a ball."""

from turtlenet.certification.interval import bounds, margins
from turtlenet.certification.network import Network, Node, network_of
from turtlenet.certification.rules import rule
from turtlenet.certification.smoothing import ABSTAINED, Smoothed, Smoothing
from turtlenet.certification.steps import Affine, Box, Elementwise, Maximum, Movement, Step

__all__ = [
    "ABSTAINED",
    "Affine",
    "Box",
    "Elementwise",
    "Maximum",
    "Movement",
    "Network",
    "Node",
    "Smoothed",
    "Smoothing",
    "Step",
    "bounds",
    "margins",
    "network_of",
    "rule",
]
