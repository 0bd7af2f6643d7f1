"""Objectives: what training minimizes, one file each, and the attacks that it crafts with."""

from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.objective.fast import Fast, NoisyFGSM
from turtlenet.training.objective.free import Free
from turtlenet.training.objective.hat import Hat
from turtlenet.training.objective.madry import Madry, Natural
from turtlenet.training.objective.mart import Mart
from turtlenet.training.objective.trades import Trades

__all__ = ["Fast", "Free", "Hat", "Madry", "Mart", "Natural", "NoisyFGSM", "Objective", "Trades", "objectives"]
