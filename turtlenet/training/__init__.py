"""Objectives, one Trainer under Keras `fit`, and the run that survives being killed."""

from turtlenet.training.augmentation import Augmentation, augmentations
from turtlenet.training.class_weights import class_weights
from turtlenet.training.fast import Fast, NoisyFGSM
from turtlenet.training.free import Free
from turtlenet.training.hat import Hat
from turtlenet.training.madry import Madry, Natural
from turtlenet.training.mart import Mart
from turtlenet.training.objective import Objective, objectives
from turtlenet.training.recipes import Recipe
from turtlenet.training.run import OPTIMIZERS, Run, Schedule, harden
from turtlenet.training.trades import Trades
from turtlenet.training.trainer import Trainer
from turtlenet.training.wrappers import Plan, Wrapper, wrappers

__all__ = [
    "OPTIMIZERS",
    "Augmentation",
    "Fast",
    "Free",
    "Hat",
    "Madry",
    "Mart",
    "Natural",
    "NoisyFGSM",
    "Objective",
    "Plan",
    "Recipe",
    "Run",
    "Schedule",
    "Trades",
    "Trainer",
    "Wrapper",
    "augmentations",
    "class_weights",
    "harden",
    "objectives",
    "wrappers",
]
