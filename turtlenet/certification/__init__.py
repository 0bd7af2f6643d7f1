"""Certificates: bounds that hold for every point of a ball."""

from turtlenet.certification.certify import certify_classifier
from turtlenet.certification.elementwise import Elementwise, Jump
from turtlenet.certification.interval import bounds, margins
from turtlenet.certification.methods import METHODS, VERDICTS, Certifier
from turtlenet.certification.network import Network, Node, network_of
from turtlenet.certification.report import Certificate, MethodRow
from turtlenet.certification.rules import rule
from turtlenet.certification.smoothing import ABSTAINED, Smoothed, Smoothing
from turtlenet.certification.steps import Affine, Box, Maximum, Movement, Step

__all__ = [
    "ABSTAINED",
    "METHODS",
    "VERDICTS",
    "Affine",
    "Box",
    "Certificate",
    "Certifier",
    "Elementwise",
    "Jump",
    "Maximum",
    "MethodRow",
    "Movement",
    "Network",
    "Node",
    "Smoothed",
    "Smoothing",
    "Step",
    "bounds",
    "certify_classifier",
    "margins",
    "network_of",
    "rule",
]
