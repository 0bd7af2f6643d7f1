"""Objectives, one Trainer under Keras `fit`, and the run that survives being killed."""

from turtlenet.training.augmentation import Augmentation, augmentations
from turtlenet.training.class_weights import class_weights
from turtlenet.training.madry import Madry, Natural
from turtlenet.training.objective import Objective, objectives
from turtlenet.training.recipes import Recipe
from turtlenet.training.run import OPTIMIZERS, Run, Schedule, harden
from turtlenet.training.trainer import Trainer

__all__ = [
    "OPTIMIZERS",
    "Augmentation",
    "Madry",
    "Natural",
    "Objective",
    "Recipe",
    "Run",
    "Schedule",
    "Trainer",
    "augmentations",
    "class_weights",
    "harden",
    "objectives",
]
