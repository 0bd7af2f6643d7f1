"""Generators of adversarial examples, as a Keras project calls them; the command line calls the same."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import FACTS
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.backend.processes import check_alone
from turtlenet.checked import checked
from turtlenet.data.misfits import misfits
from turtlenet.data.prepare import DataType, hold_out, load_data
from turtlenet.errors import DataError, SettingError, SpecError, at_least, did_you_mean
from turtlenet.files import PathType
from turtlenet.gan import GanRun, build_players, check_game, train_players, variant
from turtlenet.gan.distillation import distill
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier, source_for
from turtlenet.training import Schedule
from turtlenet.training.surrogates.oracle import Oracle
from turtlenet.training.surrogates.substitute import fresh_network

__all__ = ["ACCESSES", "TRAIN_FIRST", "TrainedGenerator", "save_generator", "train_generator"]

ACCESSES = ("dynamic", "semi-white-box", "static")
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
def train_generator(
    model: ModelType,
    data: DataType | None = None,
    *,
    eps: float | str | None = None,
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
        eps: Radius in input units, or as `"8px"` (gray levels of 255) or `"3%"` (of the pixel range); None takes 0.3
            for gray images and 8/255 for others, times the pixel range.
        norm: `linf`, `l2` or `l1`.
        name: The variant: `paper`, or `strong`, the best that was found.
        access: `semi-white-box`: the generator's training sees the model's gradients; `static`: those of a substitute
            that was trained on the model's answers to the training images; `dynamic`: the substitute also learns,
            after each epoch, from the answers to the generator's own examples.
        substitute: Architecture of that substitute: a registered name, or the path of a model.
        distillation: Passes over the training images in the substitute's first training.
        pool: Further models that the generator is trained against at the same time.
        epochs, steps_per_epoch, batch_size, learning_rate, seed: See `turtlenet.training.Schedule`.
        patience: Epochs without more success on held-out images after which to stop; 0 never stops early. Without the
            model's gradients it is the success against the substitute.
        validation: Images held out of the training data; None takes a tenth, at most 1,000; 0 none.
        bounds, head: See `turtlenet.train`.
        checkpoint: Where the run's state lies.
        resume: Whether to continue from there; not for `dynamic`.
        callbacks: Further Keras callbacks.
        tell: Is given what happens, a line each.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.
        **rules: Settings of `turtlenet.gan.GeneratorObjective` in place of the variant's: `target`, `alpha`, ...

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    check_alone("to train a generator", TRAIN_FIRST)
    _check_access(access, epochs, patience, bool(resume or checkpoint))
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
    check_game(game, victim, patience)
    ball = ball_for(victim, norm, eps)
    if ball.norm not in AdvGAN.norms:
        raise SettingError(f"Expected one of the norms {', '.join(AdvGAN.norms)} for a generator; got {ball.norm}.")
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
    tell(f"threat: {describe_ball(ball, victim.input_shape, why_eps(victim, norm, eps))}; {access}, variant {name}")
    for line in misfits(victim, examples, ball):
        tell(line)
    same: dict[str, Any] = {"validation": held_out, "callbacks": callbacks, "verbose": verbose}
    state: dict[str, Any] = {"patience": patience, "resume": resume}
    if checkpoint:
        state["checkpoint"] = Path(checkpoint)
        state["identity"] = {
            "access": access,
            "model": [models.weights_sha256(victim.model), head, list(victim.bounds)],
            "pool": [models.weights_sha256(each.model) for each in others],
            "substitute": [models.weights_sha256(student.model), distillation] if student is not None else [],
            "data": found.train.sha256(),
            "validation": len(held_out) if held_out else 0,
        }
    if student is None:
        run, queries = train_players(players, [victim, *others], examples, schedule, tell=tell, **state, **same), 0
    else:
        oracle = Oracle(victim, "scores")
        asked: dict[str, Any] = {"dynamic": access == "dynamic", "passes": distillation, "tell": tell}
        run = distill(players, oracle, student, others, examples, schedule, state=state, **asked, **same)
        queries = oracle.queries
    attacked = list(zip([model, *pool], [victim, *others], strict=True))
    # A substitute is not the model: nothing of what was trained on has its hash.
    trained_on = attacked if student is None else attacked[1:]
    facts = {
        "shape": list(victim.input_shape),
        "bounds": list(victim.bounds),
        "norm": ball.norm,
        "eps": float(ball.eps),
        "variant": name,
        **dataclasses.asdict(game),
        "access": access,
        "queries": queries,
        "victims": [about_model(one, each)["sha256"] for one, each in trained_on],
        # A model that was trained on as a file may be attacked from memory, and the other way round.
        "victims_weights": [models.weights_sha256(each.model) for _, each in trained_on],
        "substitute": substitute if student is not None else None,
        "data": found.name,
        "schedule": dataclasses.asdict(schedule),
        "best_epoch": run.best_epoch,
        "val_success": run.val_success,
        "epochs": [dataclasses.asdict(epoch) for epoch in run.epochs],
    }
    return TrainedGenerator(players.generator, facts, run)


def _check_access(access: str, epochs: int, patience: int, kept: bool) -> None:
    """Refuses an access that is not known, and what does not go with one."""
    if access not in ACCESSES:
        raise SpecError(f"Unknown access {access!r} of a generator.{did_you_mean(access, ACCESSES)}")
    if access != "dynamic":
        return
    if kept:
        raise SettingError("Expected a run from the start for access dynamic; got a state to continue from.")
    if patience:
        # Each epoch has another substitute to tell success by.
        raise SettingError(f"Expected patience=0 for access dynamic; got {patience}.")
    if epochs < 2:
        raise SettingError(f"Expected at least 2 epochs for access dynamic; got {epochs}: use static.")


@checked()
def save_generator(generator: TrainedGenerator, path: PathType) -> None:
    """Saves a generator as `.h5` or `.keras` with what it was trained for, at once or not at all.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    models.save(generator.model, path, {FACTS: generator.facts})
