"""Logs of runs for teams: MLflow and TensorBoard, and what other packages register. Nothing here needs a framework."""

from turtlenet.tracking.base import Log, Tracker, trackers
from turtlenet.tracking.logs import Logs, opened
from turtlenet.tracking.mlflow import MLflow
from turtlenet.tracking.tensorboard import TensorBoard

__all__ = ["Log", "Logs", "MLflow", "TensorBoard", "Tracker", "opened", "trackers"]
