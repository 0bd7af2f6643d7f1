"""Trains the front of a model, as a Keras project calls it; the command line calls the same."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import attacks, models
from turtlenet.attacks.threat import ball_for, describe_ball, why_eps
from turtlenet.backend.processes import check_alone
from turtlenet.balls import Ball
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.prepare import DataType, TrainingPart, part_to_train_on
from turtlenet.data.readers.tables import is_tabular
from turtlenet.defences import Front, defences
from turtlenet.defences.fronts.files import FACTS
from turtlenet.errors import DataError, SettingError, SpecError, did_you_mean
from turtlenet.files import PathType
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier
from turtlenet.registry import Spec, parse_spec
from turtlenet.settings.base import check_of_use, describes
from turtlenet.settings.fronts import FrontSettings
from turtlenet.training.fronts.objectives import OBJECTIVES, FrontObjective
from turtlenet.training.fronts.run import FrontRun, train_network
from turtlenet.training.run import Schedule


@dataclass(frozen=True, eq=False)
class TrainedFront:
    """A front in memory.

    Attributes:
        layer: The defence; `turtlenet.wrap(model, front.layer)` puts it in front of a model.
        model: The layer alone as a model, from images to images: what its file holds.
        facts: What its file says of it.
        run: What its training did.
    """

    layer: Front
    model: keras.Model
    facts: dict[str, Any]
    run: FrontRun


@checked()
@describes(FrontSettings)
def train_front(name: str, model: ModelType, data: DataType | None = None, **settings: Any) -> TrainedFront:
    """Trains a network that cleans the images of a model: APE-GAN, Defense-GAN, MagNet's, a contractive autoencoder.

    Args:
        name: The defence that it is for, such as `magnet`; also with settings of that layer.
        model: A classifier of images, or the path of one; it stays as it is.
        data: What to train on: `(x, y)`, or the training part of a name or a path; None for the embedded sample where
            it fits.
        **settings: See `turtlenet.settings.fronts.FrontSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line, before training starts.
    """
    check_alone("to train a front")
    options, spec = FrontSettings(**settings), parse_spec(name)
    check_front(spec)
    check_settings(spec.name, settings)
    schedule = options.only(Schedule, optimizer="adam", clip_norm=0.0)
    victim = as_classifier(model, bounds=options.bounds, head=options.head)
    ball = ball_for(victim, options.norm, options.eps)
    layer, objective = _begun(spec, options, victim, ball)
    if is_tabular(data):
        raise DataError(f"Expected images to train the front {spec.name} on; got a table.")
    part = part_to_train_on(model, data, victim, options)
    for line in _opening(spec.name, options, victim, ball, objective, part):
        options.tell(line)
    state: dict[str, Any] = {"checkpoint": Path(options.checkpoint)} if options.checkpoint else {}
    state["identity"] = _identity(spec.name, options, layer, objective, victim, ball, part)
    told: dict[str, Any] = {"callbacks": options.callbacks, "tell": options.tell, "verbose": options.verbose}
    run = train_network(
        objective, part.examples, schedule, validation=part.held_out, resume=options.resume, **state, **told
    )
    source = keras.Input(victim.input_shape, name="image")
    whole = keras.Model(source, layer(source), name=spec.name.replace("-", "_"))
    layer.network.set_weights(objective.network.get_weights())
    facts = {
        "kind": spec.name,
        "shape": list(victim.input_shape),
        "bounds": list(victim.bounds),
        "sizes": dict(layer.sizes),
        **objective.settings,
        **({"attack": str(objective.attack), "norm": ball.norm, "eps": float(ball.eps)} if objective.crafts else {}),
        "model": about_model(model, victim)["sha256"],
        "data": part.name,
        "schedule": dataclasses.asdict(schedule),
        "best_epoch": run.best_epoch,
        "epochs": [dataclasses.asdict(epoch) for epoch in run.epochs],
    }
    return TrainedFront(layer, whole, facts, run)


def _opening(
    name: str, options: FrontSettings, victim: Classifier, ball: Ball, objective: FrontObjective, part: TrainingPart
) -> list[str]:
    """What is told when training starts, a line each."""
    lines = [f"data: {part.examples.describe()}; {part.validated}"]
    if name == "ape-gan":
        why = why_eps(victim, options.norm, options.eps)
        lines.append(f"images to clean: {objective.attack}, {describe_ball(ball, victim.input_shape, why)}")
    return [*lines, *misfits(victim, part.examples, ball)]


def _identity(
    name: str,
    options: FrontSettings,
    layer: Front,
    objective: FrontObjective,
    victim: Classifier,
    ball: Ball,
    part: TrainingPart,
) -> dict[str, Any]:
    """What tells a run from another."""
    return {
        "front": name,
        "sizes": layer.sizes,
        "numbers": objective.settings,
        "attack": str(objective.attack),
        "ball": [ball.norm, float(ball.eps)],
        "model": [models.weights_sha256(victim.model), options.head, list(victim.bounds)],
        **part.identity,
    }


def check_front(spec: Spec) -> None:
    """Refuses a defence that is no front to be trained.

    Raises:
        SpecError: No front has this name.
        SettingError: The spec names the file of a trained front.
    """
    if spec.name not in OBJECTIVES:
        raise SpecError(f"Unknown trained front {spec.name!r}.{did_you_mean(spec.name, OBJECTIVES)}")
    if "front" in spec.settings:
        raise SettingError(f"Expected no file of a front where one is trained; got front={spec.settings['front']}.")


def check_settings(name: str, given: Mapping[str, Any]) -> None:
    """Refuses settings of other fronts.

    Args:
        name: The front.
        given: What the user gave, by name.

    Raises:
        SettingError: One that this front's training does not look at.
    """
    own = _own(name)
    for field in dataclasses.fields(FrontSettings):
        fronts = [each for each in sorted(OBJECTIVES) if field.name in _own(each)]
        if fronts and field.name not in own:
            check_of_use(FrontSettings, given, (field.name,), f"the front {' or '.join(fronts)}", name)


def _own(name: str) -> tuple[str, ...]:
    """The settings that a front has and others may lack."""
    kind: Any = defences.factory(name)
    objective = OBJECTIVES[name]
    return (*kind.names_of_sizes, *objective.uses, *(("attack",) if objective.crafts else ()))


def _begun(spec: Spec, options: FrontSettings, victim: Classifier, ball: Ball) -> tuple[Front, FrontObjective]:
    """The layer, and its network with fresh weights and what that is to learn."""
    kind: Any = defences.factory(spec.name)
    sizes = {size: getattr(options, size) for size in kind.names_of_sizes}
    low, high = victim.bounds
    layer: Any = defences.build(spec, low=low, high=high, shape=victim.input_shape, sizes=sizes)
    network = kind.network_of(victim.input_shape, victim.bounds, sizes, options.seed)
    objective = OBJECTIVES[spec.name]
    attack = attacks.build(options.attack)
    if objective.crafts:
        attack.check(victim, ball)
    numbers = {number: float(getattr(options, number)) for number in objective.uses}
    return layer, objective(network, victim, ball, attack=attack, settings=numbers, seed=options.seed)


@checked()
def save_front(front: TrainedFront, path: PathType) -> None:
    """Saves a front as `.h5` with what it was trained for, at once or not at all.

    Raises:
        OutputError: The path cannot be written, or has another suffix.
    """
    models.save(front.model, path, {FACTS: front.facts})


def facts_of(path: PathType) -> dict[str, Any]:
    """What a front's file says of it."""
    return dict((models.read_provenance(path) or {}).get(FACTS, {}))
