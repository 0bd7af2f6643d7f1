"""Attacks that consist of other attacks; `base.py` owns what they have in common."""

from turtlenet.attacks.combined.averaged import Averaged
from turtlenet.attacks.combined.base import Combined, Elsewhere
from turtlenet.attacks.combined.mixed import Mixed
from turtlenet.attacks.combined.rounds import Restarts, Targets, WorstOf
from turtlenet.attacks.combined.transfer import Transfer

__all__ = ["Averaged", "Mixed", "Combined", "Elsewhere", "Restarts", "Targets", "Transfer", "WorstOf"]
