"""Attacks that consist of other attacks; `base.py` owns what they have in common."""

from turtlenet.attacks.ensembles.autoattack import AutoAttack
from turtlenet.attacks.ensembles.base import Combined, Elsewhere
from turtlenet.attacks.ensembles.eot import Averaged
from turtlenet.attacks.ensembles.mixed import Mixed
from turtlenet.attacks.ensembles.transfer import Transfer
from turtlenet.attacks.ensembles.worst_of import Restarts, Targets, WorstOf

__all__ = ["AutoAttack", "Averaged", "Mixed", "Combined", "Elsewhere", "Restarts", "Targets", "Transfer", "WorstOf"]
