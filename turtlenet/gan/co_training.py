"""Generators that train on while a model is hardened against them."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks import AdvGAN, Attack, Mixed
from turtlenet.attacks.advgan import FACTS, generators_in, loaded_generator
from turtlenet.backend.processes import check_alone
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.errors import SettingError
from turtlenet.files import PathType
from turtlenet.gan.cache import ready
from turtlenet.gan.objective import GeneratorObjective, Players, build_players
from turtlenet.training.co_training import Turns


def with_own_generators(attack: Attack, folder: Path, stem: str, *, resume: bool = False) -> Attack:
    """Gives every generator of an attack a copy in a folder, so that the user's own file stays as it is.

    Args:
        attack: `advgan`, or a mixture with such members; others are given back as they are.
        folder: Where the copies go.
        stem: What their names begin with.
        resume: Whether a copy that is there is that of a run to continue.

    Raises:
        ModelError: A file that is no generator's.
        SettingError: One that would be written over.
    """
    if isinstance(attack, AdvGAN):
        # `turtlenet gan train` writes its own to ...-generator.h5.
        copy = folder / f"{stem}-rival.h5"
        if copy.is_file() and Path(attack.generator).is_file() and copy.samefile(attack.generator):
            raise SettingError(
                f"Expected a generator elsewhere than at {copy}, where this run keeps its own; got that: copy it, or "
                "write the model to another file."
            )
        if not (resume and copy.is_file()):
            loaded_generator(attack.generator)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(attack.generator, copy)
        return dataclasses.replace(attack, generator=str(copy))
    if not isinstance(attack, Mixed):
        return attack
    own, count = [], 0
    for member in attack.members:
        name = f"{stem}-{count + 1}" if count else stem
        own.append(with_own_generators(member, folder, name, resume=resume))
        count += isinstance(member, AdvGAN)
    return dataclasses.replace(attack, attacks=own)


def players_of(attack: Attack, ball: Ball, seed: int = 0) -> list[Players]:
    """The games around an attack's generators: the loaded generators themselves, each with a new discriminator."""
    players = []
    for path in generators_in(attack):
        source = loaded_generator(path)
        known = {
            field.name: source.facts[field.name]
            for field in dataclasses.fields(GeneratorObjective)
            if field.name in source.facts
        }
        fresh = build_players(GeneratorObjective(**known), ball, source.facts["shape"], seed)
        players.append(dataclasses.replace(fresh, generator=source.model))
    return players


def keep_rivals(attack: Attack, victim: str, **facts: Any) -> list[str]:
    """Writes an attack's generators as they are now; gives the paths.

    Args:
        attack: With the generators.
        victim: Hash of the weights that they played against at last.
        **facts: What else is known of them.
    """
    paths = generators_in(attack)
    for path in paths:
        source = loaded_generator(path)
        known = [*source.facts.get("victims_weights", ()), victim]
        models.save(source.model, path, {FACTS: {**source.facts, **facts, "victims_weights": known}})
    return paths


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
    members = attack.members if isinstance(attack, Mixed) else (attack,)
    if not any(isinstance(member, AdvGAN) for member in members):
        return attack
    check_alone("to train against advgan")
    given: dict[str, Any] = {"eps": float(ball.eps), "norm": ball.norm, "head": head, "seed": seed, "tell": tell}
    done = [ready(member, model, victim, data, **given) for member in members]
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
