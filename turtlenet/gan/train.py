"""Generators of adversarial examples, as a Keras project calls them; the command line calls the same."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import FACTS
from turtlenet.attacks.features.plain import one_for_all
from turtlenet.attacks.threat import describe_ball, why_eps
from turtlenet.backend.processes import check_alone
from turtlenet.balls import Ball
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.prepare import DataType, part_to_train_on
from turtlenet.errors import SettingError
from turtlenet.files import PathType
from turtlenet.gan import GanRun, build_players, check_game, train_players, variant
from turtlenet.gan.distillation import distill
from turtlenet.gan.objective import GeneratorObjective, Players
from turtlenet.models.as_classifier import ModelType, about_model, source_for
from turtlenet.settings.base import check_of_use, takes
from turtlenet.settings.gan import GanSettings
from turtlenet.training import Schedule
from turtlenet.training.surrogates.oracle import Oracle
from turtlenet.training.surrogates.substitute import fresh_network

__all__ = ["TRAIN_FIRST", "TrainedGenerator", "save_generator", "train_generator"]

TRAIN_FIRST = "turtlenet gan train first, then advgan:generator=FILE.h5"


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


@checked()
@takes(GanSettings)
def train_generator(model: ModelType, data: DataType | None = None, **settings: Any) -> TrainedGenerator:
    """Trains a generator of adversarial examples against a model (Xiao et al., 2018; paper 003, section 4.4).

    Args:
        model: A classifier, or the path of one.
        data: What to train on: `(x, y)`, or the training part of a name or a path; None for the embedded sample where
            it fits.
        **settings: See `turtlenet.settings.gan.GanSettings`; the rules of `turtlenet.gan.GeneratorObjective` are those
            of the variant where they are None.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    check_alone("to train a generator", TRAIN_FIRST)
    options = GanSettings(**settings)
    _check_access(options)
    if options.access == "semi-white-box":
        idle = ("substitute", "distillation")
        check_of_use(GanSettings, settings, idle, "--access static or dynamic", options.access)
    schedule = options.only(Schedule, optimizer="adam", clip_norm=0.0)
    rules = {field.name: getattr(options, field.name) for field in dataclasses.fields(GeneratorObjective)}
    game = variant(options.name, **rules)

    threat: dict[str, Any] = {"bounds": options.bounds, "eps": options.eps, "what": "for a generator"}
    victim, ball = one_for_all(model, options.norm, **threat, head=options.head)
    check_game(game, victim, options.patience)
    _check_ball(ball)
    players = build_players(game, ball, victim.input_shape, options.seed)
    others = [source_for(one, victim) for one in options.pool]
    student = None
    if options.access != "semi-white-box":
        student = models.classifier(fresh_network(options.substitute, victim, options.seed), bounds=victim.bounds)
    part = part_to_train_on(model, data, victim, options)
    examples, held_out = part.examples, part.held_out
    why = why_eps(victim, options.norm, options.eps)
    options.tell(f"data: {examples.describe()}; {part.validated}")
    options.tell(f"threat: {describe_ball(ball, victim.input_shape, why)}; {options.access}, variant {options.name}")
    for line in misfits(victim, examples, ball):
        options.tell(line)
    same: dict[str, Any] = {"validation": held_out, "callbacks": options.callbacks, "verbose": options.verbose}
    state: dict[str, Any] = {"patience": options.patience, "resume": options.resume}
    if options.checkpoint:
        state["checkpoint"] = Path(options.checkpoint)
        state["identity"] = _identity(options, victim, others, student) | part.identity
    if student is None:
        run = train_players(players, [victim, *others], examples, schedule, tell=options.tell, **state, **same)
        queries = 0
    else:
        oracle = Oracle(victim, "scores")
        how: dict[str, Any] = {
            "dynamic": options.access == "dynamic",
            "passes": options.distillation,
            "tell": options.tell,
        }
        run = distill(players, oracle, student, others, examples, schedule, state=state, **how, **same)
        queries = oracle.queries
    attacked = list(zip([model, *options.pool], [victim, *others], strict=True))
    # A substitute is not the model: nothing of what was trained on has its hash.
    attacked = attacked if student is None else attacked[1:]
    told: dict[str, Any] = {"queries": queries, "data": part.name, "schedule": dataclasses.asdict(schedule)}
    facts = _facts(options, players, victim, attacked, run, **told)
    return TrainedGenerator(players.generator, facts, run)


def _check_ball(ball: Ball) -> None:
    """Refuses a threat that no generator is trained for.

    Raises:
        SettingError: A norm that no generator is trained in, or a radius of 0.
    """
    if ball.norm not in AdvGAN.norms:
        raise SettingError(f"Expected one of the norms {', '.join(AdvGAN.norms)} for a generator; got {ball.norm}.")
    if not ball.eps > 0:
        raise SettingError(f"Expected eps > 0 for a generator; got {ball.eps}.")


def _identity(
    options: GanSettings, victim: Classifier, others: Sequence[Classifier], student: Classifier | None
) -> dict[str, Any]:
    """What tells a run from another, but for its data."""
    return {
        "access": options.access,
        "model": [models.weights_sha256(victim.model), options.head, list(victim.bounds)],
        "pool": [models.weights_sha256(each.model) for each in others],
        "substitute": [models.weights_sha256(student.model), options.distillation] if student is not None else [],
    }


def _facts(
    options: GanSettings,
    players: Players,
    victim: Classifier,
    attacked: Sequence[tuple[ModelType, Classifier]],
    run: GanRun,
    *,
    queries: int,
    data: str,
    schedule: dict[str, Any],
) -> dict[str, Any]:
    """What a generator's file says of it."""
    return {
        "shape": list(victim.input_shape),
        "bounds": list(victim.bounds),
        "norm": players.ball.norm,
        "eps": float(players.ball.eps),
        "variant": options.name,
        **dataclasses.asdict(players.game),
        "access": options.access,
        "queries": queries,
        "victims": [about_model(one, each)["sha256"] for one, each in attacked],
        # A model that was trained on as a file may be attacked from memory, and the other way round.
        "victims_weights": [models.weights_sha256(each.model) for _, each in attacked],
        "substitute": options.substitute if options.access != "semi-white-box" else None,
        "data": data,
        "schedule": schedule,
        "best_epoch": run.best_epoch,
        "val_success": run.val_success,
        "epochs": [dataclasses.asdict(epoch) for epoch in run.epochs],
    }


def _check_access(options: GanSettings) -> None:
    """Refuses what does not go with an access.

    Raises:
        SettingError: A state to continue from, patience, or a single epoch for `dynamic`.
    """
    if options.access != "dynamic":
        return
    if options.resume or options.checkpoint:
        raise SettingError("Expected a run from the start for access dynamic; got a state to continue from.")
    if options.patience:
        # Each epoch has another substitute to tell success by.
        raise SettingError(f"Expected patience=0 for access dynamic; got {options.patience}.")
    if options.epochs < 2:
        raise SettingError(f"Expected at least 2 epochs for access dynamic; got {options.epochs}: use static.")


@checked()
def save_generator(generator: TrainedGenerator, path: PathType) -> None:
    """Saves a generator as `.h5` or `.keras` with what it was trained for, at once or not at all.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    models.save(generator.model, path, {FACTS: generator.facts})
