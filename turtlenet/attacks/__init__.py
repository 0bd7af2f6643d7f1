"""One attack a file; `base.py` owns the promise. Importing this folder registers them all."""

from turtlenet.attacks.ascent import Ascent
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.combined import Averaged, Restarts, Targets, Transfer, WorstOf
from turtlenet.attacks.fgsm import FGSM, RFGSM
from turtlenet.attacks.goal import Goal, Verdict
from turtlenet.attacks.mim import MIM
from turtlenet.attacks.noise import Noise
from turtlenet.attacks.pgd import BIM, PGD, Madry
from turtlenet.attacks.scene import Crafted, Found, Scene
from turtlenet.attacks.staged import Staged

__all__ = [
    "BIM",
    "FGSM",
    "MIM",
    "PGD",
    "RFGSM",
    "Ascent",
    "Attack",
    "Averaged",
    "Crafted",
    "Found",
    "Goal",
    "Madry",
    "Noise",
    "Restarts",
    "Scene",
    "Staged",
    "Targets",
    "Transfer",
    "Verdict",
    "WorstOf",
    "attacks",
    "build",
    "names",
]


def build(spec: "str | Attack", *, training: bool = False) -> Attack:
    """Makes an attack of a spec such as `pgd:steps=40,step_size=0.1`; an attack is given back as it is.

    Args:
        spec: A spec string or an attack.
        training: Whether the attack's settings for training replace its defaults where the spec is silent.

    Raises:
        SpecError: An unknown name or setting, with the nearest one.
        SettingError: A setting out of its range.
    """
    if isinstance(spec, Attack):
        return spec
    name = spec.partition(":")[0]
    defaults = getattr(attacks.factory(name), "training_settings", {}) if training and "." not in name else {}
    return attacks.build(spec, defaults)


def names() -> list[str]:
    """The names of all attacks."""
    return attacks.names()
