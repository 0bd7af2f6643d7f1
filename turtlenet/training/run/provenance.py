"""How a model was trained, as far as its file tells."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import attacks, balls
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import FEATURES, Said
from turtlenet.attacks.from_file import attack_from_file
from turtlenet.attacks.threat import ball_for
from turtlenet.data import Examples
from turtlenet.data.prepare import hold_out
from turtlenet.errors import TurtlenetError
from turtlenet.models import PRECISIONS, classifier, compute_in, defences_of, weights_sha256
from turtlenet.registry import registered_names
from turtlenet.training.data.augmentation import build
from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.run.hardening import Schedule, harden
from turtlenet.training.wrappers import make_wrappers
from turtlenet.typing import Shape

_NATURAL: dict[str, Any] = {"objective": "natural", "epochs": 10, "validation": 0}


@dataclass(frozen=True)
class Training:
    """A way to train.

    Attributes:
        settings: Those of a `Schedule`, and `objective` (an `Objective`, or the name of one), `validation` (images
            held out) and, where they are known, `precision`, the specs of `augment` and `wrappers` as plain data.
        missing: What of the model's own training is not known, in words; empty where all of it is.
    """

    settings: dict[str, Any]
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data."""
        plain = self.settings.get("objective")
        return {**self.settings, "objective": plain.to_dict() if isinstance(plain, Objective) else plain}

    def harden(
        self,
        network: keras.Model,
        train: Examples,
        *,
        bounds: tuple[float, float],
        head: str,
        seed: int,
        checkpoint: Path,
        resume: bool,
    ) -> dict[str, Any]:
        """Trains a network in place in this way.

        Args:
            network: With fresh weights.
            train: What to train on, and to hold out for validation.
            bounds: Smallest and largest value of a pixel, in input units.
            head: What the network's outputs are.
            seed: Repeats every draw.
            checkpoint: Where the run's state lies.
            resume: Whether to continue from there.

        Returns:
            The recipe, as plain data, for the file that the network is saved in.

        Raises:
            TurtlenetError: Anything that does not fit, in one line, before training starts.
        """
        settings = dict(self.settings)
        objective, validation = settings.pop("objective"), settings.pop("validation")
        around = settings.pop("wrappers", [])
        identity = {
            "model": weights_sha256(network),
            "data": train.sha256(),
            "defences": [str(each) for each in defences_of(network)],
        }
        restore = compute_in(network, settings.pop("precision", None))
        augment = build(settings.pop("augment", ()))
        victim = classifier(network, bounds=bounds, head=head)
        schedule = Schedule(**settings, seed=seed)
        examples, held_out = hold_out(train, validation, seed)
        if not isinstance(objective, Objective):
            attack = attacks.build("pgd", training=True)
            objective = objectives.build(objective, attack=attack, ball=ball_for(victim, "linf", None))
        count = len(held_out) if held_out else 0
        harden(
            victim,
            examples,
            objective,
            schedule,
            validation=held_out,
            own_optimizer=getattr(network, "optimizer", None),
            checkpoint=checkpoint,
            resume=resume,
            identity={**identity, "validation": count},
            wrappers=make_wrappers(around),
            augment=augment,
            tell=lambda line: None,
        )
        restore()
        more = {"objective": objective.to_dict(), "precision": victim.precision}
        more |= {"wrappers": around} if around else {}
        more |= {"augment": [str(each) for each in augment]} if augment else {}
        return {**schedule.noted(), **more, "defences": identity["defences"], "validation": count}

    def __str__(self) -> str:
        objective = self.settings["objective"]
        name = objective if isinstance(objective, str) else objectives.name_of(type(objective))
        schedule = {**dataclasses.asdict(Schedule()), **self.settings}
        return f"{name}, {schedule['optimizer']}, {schedule['epochs']} epochs of batches of {schedule['batch_size']}"


def training_of(provenance: Mapping[str, Any] | None, shape: Shape = ()) -> Training:
    """The training that a file's provenance tells; an ordinary one where it tells none.

    Nothing is imported or read for it: names are those of registered attacks and objectives, and an attack that would
    read a file is not followed.

    Args:
        provenance: Of the file; None for nothing.
        shape: Of an input, for features that had bounds, radii and rules of their own.
    """
    recipe = (provenance or {}).get("recipe")
    if not isinstance(recipe, Mapping):
        return Training(_NATURAL, "its file does not say")
    try:
        known = {field.name for field in dataclasses.fields(Schedule)} - {"seed"}
        schedule = {name: value for name, value in recipe.items() if name in known}
        Schedule(**schedule)
        objective, missing = _objective(recipe["objective"], (provenance or {}).get(FEATURES), shape)
        precision = recipe.get("precision")
        settings = {**schedule, "objective": objective, "validation": recipe.get("validation")}
        settings |= {"precision": precision} if precision in PRECISIONS else {}
        with registered_names():
            augment = [str(each) for each in build(recipe.get("augment", ()))]
            made = make_wrappers([dict(each) for each in recipe.get("wrappers", ())])
        around = [wrapper.to_dict() for wrapper in made]
        settings |= {"wrappers": around} if around else {}
        settings |= {"augment": augment} if augment else {}
        extra = recipe.get("extra")
        if extra is not None:
            more = f"it was trained on extra data too ({extra['name']}), which are not in its file"
            missing = f"{missing}; {more}" if missing else more
        return Training(settings, missing)
    except (TurtlenetError, TypeError, LookupError, ValueError, AttributeError) as error:
        return Training(_NATURAL, f"its file says what nobody can follow here ({error})")


def _objective(said: Mapping[str, Any], features: Any, shape: Shape) -> tuple[Objective, str]:
    settings = dict(said)
    factory = objectives.factory(settings.pop("name"))
    attack, ball = attack_from_file(settings.pop("attack")), settings.pop("ball")
    missing = ""
    if settings.get("craft_on", "self") != "self":
        missing = f"it was crafted on other models too ({settings['craft_on']}), which are not in its file"
        settings["craft_on"] = "self"
    if "features" in ball:
        if not (isinstance(features, Mapping) and shape):
            raise ValueError("each of its features had a radius of its own, which are not in its file")
        threat = resolve(Said().else_of(features), shape, ball["norm"], tuple(ball["bounds"]))
        made = factory(attack=attack, ball=threat.ball, **settings)
    else:
        made = factory(attack=attack, ball=balls.get(ball["norm"], ball["eps"], ball["bounds"]), **settings)
    if made.helpers:
        raise ValueError("its helper is not in its file")
    return made, missing
