"""Hardening runs from what a user gives: a model, data, and the settings of an objective."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.balls import Ball
from turtlenet.bars import aside
from turtlenet.batching import check_agreement
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import note, remember, trained_on
from turtlenet.data.prepare import DataType, hold_out, load_data, load_extra
from turtlenet.defences import Conversion, Defence
from turtlenet.errors import DataError, SettingError, at_least
from turtlenet.files import PathType
from turtlenet.gan.co_training import keep_rivals, rivals_in, with_generators
from turtlenet.models.as_classifier import ModelType, in_memory, source_for
from turtlenet.training import Augmentation, Objective, Run, Schedule, class_weights, harden, objectives, recipes
from turtlenet.training import augmentation as augmentation_family
from turtlenet.training.attack_pool import check_without_ball, drawn_from
from turtlenet.training.cost import Clock, Cost, cost_of
from turtlenet.training.stream import Extra, Stream
from turtlenet.training.time_limit import fit_into, kept_choice, parsed_time

__all__ = ["harden_model", "train"]

_EXTRA_SHARE = 0.7
_VALIDATION = "pgd:steps=20,early_stop=true"
"""The attack of validation where none is given, as `Trainer` has it."""


@checked()
def train(
    model: ModelType,
    data: DataType | None = None,
    *,
    recipe: str | None = None,
    preset: str | None = None,
    **settings: Any,
) -> keras.Model:
    """Hardens a model by adversarial training; gives a new model and leaves the one given as it is.

    Args:
        model: A classifier, or the path of one.
        data: What to train on: `(x, y)` or `(x, y, sample_weight)`, a name, a path, or a finite stream of batches
            (`tf.data`, `PyDataset`, a generator: read once); None for the embedded sample where it fits.
        recipe: The name or path of a recipe, whose settings hold where none is given.
        preset: `quick`, `balanced` or `strong`: the recipe of that name, for whom the recipe says nothing.
        **settings: Those of `harden_model`.

    Returns:
        The hardened model, with the architecture, the head and the compiled state of the one given, behind its
        defences if there are any.
    """
    return harden_model(model, data, **{**recipes.said(preset, recipe), **settings})[0]


@checked()
def harden_model(
    model: ModelType,
    data: DataType | None = None,
    *,
    attack: str | Attack | Sequence[str | Attack] = "pgd",
    attack_weights: Sequence[float] = (),
    attack_drawn: str = "batch",
    generator_moves: int = 1,
    eps: float | str | None = None,
    norm: str = "linf",
    objective: str | Objective = "madry",
    defences: Sequence[str | Defence | Conversion] = (),
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    epochs: int | None = None,
    steps_per_epoch: int = 0,
    batch_size: int | None = 128,
    accumulate: int = 1,
    precision: str | None = None,
    learning_rate: float = 1e-3,
    optimizer: str = "adam",
    warmup: float = 0.25,
    validation: int | None = None,
    validation_attack: str | Attack | None = None,
    class_weight: Any = None,
    augment: Sequence[str | Augmentation] = (),
    extra: DataType | None = None,
    extra_share: float | None = None,
    time: str | None = None,
    sources: Sequence[ModelType] = (),
    seed: int = 0,
    checkpoint: PathType | None = None,
    resume: bool = False,
    out: PathType | None = None,
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
        eps: Radius in input units, or as `"8px"` (gray levels of 255) or `"3%"` (of the pixel range); None takes 0.3
            for gray images and 8/255 for others, times the pixel range.
        norm: `linf`, `l2` or `l1`.
        objective: `madry`, `natural` or another registered one, as a spec, or an `Objective`, which then has its own
            attack and ball.
        defences: Layers to put in front of the model before it is trained, from the input on; specs or layers.
        bounds: Smallest and largest value of a pixel; None tells them from the model.
        head: What the model's outputs are; see `turtlenet.models.logits_model`.
        epochs: Passes over the training data; None for 20, or for as many as fit into `time`, at most 200.
        steps_per_epoch, learning_rate, optimizer, seed: See `turtlenet.training.Schedule`.
        batch_size: Examples in a batch, of all devices together; None for 128, in as many parts as memory asks for.
        accumulate: Parts that a batch is worked on in, one after the other: less memory, the same step.
        precision: What layers compute in while training: `float32`, `bfloat16` or `float16`; see
            `turtlenet.models.compute_in`. The model that is given back computes as the one that came.
        warmup: Share of the run over which the radius grows from 0.
        validation: Images held out of the training data; None takes a tenth, at most 1,000; 0 none.
        validation_attack: The attack of validation; None takes 20 steps of PGD.
        class_weight: How much examples of each class count in training: `balanced`, each class alike; a dict of
            classes and weights; or a weight for each class. Weights of examples, `(x, y, sample_weight)`, multiply
            them; neither counts in validation.
        augment: Changes of each training batch before it is attacked: specs such as `shift:pixels=2`, `flip`,
            `crop:padding=4` and `cutout:size=8`, `mnist` and `cifar` for their usual sets, or `auto`
            for that of the model's images.
        extra: Further data, such as generated images, in any form that `data` has; none is held out for validation. An
            epoch is a pass over the other data.
        extra_share: Their share of each batch; None for 0.7 (Gowal et al., 2021, "Improving robustness using generated
            data").
        time: How long training may take on this machine: `2h`, `90m`, `45s`. A few steps are timed; then as many
            epochs are chosen as fit, and fewer steps of the attack where else fewer than 10 epochs would. A run that
            continues keeps what was chosen.
        sources: Other, fixed models to craft on; see the objective's `craft_on`.
        checkpoint: Where the run's state lies.
        resume: Whether to continue from there.
        out: Where the model will be saved: it is written there once, and taken away, before training starts, so that
            a model that the file cannot hold is refused then.
        callbacks: Further Keras callbacks.
        tell: Is given what happens, a line each.
        verbose: Whether to print a line for each epoch where no terminal shows the bar.

    Returns:
        The hardened model, and the run.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    schedule = Schedule(
        epochs=20 if epochs is None else epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=128 if batch_size is None else batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        seed=seed,
    )
    at_least(1, accumulate=accumulate)
    seconds = None if time is None else parsed_time(time)
    if extra is None and extra_share is not None:
        raise SettingError(f"Expected extra data for extra_share={extra_share}; got none: pass --extra.")
    models.check_precision(precision)
    if not 0 <= warmup <= 1:
        raise SettingError(f"Expected warmup from 0 to 1, a share of the run; got {warmup}.")
    if isinstance(model, Classifier):
        bounds, head = bounds or model.bounds, model.told if head == "auto" else head
    before = in_memory(model)
    hardened = models.wrap(_own(before, tell), defences, bounds)
    if out is not None:
        models.check_writable(out, hardened)
    restore = models.compute_in(hardened, precision)
    victim = models.classifier(hardened, bounds=bounds, head=head)
    augment = augmentation_family.build(augment, victim.input_shape)
    for change in augment:
        change.check(victim.input_shape, victim.bounds)
    computed, shields = victim.precision, [str(each) for each in models.defences_of(hardened)]
    # What is in front of the model is new to it: the model as it came says whether the data are its own.
    known = models.classifier(before, bounds=victim.bounds, head=head) if defences else victim
    found = load_data(data, victim, judge=known, weighted=True)
    if found.train is None:
        raise DataError(f"Expected training images in {found.name}; got test images only.")
    found.train.check()
    seen = note(found)
    number, processes = backend.process()
    clustered = checkpoint is not None or processes > 1
    identity: dict[str, Any] = {}
    if clustered:
        identity = {"model": models.weights_sha256(before), "data": found.train.sha256()}
        check_agreement(**identity)
        identity["defences"] = shields
    examples, held_out = hold_out(found.train, validation, seed)
    if examples.weights is not None:
        identity["sample_weight"] = hashlib.sha256(examples.weights.tobytes()).hexdigest()
    balance = None
    if class_weight is not None:
        balance = class_weights(class_weight, examples.labels, victim.num_classes)
        examples = examples.weighted(np.asarray(balance)[examples.labels])
        identity["class_weight"] = balance
    further, extra_facts = None, None
    if extra is not None:
        further, extra_facts = _further(extra, extra_share, victim, balance)
        identity["extra"] = extra_facts["sha256"]
        if clustered:
            check_agreement(identity["model"], identity["extra"])
        # What does not fit is said before anything long starts.
        Stream(examples, schedule.batch_size, seed, extra=further)
    identity |= {"validation": len(held_out) if held_out else 0, "generator_moves": generator_moves}
    _, total = schedule.steps(len(examples), further)
    tell = aside(tell) if number == 0 else _silent
    ball = ball_for(victim, norm, eps)
    made = drawn_from(attack, attack_weights, attack_drawn)
    with tempfile.TemporaryDirectory() as nowhere:
        files: dict[str, Any] = {"checkpoint": checkpoint, "resume": resume, "nowhere": Path(nowhere)}
        made = with_generators(made, hardened, victim, found, ball, head=head, seed=seed, tell=tell, **files)
        plan = _objective(objective, made, ball, round(warmup * total))
        # An objective that was given whole has a generator of its own, which is left as it is.
        rivals = [] if isinstance(objective, Objective) else rivals_in(made, ball, generator_moves, seed)
        watched = attack_family.build(validation_attack) if validation_attack else None
        crafted_on = [source_for(source, victim, precision) for source in sources]
        own_optimizer = getattr(hardened, "optimizer", None)

        def cost(plan: Objective, schedule: Schedule) -> Cost:
            count = 0 if held_out is None else len(held_out)
            checked = (watched or attack_family.build(_VALIDATION)) if count else None
            steps = schedule.steps(len(examples), further)
            return cost_of(plan, victim.num_classes, steps, schedule.batch_size, count, checked)

        if seconds is not None:
            choice = kept_choice(Path(checkpoint)) if resume and checkpoint else None
            choice = choice or fit_into(
                seconds,
                victim,
                plan,
                schedule,
                Stream(examples, schedule.batch_size, seed, extra=further),
                lambda plan: cost(plan, schedule),
                most=epochs,
                own_optimizer=own_optimizer,
                sources=crafted_on,
                accumulate=accumulate,
                rivals=rivals,
                augment=augment,
            )
            identity["time"] = {"seconds": seconds, **dataclasses.asdict(choice)}
            schedule = dataclasses.replace(schedule, epochs=choice.epochs)
            _, total = schedule.steps(len(examples), further)
            plan = dataclasses.replace(plan, attack=choice.attack(plan.attack))
            if not isinstance(objective, Objective):
                plan = dataclasses.replace(plan, warmup_steps=round(warmup * total))
        opening = [
            f"data: {examples.describe()}; {len(held_out) if held_out else 0:,} held out for validation",
            f"threat: {describe_ball(plan.ball, victim.input_shape, why_eps(victim, norm, eps))}; "
            f"attack {plan.attack}",
            *misfits(known, examples, plan.ball),
        ]
        if shields:
            opening.append(f"defences: {', '.join(shields)}")
        if further is not None:
            opening.append(f"extra: {further.examples.describe()}; {further.share:g} of each batch")
        if augment:
            opening.append(f"augment: {', '.join(map(str, augment))}")
        expected = cost(plan, schedule)
        chosen = f"; chosen for {time}: {schedule.epochs} epochs, {plan.attack}" if time else ""
        opening.append(f"cost: {expected}{chosen}")
        if resume and not (checkpoint and Path(checkpoint).exists()):
            opening.insert(0, f"nothing to continue at {checkpoint}: starting anew")
        run = harden(
            victim,
            examples,
            plan,
            schedule,
            validation=held_out,
            validation_attack=watched,
            sources=crafted_on,
            own_optimizer=own_optimizer,
            checkpoint=Path(checkpoint) if checkpoint else None,
            resume=resume,
            identity=identity,
            callbacks=[_Opening(tell, opening), Clock(expected, tell), *callbacks],
            accumulate=None if batch_size is None else accumulate,
            rivals=rivals,
            augment=augment,
            extra=further,
            tell=tell,
            verbose=verbose,
        )
    restore()
    if rivals and checkpoint and number == 0:
        # It has had the gradients of the model as it is now, whatever it was trained on before.
        for path in keep_rivals(plan.attack, models.weights_sha256(victim.model), played=run.steps):
            tell(f"saved {path}: the generator that learned in turns with the model")
    recipe = {**dataclasses.asdict(schedule), "objective": plan.to_dict(), "data": found.name}
    if balance is not None:
        recipe["class_weight"] = balance
    recipe |= {"augment": [str(each) for each in augment]} if augment else {}
    recipe |= {"extra": extra_facts} if extra_facts else {}
    recipe |= {"time": time} if time else {}
    recipe |= {"precision": computed, "defences": shields, "validation": len(held_out) if held_out else 0}
    learned = [seen] if further is None else [seen, note(Data(further.examples.name, train=further.examples))]
    remember(hardened, [*trained_on(model), *learned])
    return hardened, dataclasses.replace(run, recipe=recipe)


def _further(
    data: DataType, share: float | None, victim: Classifier, balance: Sequence[float] | None
) -> tuple[Extra, dict[str, Any]]:
    """Extra examples, weighted as their classes are, and what the model's file says of them."""
    examples = load_extra(data, victim)
    if balance is not None:
        examples = examples.weighted(np.asarray(balance)[examples.labels])
    extra = Extra(examples, _EXTRA_SHARE if share is None else share)
    facts = {"name": examples.name, "count": len(examples), "sha256": examples.sha256(), "share": extra.share}
    return extra, facts


def _own(model: keras.Model, tell: Callable[[str], None]) -> keras.Model:
    """A model to train that leaves the given one as it is, or that one itself where Keras cannot make another."""
    try:
        return models.copy(model)
    except models.NoTwinError as error:
        tell(f"{model.name} is trained in place, since it has no twin: {error}")
        return model


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
