"""Generators of adversarial examples, as a Keras project calls them; the command line calls the same."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import backend, models, random
from turtlenet.attacks import AdvGAN, Attack
from turtlenet.attacks.advgan import FACTS, loaded_generator
from turtlenet.attacks.batched import attack_all
from turtlenet.black_box import Oracle, fit_answers, fresh_network
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.errors import DataError, SettingError, SpecError, did_you_mean
from turtlenet.files import check_folder
from turtlenet.fitting import (
    DataType,
    ModelType,
    PathType,
    about_model,
    as_classifier,
    at_least,
    ball_for,
    describe_ball,
    hold_out,
    load_data,
    source_for,
    to_attack,
)
from turtlenet.gan import GanRun, Players, build_players, train_players, variant
from turtlenet.gan.measure import measure_generator
from turtlenet.gan.report import GeneratorReport
from turtlenet.gan.views import grid
from turtlenet.training import Schedule

__all__ = ["ACCESSES", "TrainedGenerator", "ready", "save_generator", "show_generator", "train_generator"]

ACCESSES = ("dynamic", "semi-white-box", "static")
_CACHED: dict[str, Any] = {"name": "strong", "epochs": 10}


@dataclasses.dataclass(frozen=True)
class TrainedGenerator:
    """A generator in memory.

    Attributes:
        model: From images, or images and noise, to perturbations in input units.
        facts: What its file says of it.
        run: What its training did.
    """

    model: keras.Model
    facts: dict[str, Any]
    run: GanRun


def train_generator(
    model: ModelType,
    data: DataType | None = None,
    *,
    eps: float | None = None,
    norm: str = "linf",
    name: str = "strong",
    access: str = "semi-white-box",
    substitute: str = "cleverhans",
    distillation: int = 10,
    pool: Sequence[ModelType] = (),
    epochs: int = 20,
    steps_per_epoch: int = 0,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    patience: int = 0,
    validation: int | None = None,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    seed: int = 0,
    checkpoint: PathType | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tell: Callable[[str], None] = print,
    verbose: bool = False,
    **rules: Any,
) -> TrainedGenerator:
    """Trains a generator of adversarial examples against a model (Xiao et al., 2018; paper 003, section 4.4).

    Args:
        model: A classifier, or the path of one.
        data: What to train on: `(x, y)`, or the training part of a name or a path; None for the embedded sample where
            it fits.
        eps: Radius in input units; None takes 0.3 for gray images and 8/255 for others, times the pixel range.
        norm: `linf`, `l2` or `l1`.
        name: The variant: `paper`, or `strong`, the best that was found.
        access: `semi-white-box`: the generator's training sees the model's gradients; `static`: those of a substitute
            that was trained on the model's answers to the training images; `dynamic`: the substitute also learns,
            after each epoch, from the answers to the generator's own examples.
        substitute: Architecture of that substitute: a registered name, or the path of a model.
        distillation: Passes over the training images in the substitute's first training.
        pool: Further models that the generator is trained against at the same time.
        epochs, steps_per_epoch, batch_size, learning_rate, seed: See `turtlenet.training.Schedule`.
        patience: Epochs without more success on held-out images after which to stop; 0 never stops early.
        validation: Images held out of the training data; None takes a tenth, at most 1,000; 0 none.
        bounds, head: See `turtlenet.train`.
        checkpoint: Where the run's state lies.
        resume: Whether to continue from there; not for `dynamic`.
        callbacks: Further Keras callbacks.
        tell: Is given what happens, a line each.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.
        **rules: Settings of `turtlenet.gan.Game` in place of the variant's: `target`, `alpha`, `beta`, ...

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    if access not in ACCESSES:
        raise SpecError(f"Unknown access {access!r} of a generator.{did_you_mean(access, ACCESSES)}")
    _alone()
    if access == "dynamic" and (resume or checkpoint):
        raise SettingError("Expected a run from the start for access dynamic; got a state to continue from.")
    at_least(1, distillation=distillation)
    schedule = Schedule(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    game = variant(name, **rules)
    victim = as_classifier(model, bounds=bounds, head=head)
    ball = ball_for(victim, norm, eps)
    if not ball.eps > 0:
        raise SettingError(f"Expected eps > 0 for a generator; got {ball.eps}.")
    players = build_players(game, ball, victim.input_shape, seed)
    others = [source_for(one, victim) for one in pool]
    student = None
    if access != "semi-white-box":
        student = models.classifier(fresh_network(substitute, victim, seed), bounds=victim.bounds)
    found = load_data(data, victim)
    if found.train is None or not len(found.train):
        raise DataError(f"Expected training images in {found.name}; got test images only.")
    found.train.check()
    examples, held_out = hold_out(found.train, validation, seed)
    tell(f"data: {examples.describe()}; {len(held_out) if held_out else 0:,} held out for validation")
    tell(f"threat: {describe_ball(ball)}; {access}, variant {name}")
    same: dict[str, Any] = {"validation": held_out, "callbacks": callbacks, "verbose": verbose}
    queries = 0
    if student is None:
        state: dict[str, Any] = {
            "checkpoint": Path(checkpoint) if checkpoint else None,
            "resume": resume,
            "patience": patience,
        }
        identity = {"model": models.weights_sha256(victim.model), "data": found.train.sha256()} if checkpoint else {}
        run = train_players(players, [victim, *others], examples, schedule, identity=identity, **state, **same)
    else:
        oracle = Oracle(victim, "scores")
        run = _distilled(players, oracle, student, others, examples, schedule, access, distillation, tell, same)
        queries = oracle.queries
    attacked = list(zip([model, *pool], [victim, *others], strict=True))
    digests = [about_model(one, each)["sha256"] for one, each in attacked]
    # A model that was trained on as a file may be attacked from memory, and the other way round.
    weights = [models.weights_sha256(each.model) for _, each in attacked]
    facts = {
        "shape": list(victim.input_shape),
        "bounds": list(victim.bounds),
        "norm": ball.norm,
        "eps": float(ball.eps),
        "variant": name,
        **dataclasses.asdict(game),
        "access": access,
        "queries": queries,
        # A substitute is not the model: nothing of what was trained on has its hash.
        "victims": digests if student is None else digests[1:],
        "victims_weights": weights if student is None else weights[1:],
        "substitute": substitute if student is not None else None,
        "data": found.name,
        "schedule": dataclasses.asdict(schedule),
        "best_epoch": run.best_epoch,
        "val_success": run.val_success,
        "epochs": [dataclasses.asdict(epoch) for epoch in run.epochs],
    }
    return TrainedGenerator(players.generator, facts, run)


def save_generator(generator: TrainedGenerator, path: PathType) -> None:
    """Saves a generator as `.h5` or `.keras` with what it was trained for, at once or not at all.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    models.save(generator.model, path, {FACTS: generator.facts})


def show_generator(
    path: PathType,
    model: ModelType,
    data: DataType | None = None,
    *,
    eps: float | None = None,
    samples: int = 1,
    limit: int | None = 1000,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    seed: int = 0,
    batch_size: int | None = 256,
) -> tuple[GeneratorReport, bytes]:
    """Measures a generator on unseen images of a model.

    Args:
        path: The generator's file.
        model: A classifier, or the path of one.
        data: What to attack: the test part; see `turtlenet.evaluate`.
        eps: Radius in input units, at most the generator's; None takes that.
        samples: How many perturbations to try; see `turtlenet.attacks.AdvGAN`.
        limit: Most images, the first of the part; None for all.
        bounds, head: See `turtlenet.train`.
        seed: Repeats the draws.
        batch_size: Images in one compiled call.

    Returns:
        The report, and a PNG of samples, empty where inputs are no pictures.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    facts = loaded_generator(str(path)).facts
    victim = as_classifier(model, bounds=bounds, head=head)
    attack = AdvGAN(generator=str(path), samples=samples)
    ball = ball_for(victim, facts["norm"], facts["eps"] if eps is None else eps)
    attack.check(victim, ball)
    examples = to_attack(load_data(data, victim), held_out=True).take(limit)
    about = about_model(model, victim)
    report = measure_generator(
        attack, victim, examples, ball, about=about, facts=facts, seed=seed, batch_size=batch_size
    )
    x, y = _of_each_class(examples, victim.num_classes)
    moved = attack_all(attack, victim, x, y, ball=ball, seed=seed, batch_size=batch_size).x
    return report, grid(x, moved, victim.bounds)


def ready(
    attack: Attack,
    model: ModelType,
    victim: Classifier,
    data: Data,
    *,
    eps: float | None,
    norm: str,
    seed: int = 0,
    access: str = "white-box",
    tell: Callable[[str], None] = print,
) -> Attack:
    """Gives `advgan` without a generator one: it is trained first, and kept by the hash of the model's weights.

    They lie in the folder `generators` of `TURTLENET_HOME` (`~/.cache/turtlenet`). Another attack is given back as it
    is.

    Raises:
        DataError: There is nothing to train on.
        SettingError: An attacker who may not have the model, whose gradients the training would see; a cluster, where
            every process would train one.
    """
    if not isinstance(attack, AdvGAN) or attack.generator:
        return attack
    if access != "white-box":
        raise SettingError(
            f"Expected advgan:generator=FILE.h5 for access {access}; got none, and training one here would see the "
            "model's gradients: turtlenet gan train --access dynamic."
        )
    ball = attack.own_ball(ball_for(victim, norm, eps), victim.input_shape)
    target = attack.target if attack.target.isdigit() else ""
    digest = about_model(model, victim)["sha256"]
    stem = f"{digest[:16]}-{ball.norm}-{float(ball.eps):g}-{target or 'any'}-{data.name}-{seed}"
    home = Path(os.environ.get("TURTLENET_HOME", "~/.cache/turtlenet")).expanduser() / "generators"
    path = home / f"{''.join(sign if sign.isalnum() or sign in '.-' else '_' for sign in stem)}.h5"
    if path.is_file():
        tell(f"advgan: the generator for this model is kept in {path}")
    else:
        _alone()
        check_folder(home)
        tell(f"advgan: no generator given; training one for this model first, to keep in {path}")
        threat: dict[str, Any] = {"eps": float(ball.eps), "norm": ball.norm, "bounds": victim.bounds, "target": target}
        made = train_generator(model, data, **threat, **_CACHED, seed=seed, tell=tell)
        home.mkdir(parents=True, exist_ok=True)
        save_generator(made, path)
    return dataclasses.replace(attack, generator=str(path))


def _alone() -> None:
    if backend.process()[1] > 1:
        raise SettingError(
            "Expected one process to train a generator; got a cluster: turtlenet gan train first, then "
            "advgan:generator=FILE.h5."
        )


def _distilled(
    players: Players,
    oracle: Oracle,
    student: Classifier,
    others: Sequence[Classifier],
    examples: Examples,
    schedule: Schedule,
    access: str,
    distillation: int,
    tell: Callable[[str], None],
    same: dict[str, Any],
) -> GanRun:
    """Trains a substitute on answers, and the players on the substitute; in turns where access is dynamic."""
    x, y = examples.batch(slice(None))
    answers = oracle.ask(x)
    fit_answers(student, x, answers, epochs=distillation, batch_size=schedule.batch_size, seed=schedule.seed)
    tell(f"substitute: trained on {oracle.queries:,} answers")
    if access == "static":
        return train_players(players, [student, *others], examples, schedule, **same)
    runs = []
    for number in range(schedule.epochs):
        turn = dataclasses.replace(schedule, epochs=1, seed=schedule.seed + number)
        runs.append(train_players(players, [student, *others], examples, turn, **same))
        moved = np.concatenate([_moved(players, part) for part in np.array_split(x, -(-len(x) // 256))])
        both = np.concatenate([x, moved]), np.concatenate([answers, oracle.ask(moved)])
        fit_answers(student, *both, epochs=1, batch_size=schedule.batch_size, seed=schedule.seed + number)
        tell(f"turn {number + 1} of {schedule.epochs}: {oracle.queries:,} queries")
    epochs = tuple(epoch for run in runs for epoch in run.epochs)
    # Each turn meets another substitute: the last generator is kept, not the one that an easier one fell to.
    return dataclasses.replace(
        runs[-1],
        steps=sum(run.steps for run in runs),
        seconds=round(sum(run.seconds for run in runs), 3),
        epochs=epochs,
        best_epoch=schedule.epochs if runs[-1].best_epoch else None,
    )


def _moved(players: Players, x: np.ndarray) -> np.ndarray:
    keys = random.keys(0, np.arange(len(x), dtype="int32"))
    moved: np.ndarray = keras.ops.convert_to_numpy(players.moved(keras.ops.convert_to_tensor(x), keys))
    return moved


def _of_each_class(examples: Examples, num_classes: int, most: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The first image of each class, or of the first ten."""
    x, y = examples.batch(slice(None))
    rows = [int(np.flatnonzero(y == label)[0]) for label in range(num_classes) if (y == label).any()][:most]
    return x[rows], y[rows]
