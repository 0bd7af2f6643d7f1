"""How much noise a model bears, and how many levels to quantize its input to."""

from turtlenet.noise_tolerance.measure import Tolerance, measure_tolerance

__all__ = ["Tolerance", "measure_tolerance"]
