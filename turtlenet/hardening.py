"""Hardening runs from what a user gives: a model, data, and the settings of an objective."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.arguments import checked
from turtlenet.attacks import Attack
from turtlenet.balls import Ball
from turtlenet.batches import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.defences import Conversion, Defence
from turtlenet.errors import DataError, SettingError
from turtlenet.fitting import (
    DataType,
    ModelType,
    PathType,
    at_least,
    ball_for,
    describe_ball,
    hold_out,
    in_memory,
    load_data,
    source_for,
)
from turtlenet.gan.rivals import keep_rivals
from turtlenet.pools import check_without_ball, drawn_from, rivals_in, with_generators
from turtlenet.training import Objective, Run, Schedule, harden, objectives, recipes

__all__ = ["harden_model", "train"]


@checked()
def train(
    model: ModelType, data: DataType | None = None, *, recipe: str | None = None, **settings: Any
) -> keras.Model:
    """Hardens a model by adversarial training; gives a new model and leaves the one given as it is.

    Args:
        model: A classifier, or the path of one.
        data: What to train on: `(x, y)`, a name or a path; None for the embedded sample where it fits.
        recipe: The name or path of a recipe, whose settings hold where none is given.
        **settings: Those of `harden_model`.

    Returns:
        The hardened model, with the architecture, the head and the compiled state of the one given, behind its
        defences if there are any.
    """
    said = recipes.find(recipe).settings if recipe else {}
    return harden_model(model, data, **{**said, **settings})[0]


@checked()
def harden_model(
    model: ModelType,
    data: DataType | None = None,
    *,
    attack: str | Attack | Sequence[str | Attack] = "pgd",
    attack_weights: Sequence[float] = (),
    attack_drawn: str = "batch",
    generator_moves: int = 1,
    eps: float | None = None,
    norm: str = "linf",
    objective: str | Objective = "madry",
    defences: Sequence[str | Defence | Conversion] = (),
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    epochs: int = 20,
    steps_per_epoch: int = 0,
    batch_size: int | None = 128,
    accumulate: int = 1,
    precision: str | None = None,
    learning_rate: float = 1e-3,
    optimizer: str = "adam",
    warmup: float = 0.25,
    validation: int | None = None,
    validation_attack: str | Attack | None = None,
    sources: Sequence[ModelType] = (),
    seed: int = 0,
    checkpoint: PathType | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tell: Callable[[str], None] = print,
    verbose: bool = False,
) -> tuple[keras.Model, Run]:
    """Hardens a model and tells what the run did.

    Args:
        model: A classifier, or the path of one.
        data: What to train on; see `train`.
        attack: The inner attack, as a spec or an `Attack`; a bare name takes its settings for training. Of several
            one is drawn for each batch or example. `advgan` plays a game: its generator is trained in turns with the
            model, from the one given on, or from one that is trained first.
        attack_weights: How often each of several attacks is drawn; alike if empty.
        attack_drawn: `batch`: one attack for each batch; `example`: one for each example, at the cost of all.
        generator_moves: Steps of a generator before each step of the model; 0 leaves it as it is.
        eps: Radius in input units; None takes 0.3 for gray images and 8/255 for others, times the pixel range.
        norm: `linf`, `l2` or `l1`.
        objective: `madry`, `natural` or another registered one, as a spec, or an `Objective`, which then has its own
            attack and ball.
        defences: Layers to put in front of the model before it is trained, from the input on; specs or layers.
        bounds: Smallest and largest value of a pixel; None tells them from the model.
        head: What the model's outputs are; see `turtlenet.models.logits_model`.
        epochs, steps_per_epoch, learning_rate, optimizer, seed: See `turtlenet.training.Schedule`.
        batch_size: Examples in a batch, of all devices together; None for 128, in as many parts as memory asks for.
        accumulate: Parts that a batch is worked on in, one after the other: less memory, the same step.
        precision: What layers compute in while training: `float32`, `bfloat16` or `float16`; see
            `turtlenet.models.compute_in`. The model that is given back computes as the one that came.
        warmup: Share of the run over which the radius grows from 0.
        validation: Images held out of the training data; None takes a tenth, at most 1,000; 0 none.
        validation_attack: The attack of validation; None takes 20 steps of PGD.
        sources: Other, fixed models to craft on; see the objective's `craft_on`.
        checkpoint: Where the run's state lies.
        resume: Whether to continue from there.
        callbacks: Further Keras callbacks.
        tell: Is given what happens, a line each.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.

    Returns:
        The hardened model, and the run.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    schedule = Schedule(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=128 if batch_size is None else batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        seed=seed,
    )
    at_least(1, accumulate=accumulate)
    models.check_precision(precision)
    if not 0 <= warmup <= 1:
        raise SettingError(f"Expected warmup from 0 to 1, a share of the run; got {warmup}.")
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    before = in_memory(model)
    hardened = models.wrap(models.copy(before), defences, bounds)
    restore = models.compute_in(hardened, precision)
    victim = models.classifier(hardened, bounds=bounds, head=head)
    computed, shields = victim.precision, [str(each) for each in models.defences_of(hardened)]
    found = load_data(data, victim)
    if found.train is None:
        raise DataError(f"Expected training images in {found.name}; got test images only.")
    found.train.check()
    number, processes = backend.process()
    clustered = checkpoint is not None or processes > 1
    identity: dict[str, Any] = {}
    if clustered:
        identity = {"model": models.weights_sha256(before), "data": found.train.sha256()}
        check_agreement(**identity)
        identity["defences"] = shields
    examples, held_out = hold_out(found.train, validation, seed)
    identity |= {"validation": len(held_out) if held_out else 0, "generator_moves": generator_moves}
    _, total = schedule.steps(len(examples))
    tell = tell if number == 0 else _silent
    ball = ball_for(victim, norm, eps)
    made = drawn_from(attack, attack_weights, attack_drawn)
    with tempfile.TemporaryDirectory() as nowhere:
        files: dict[str, Any] = {"checkpoint": checkpoint, "resume": resume, "nowhere": Path(nowhere)}
        made = with_generators(made, hardened, victim, found, ball, head=head, seed=seed, tell=tell, **files)
        plan = _objective(objective, made, ball, round(warmup * total))
        # An objective that was given whole has a generator of its own, which is left as it is.
        rivals = [] if isinstance(objective, Objective) else rivals_in(made, ball, generator_moves, seed)
        opening = [
            f"data: {examples.describe()}; {len(held_out) if held_out else 0:,} held out for validation",
            f"threat: {describe_ball(plan.ball)}; attack {plan.attack}",
        ]
        if shields:
            opening.append(f"defences: {', '.join(shields)}")
        if resume and not (checkpoint and Path(checkpoint).exists()):
            opening.insert(0, f"nothing to continue at {checkpoint}: starting anew")
        run = harden(
            victim,
            examples,
            plan,
            schedule,
            validation=held_out,
            validation_attack=attack_family.build(validation_attack) if validation_attack else None,
            sources=[source_for(source, victim, precision) for source in sources],
            own_optimizer=getattr(hardened, "optimizer", None),
            checkpoint=Path(checkpoint) if checkpoint else None,
            resume=resume,
            identity=identity,
            callbacks=[_Opening(tell, opening), *callbacks],
            accumulate=None if batch_size is None else accumulate,
            rivals=rivals,
            tell=tell,
            verbose=verbose,
        )
    restore()
    if rivals and checkpoint and number == 0:
        # It has had the gradients of the model as it is now, whatever it was trained on before.
        for path in keep_rivals(plan.attack, models.weights_sha256(victim.model), played=run.steps):
            tell(f"saved {path}: the generator that learned in turns with the model")
    recipe = {**dataclasses.asdict(schedule), "objective": plan.to_dict(), "data": found.name}
    recipe |= {"precision": computed, "defences": shields, "validation": len(held_out) if held_out else 0}
    return hardened, dataclasses.replace(run, recipe=recipe)


def _silent(line: str) -> None:
    """Says nothing: another process does."""


class _Opening(keras.callbacks.Callback):
    """Tells what a run works on once nothing more can be refused."""

    def __init__(self, tell: Callable[[str], None], lines: Sequence[str]):
        super().__init__()
        self.tell = tell
        self.lines = list(lines)

    def on_train_begin(self, logs: Any = None) -> None:
        while self.lines:
            self.tell(self.lines.pop(0))


def _objective(spec: str | Objective, attack: Attack, ball: Ball, warmup_steps: int) -> Objective:
    if isinstance(spec, Objective):
        return spec
    check_without_ball(attack)
    return objectives.build(spec, {"warmup_steps": warmup_steps}, attack=attack, ball=ball)
