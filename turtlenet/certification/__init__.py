"""Certificates: bounds that hold for every point of a ball."""

from turtlenet.certification.elementwise import Elementwise, Jump
from turtlenet.certification.interval import bounds, margins
from turtlenet.certification.network import Network, Node, network_of
from turtlenet.certification.rules import rule
from turtlenet.certification.steps import Affine, Box, Maximum, Movement, Step

__all__ = [
    "Affine",
    "Box",
    "Elementwise",
    "Jump",
    "Maximum",
    "Movement",
    "Network",
    "Node",
    "Step",
    "bounds",
    "margins",
    "network_of",
    "rule",
]
