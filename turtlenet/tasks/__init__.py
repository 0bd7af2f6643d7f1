"""Tasks: what a model is asked about an example, put as classes so that every attack and objective works on it."""

from turtlenet.tasks.base import Task, tasks
from turtlenet.tasks.classification import Classification
from turtlenet.tasks.multi_label import MultiLabel
from turtlenet.tasks.question import ModelInput, Question
from turtlenet.tasks.regression import Regression

__all__ = ["Classification", "ModelInput", "MultiLabel", "Question", "Regression", "Task", "tasks"]
