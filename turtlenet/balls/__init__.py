"""Where an input may move: one kind of ball a file, registered under its norm."""

from turtlenet.balls.base import BALLS, Ball, get, norms, register
from turtlenet.balls.features import FeatureBall, is_plain
from turtlenet.balls.l0 import L0
from turtlenet.balls.l1 import L1
from turtlenet.balls.l2 import L2
from turtlenet.balls.linf import Linf
from turtlenet.balls.space import Rule, Space

__all__ = [
    "BALLS",
    "L0",
    "L1",
    "L2",
    "Ball",
    "FeatureBall",
    "Linf",
    "Rule",
    "Space",
    "get",
    "is_plain",
    "norms",
    "register",
]
