"""Objectives: what training minimizes, one file each, and the attacks that it crafts with."""

from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.objective.cc_ibp import CCIBP
from turtlenet.training.objective.certified import Certified
from turtlenet.training.objective.crown_ibp import CROWNIBP
from turtlenet.training.objective.distillation import Distillation
from turtlenet.training.objective.ensemble import Ensemble
from turtlenet.training.objective.fast import Fast, NoisyFGSM
from turtlenet.training.objective.free import Free
from turtlenet.training.objective.hat import Hat
from turtlenet.training.objective.ibp import IBP
from turtlenet.training.objective.madry import Madry, Natural
from turtlenet.training.objective.mart import Mart
from turtlenet.training.objective.mtl_ibp import MTLIBP
from turtlenet.training.objective.sabr import SABR
from turtlenet.training.objective.trades import Trades

__all__ = [
    "CCIBP",
    "CROWNIBP",
    "Certified",
    "Distillation",
    "Ensemble",
    "Fast",
    "Free",
    "Hat",
    "IBP",
    "MTLIBP",
    "Madry",
    "Mart",
    "Natural",
    "NoisyFGSM",
    "Objective",
    "SABR",
    "Trades",
    "objectives",
]
