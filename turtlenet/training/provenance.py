"""How a model was trained, as far as its file tells."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turtlenet import balls, models
from turtlenet.attacks.told import told
from turtlenet.errors import TurtlenetError
from turtlenet.training import Objective, Schedule, objectives

__all__ = ["Training", "training_of"]

_NATURAL: dict[str, Any] = {"objective": "natural", "epochs": 10, "validation": 0}


@dataclass(frozen=True)
class Training:
    """A way to train.

    Attributes:
        settings: Arguments of `turtlenet.workflows.train.harden_model`.
        missing: What of the model's own training is not known, in words; empty where all of it is.
    """

    settings: dict[str, Any]
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data."""
        plain = self.settings.get("objective")
        return {**self.settings, "objective": plain.to_dict() if isinstance(plain, Objective) else plain}

    def __str__(self) -> str:
        objective = self.settings["objective"]
        name = objective if isinstance(objective, str) else objectives.name_of(type(objective))
        schedule = {**dataclasses.asdict(Schedule()), **self.settings}
        return f"{name}, {schedule['optimizer']}, {schedule['epochs']} epochs of batches of {schedule['batch_size']}"


def training_of(provenance: Mapping[str, Any] | None) -> Training:
    """The training that a file's provenance tells; an ordinary one where it tells none.

    Nothing is imported or read for it: names are those of registered attacks and objectives, and an attack that would
    read a file is not followed.
    """
    recipe = (provenance or {}).get("recipe")
    if not isinstance(recipe, Mapping):
        return Training(_NATURAL, "its file does not say")
    try:
        known = {field.name for field in dataclasses.fields(Schedule)} - {"seed"}
        schedule = {name: value for name, value in recipe.items() if name in known}
        Schedule(**schedule)
        objective, missing = _objective(recipe["objective"])
        precision = recipe.get("precision")
        settings = {**schedule, "objective": objective, "validation": recipe.get("validation")}
        return Training(settings | ({"precision": precision} if precision in models.PRECISIONS else {}), missing)
    except (TurtlenetError, TypeError, KeyError, ValueError, AttributeError) as error:
        return Training(_NATURAL, f"its file says what nobody can follow here ({error})")


def _objective(said: Mapping[str, Any]) -> tuple[Objective, str]:
    settings = dict(said)
    factory = objectives.factory(settings.pop("name"))
    attack, ball = told(settings.pop("attack")), settings.pop("ball")
    missing = ""
    if settings.get("craft_on", "self") != "self":
        missing = f"it was crafted on other models too ({settings['craft_on']}), which are not in its file"
        settings["craft_on"] = "self"
    return factory(attack=attack, ball=balls.get(ball["norm"], ball["eps"], ball["bounds"]), **settings), missing
