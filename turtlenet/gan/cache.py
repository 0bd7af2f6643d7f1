"""`advgan` without a generator: one is trained for the model first, and kept for the next time."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turtlenet.attacks import AdvGAN, Attack
from turtlenet.attacks.goal import is_class
from turtlenet.attacks.threat import ball_for
from turtlenet.backend.processes import check_alone
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.errors import SettingError
from turtlenet.files import check_folder
from turtlenet.gan.train import TRAIN_FIRST, save_generator, train_generator
from turtlenet.models.as_classifier import ModelType, about_model

_TRAINING: dict[str, Any] = {"name": "strong", "epochs": 10}


def ready(
    attack: Attack,
    model: ModelType,
    victim: Classifier,
    data: Data,
    *,
    eps: float | str | None,
    norm: str,
    head: str = "auto",
    seed: int = 0,
    access: str = "white-box",
    tell: Callable[[str], None] = print,
) -> Attack:
    """Gives `advgan` without a generator one: it is trained first, and kept by the hash of the model's weights.

    They lie in the folder `generators` of `TURTLENET_HOME` (`~/.cache/turtlenet`). Another attack is given back as it
    is.

    Args:
        attack: The attack.
        model: The model, as it was given.
        victim: Its classifier.
        data: What a generator is trained on.
        eps: The threat's radius in input units, or a text with a unit; None for the usual one.
        norm: The threat's norm.
        head: What the model's outputs are.
        seed: Repeats the training.
        access: What the attacker knows of the model.
        tell: Is given what happens, a line each.

    Returns:
        The attack, with the file of its generator.

    Raises:
        DataError: There is nothing to train on.
        SettingError: An attacker who may not have the model, whose gradients the training would see; a cluster, where
            every process would train one; a target that is no class; a model that is asked another thing than one
            class.
    """
    if not isinstance(attack, AdvGAN) or attack.generator:
        return attack
    attack.check_task(victim)
    if access != "white-box":
        raise SettingError(
            f"Expected advgan:generator=FILE.h5 for access {access}; got none, and training one here would see the "
            "model's gradients: turtlenet gan train --access dynamic."
        )
    if attack.targeted and not is_class(attack.target):
        raise SettingError(
            f"Expected a class number as the target that a generator is trained towards; got {attack.target}."
        )
    ball = attack.own_ball(ball_for(victim, norm, eps), victim.input_shape)
    target = attack.target if is_class(attack.target) else ""
    digest = about_model(model, victim)["sha256"]
    low, high = victim.bounds
    threat = f"{ball.norm}-{float(ball.eps):g}-{low:g}-{high:g}-{target or 'any'}"
    # Arrays have no name: others in their place are trained on anew.
    known = data.name if data.train is None or data.name != "arrays" else f"arrays-{data.train.sha256()[:12]}"
    stem = f"{digest[:16]}-{head}-{threat}-{known}-{seed}"
    home = Path(os.environ.get("TURTLENET_HOME", "~/.cache/turtlenet")).expanduser() / "generators"
    path = home / f"{''.join(sign if sign.isalnum() or sign in '.-' else '_' for sign in stem)}.h5"
    if path.is_file():
        tell(f"advgan: the generator for this model is kept in {path}")
    else:
        check_alone("to train a generator", TRAIN_FIRST)
        check_folder(home)
        tell(f"advgan: no generator given; training one for this model first, to keep in {path}")
        same: dict[str, Any] = {"bounds": victim.bounds, "head": head, "target": target}
        made = train_generator(
            model, data, eps=float(ball.eps), norm=ball.norm, **same, **_TRAINING, seed=seed, tell=tell
        )
        home.mkdir(parents=True, exist_ok=True)
        save_generator(made, path)
    return dataclasses.replace(attack, generator=str(path))
