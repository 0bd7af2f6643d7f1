"""Certificates: what no attack within a ball can break."""

from turtlenet.certification.smoothing import ABSTAINED, Smoothed, Smoothing

__all__ = ["ABSTAINED", "Smoothed", "Smoothing"]
