"""Attacks in the order in which they pay, each on the images that it may still break; `choice.py` has the rule."""

from turtlenet.evaluation.planner.planner import Planner
from turtlenet.evaluation.planner.record import Record, find_skipped
from turtlenet.evaluation.planner.run import Planned

__all__ = ["Planned", "Planner", "Record", "find_skipped"]
