"""Hardening recipes: TOML files that say how to harden a model: defences, objective, attack and schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from turtlenet.files.toml_files import Shelf
from turtlenet.radius import check_radius
from turtlenet.settings.base import hints, options
from turtlenet.settings.train import PRESETS, TrainSettings

_SHELF = Shelf("recipe", "defences", "recipes")


def keys_of(kind: Any) -> dict[str, Any]:
    """What a recipe may say, and its type: every setting but those that belong to one machine, model or data set."""
    types = hints(kind)
    chosen = [each for each in options(kind) if each.metadata.get("recipe", True)]
    return {"title": str, "source": str} | {each.name: each.metadata.get("toml", types[each.name]) for each in chosen}


KEYS = keys_of(TrainSettings)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a hardening run.

    Args:
        title: One line for people.
        source: The paper or page that the settings come from.
        settings: Those of `turtlenet.settings.train.TrainSettings` that the file says; what it does not is left to the
            user.
    """

    title: str = ""
    source: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def find(name: str) -> Recipe:
    """Reads a recipe by its path or its name.

    Raises:
        SpecError: No such recipe, or a file that is not one.
    """
    path, data = _SHELF.read(name, KEYS)
    check_radius(data, f"recipe {path}")
    return Recipe(title=data.pop("title", ""), source=data.pop("source", ""), settings=data)


def names() -> list[str]:
    """The recipes that can be given by name."""
    return _SHELF.names()


def with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that were given, those of their `recipe` where none was, and of their `preset` where neither was."""
    said = _said(given.get("preset"), given.get("recipe"))
    if given.get("validation_data") is not None:
        # Who brings validation data holds out none.
        said.pop("validation", None)
    return said | dict(given)


def said_by_recipe(name: str, value: Any, preset: Any, recipe: Any) -> bool:
    """Whether the value of a setting is what its preset or recipe says, and so not the user's own wish."""
    said = _said(preset, recipe)
    return name in said and bool(said[name] == value)


def _said(preset: Any, recipe: Any) -> dict[str, Any]:
    """What a preset and a recipe say together."""
    # A word that is no preset is refused where all settings are.
    read = [preset if preset in PRESETS else None, recipe if isinstance(recipe, str) else None]
    return {name: value for each in read if each for name, value in find(each).settings.items()}
