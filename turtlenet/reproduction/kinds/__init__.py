"""What a paper asks of a model, one kind of figure a function."""

from turtlenet.reproduction.kinds import attacks, draws, generators, readings, suites
from turtlenet.reproduction.kinds.base import KINDS, Job, Kind, check_cell

__all__ = ["KINDS", "Job", "Kind", "attacks", "check_cell", "draws", "generators", "readings", "suites"]
