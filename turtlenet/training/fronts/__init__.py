"""How the networks of trained fronts are trained: their losses, a trainer, and a run that can be continued."""

from turtlenet.training.fronts.objectives import OBJECTIVES, FrontObjective
from turtlenet.training.fronts.run import FrontEpoch, FrontRun, train_network

__all__ = ["OBJECTIVES", "FrontEpoch", "FrontObjective", "FrontRun", "train_network"]
