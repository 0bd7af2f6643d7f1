"""Hardening recipes: TOML files that say how to harden a model: defences, objective, attack and schedule."""

import types
import typing
from dataclasses import dataclass, fields
from typing import Any

from turtlenet.errors import SpecError, did_you_mean
from turtlenet.radius import check_radius
from turtlenet.toml_files import Shelf

__all__ = ["PRESETS", "Recipe", "find", "names", "said"]

PRESETS = ("quick", "balanced", "strong")
"""Recipes for any model, for who asks for minutes, an hour or a night."""

_SHELF = Shelf("recipe", "defences", "recipes")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a hardening run; what is None is left to the user.

    Args:
        title: One line for people.
        source: The paper or page that the settings come from.
        defences: Specs of layers to put around the model, from the input on.
        objective, attack, norm, eps, epochs, steps_per_epoch, batch_size, learning_rate, optimizer, warmup,
            validation, validation_attack, class_weight, augment, extra, extra_share, time: See
            `turtlenet.workflows.train.harden_model`.
    """

    title: str = ""
    source: str = ""
    defences: list[str] | None = None
    objective: str | None = None
    attack: str | None = None
    norm: str | None = None
    eps: float | str | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    warmup: float | None = None
    validation: int | None = None
    validation_attack: str | None = None
    class_weight: str | None = None
    augment: list[str] | None = None
    extra: str | None = None
    extra_share: float | None = None
    time: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What the recipe says, as arguments of `turtlenet.workflows.train.harden_model`."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in said.items() if value is not None and name not in ("title", "source")}


def find(name: str) -> Recipe:
    """Reads a recipe by its path or its name.

    Raises:
        SpecError: No such recipe, or a file that is not one.
    """
    path, data = _SHELF.read(name)
    known = typing.get_type_hints(Recipe)
    for key, value in data.items():
        if key not in known:
            raise SpecError(f"Unknown key {key!r} in recipe {path}.{did_you_mean(key, known)}")
        if not _fits(value, known[key]):
            wanted = _words(known[key])
            raise SpecError(f"Expected {wanted} for {key!r} in recipe {path}; got {value!r}.")
    check_radius(data, f"recipe {path}")
    return Recipe(**data)


def said(preset: str | None, recipe: str | None) -> dict[str, Any]:
    """What a preset and a recipe say together; the recipe counts more.

    Raises:
        SpecError: No such preset or recipe, or a file that is not one.
    """
    if preset is not None and preset not in PRESETS:
        raise SpecError(f"Unknown preset {preset!r}.{did_you_mean(preset, PRESETS)}")
    return {name: value for each in (preset, recipe) if each for name, value in find(each).settings.items()}


def names() -> list[str]:
    """The recipes that can be given by name."""
    return _SHELF.names()


def _fits(value: Any, wanted: Any) -> bool:
    kinds = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if list[str] in kinds:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return type(value) in kinds or (float in kinds and type(value) is int)


def _words(wanted: Any) -> str:
    kinds = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    names = {list[str]: "a list of strings", str: "a string", int: "a whole number", float: "a number"}
    return next(names[kind] for kind in kinds if kind in names)
