"""Objectives, one Trainer under Keras `fit`, and the run that survives being killed."""

from turtlenet.training.class_weights import class_weights
from turtlenet.training.madry import Madry, Natural
from turtlenet.training.objective import Objective, objectives
from turtlenet.training.recipes import Recipe
from turtlenet.training.run import OPTIMIZERS, Run, Schedule, harden
from turtlenet.training.trainer import Trainer
from turtlenet.training.wrappers import Plan, Wrapper, wrappers

__all__ = [
    "OPTIMIZERS",
    "Madry",
    "Natural",
    "Objective",
    "Plan",
    "Recipe",
    "Run",
    "Schedule",
    "Trainer",
    "Wrapper",
    "class_weights",
    "harden",
    "objectives",
    "wrappers",
]
