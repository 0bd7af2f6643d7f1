"""AdvGAN: a generator of adversarial perturbations, the game it is trained in, and what it was found to do."""

from turtlenet.architectures.gan import NETWORKS
from turtlenet.gan.objective import VARIANTS, GeneratorObjective, Players, build_players, variant
from turtlenet.gan.run import Epoch, GanRun, check_game, train_players
from turtlenet.gan.trainer import GanTrainer

__all__ = [
    "NETWORKS",
    "VARIANTS",
    "Epoch",
    "GeneratorObjective",
    "GanRun",
    "GanTrainer",
    "Players",
    "build_players",
    "check_game",
    "train_players",
    "variant",
]
