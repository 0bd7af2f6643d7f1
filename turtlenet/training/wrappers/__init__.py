"""What may be put around any objective: perturbed weights, averages, orthogonal kernels, schedules, an early stop."""

from turtlenet.training.wrappers.average import Average
from turtlenet.training.wrappers.awp import AWP
from turtlenet.training.wrappers.base import Plan, Wrapper, check_wrappers, make_wrappers, wrappers
from turtlenet.training.wrappers.early_stop import EarlyStop
from turtlenet.training.wrappers.ema import EMA
from turtlenet.training.wrappers.orthogonality import Orthogonality
from turtlenet.training.wrappers.parseval import Parseval
from turtlenet.training.wrappers.schedules import EpsSchedule, StepsSchedule
from turtlenet.training.wrappers.swa import SWA

__all__ = [
    "AWP",
    "EMA",
    "SWA",
    "Average",
    "EarlyStop",
    "EpsSchedule",
    "Orthogonality",
    "Parseval",
    "Plan",
    "StepsSchedule",
    "Wrapper",
    "check_wrappers",
    "make_wrappers",
    "wrappers",
]
