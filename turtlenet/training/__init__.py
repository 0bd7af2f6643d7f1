"""Objectives, one Trainer under Keras `fit`, and the run that survives being killed."""

from turtlenet.settings.recipes import Recipe
from turtlenet.training.data.augmentation import Augmentation, augmentations
from turtlenet.training.data.class_weights import class_weights
from turtlenet.training.data.gaussian import GaussianAugmentation
from turtlenet.training.objective import (
    CCIBP,
    CROWNIBP,
    IBP,
    MTLIBP,
    SABR,
    Certified,
    Distillation,
    Ensemble,
    Fast,
    Free,
    Hat,
    Madry,
    Mart,
    Natural,
    NoisyFGSM,
    Objective,
    Trades,
    objectives,
)
from turtlenet.training.run import Run, Schedule, harden
from turtlenet.training.trainer import Trainer
from turtlenet.training.wrappers import Plan, Wrapper, wrappers

__all__ = [
    "CCIBP",
    "CROWNIBP",
    "IBP",
    "MTLIBP",
    "SABR",
    "Augmentation",
    "Certified",
    "Distillation",
    "Ensemble",
    "Fast",
    "Free",
    "GaussianAugmentation",
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
