"""What a model is hardened against: one attack or a pool of them, with generators that learn meanwhile."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import attacks as attack_family
from turtlenet.attacks import AdvGAN, Attack, Mixed
from turtlenet.backend.processes import check_alone
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.files import PathType
from turtlenet.gan.cache import ready
from turtlenet.gan.co_training import players_of, with_own_generators
from turtlenet.training.co_training import Turns

__all__ = ["check_without_ball", "drawn_from", "rivals_in", "with_generators"]

_DRAWN = ("batch", "example")


def drawn_from(attack: str | Attack | Sequence[str | Attack], weights: Sequence[float], drawn: str) -> Attack:
    """The inner attack, or a mixture of several; bare names take their settings for training.

    Raises:
        SettingError: No attack, weights that do not fit, or an attack with a ball of its own.
    """
    given = [attack] if isinstance(attack, str | Attack) else list(attack)
    if not given:
        raise SettingError("Expected at least one attack; got none.")
    if drawn not in _DRAWN:
        raise SpecError(f"Unknown attack_drawn {drawn!r}.{did_you_mean(drawn, _DRAWN)}")
    made = [attack_family.build(each, training=True) for each in given]
    if len(made) == 1:
        if weights:
            raise SettingError("Expected several attacks for attack_weights; got one.")
        return made[0]
    for each in made:
        check_without_ball(each)
    return Mixed(attacks=made, weights=";".join(f"{weight:g}" for weight in weights), drawn=drawn)


def with_generators(
    attack: Attack,
    model: keras.Model,
    victim: Classifier,
    data: Data,
    ball: Ball,
    *,
    head: str,
    seed: int,
    checkpoint: PathType | None,
    resume: bool,
    nowhere: Path,
    tell: Callable[[str], None],
) -> Attack:
    """The attack with generators that are its own to train, in files beside the checkpoint.

    Args:
        attack: The attack, or a mixture.
        model: The model to harden, which a generator is trained on first where none is given.
        victim: The same, as attackers see it.
        data: What to train on.
        ball: The threat.
        head: What the model's outputs are.
        seed: Repeats every draw.
        checkpoint: The run's state; None puts the files into `nowhere`.
        resume: Whether files that are there are those of the run to continue.
        nowhere: A folder that lives as long as the run.
        tell: Is given what happens, a line each.

    Raises:
        SettingError: A cluster.
    """
    parts = attack.parts if isinstance(attack, Mixed) else (attack,)
    if not any(isinstance(part, AdvGAN) for part in parts):
        return attack
    check_alone("to train against advgan")
    given: dict[str, Any] = {"eps": float(ball.eps), "norm": ball.norm, "head": head, "seed": seed, "tell": tell}
    done = [ready(part, model, victim, data, **given) for part in parts]
    whole = dataclasses.replace(attack, attacks=done) if isinstance(attack, Mixed) else done[0]
    place = Path(checkpoint) if checkpoint else nowhere / "run"
    stem = place.name.removesuffix(".resume").removesuffix(".h5").removesuffix(".keras")
    # Without a state to continue from, a file that an earlier run left is nothing to begin with.
    whole = with_own_generators(whole, place.parent, stem, resume=resume and place.exists())
    whole.check(victim, ball)
    return whole


def rivals_in(attack: Attack, ball: Ball, moves: int, seed: int) -> list[Turns]:
    """The generators of an attack, as they take turns with the model; none where they make no move.

    Raises:
        SettingError: Less than no move.
    """
    if moves < 0:
        raise SettingError(f"Expected generator_moves >= 0; got {moves}.")
    return [Turns(each, moves=moves) for each in players_of(attack, ball, seed)] if moves else []


def check_without_ball(attack: Attack) -> None:
    """Refuses an attack with a ball of its own, which training would not heed.

    Raises:
        SettingError: One that has.
    """
    if attack.norm or attack.eps:
        raise SettingError(f"Expected norm and eps of the threat, not of the attack, in training; got {attack}.")
