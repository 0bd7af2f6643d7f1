"""Bounds, radii and names of several attacked inputs, joined as the inputs are: flat, one after the other."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from turtlenet.attacks.features.broadcast import misfit
from turtlenet.attacks.features.said import Said
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.features import Features
from turtlenet.tasks import ModelInput, Question

_NAMED = 512
"""So many values have names of their own without being asked for."""


def for_inputs(said: Said, question: Question | None, *, by_feature: bool = False) -> Said:
    """What is said, with one value for each feature in the place of one for each input.

    Args:
        said: What is said, of which bounds and radii may be dicts by the inputs' names, and the features those of an
            input (`vector`), or one of its values (`vector[3]`).
        question: What the model is asked; None for one input.
        by_feature: Whether features are told apart whatever was said.

    Raises:
        SettingError: An input that is not attacked, values that do not broadcast to it, or bounds that lack one.
        SpecError: A feature that no input has.
    """
    moving = () if question is None else question.moving
    for what, value in (("eps", said.eps), ("bounds", said.bounds)):
        if isinstance(value, Mapping):
            _check_names(value, [each.name for each in moving], what)
    if isinstance(said.bounds, Mapping) and (
        missing := [each.name for each in moving if each.name not in said.bounds]
    ):
        raise SettingError(f"Expected bounds of every attacked input; got none of {', '.join(missing)}.")
    if len(moving) < 2:
        # Attacked alone, an input keeps its shape.
        eps, bounds = (next(iter(v.values())) if isinstance(v, Mapping) else v for v in (said.eps, said.bounds))
        return dataclasses.replace(said, eps=eps, bounds=bounds)
    changed: dict[str, Any] = {}
    if isinstance(said.eps, Mapping):
        changed["eps"] = _joined(moving, said.eps.get, "eps")
    if isinstance(said.bounds, Mapping):
        pairs = dict(said.bounds)
        ends = [{name: pair[end] for name, pair in pairs.items()} for end in (0, 1)]
        changed["bounds"] = tuple(_joined(moving, end.get, "bounds").astype("float64") for end in ends)
    if said.features.names:
        changed["features"] = _features(said.features, moving)
    elif not len(said.features) and (said or by_feature) and sum(each.size for each in moving) <= _NAMED:
        changed["features"] = Features(names=names_of(moving))
    return dataclasses.replace(said, **changed)


def names_of(inputs: Sequence[ModelInput]) -> tuple[str, ...]:
    """The names of all values of some inputs: that of an input of one value, else such as `vector[3]`."""
    return tuple(
        each.name if each.size == 1 else f"{each.name}[{place}]" for each in inputs for place in range(each.size)
    )


def _check_names(value: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    if not names:
        raise SettingError(f"Expected {what} without names for a model of one input; got {', '.join(value)}.")
    for name in value:
        if name not in names:
            raise SettingError(
                f"Expected {what} of the attacked inputs {', '.join(names)}; got {name!r}.{did_you_mean(name, names)}"
            )


def _joined(inputs: Sequence[ModelInput], value_of: Callable[[str], Any], what: str) -> np.ndarray:
    """Values for every feature of all inputs, objects (features,); None where nothing is said of an input."""
    parts = []
    for each in inputs:
        value = np.asarray(value_of(each.name), object)
        try:
            parts.append(np.broadcast_to(value, each.shape).ravel())
        except ValueError:
            raise misfit(f"{what} of {each.name}", value.shape, each.shape) from None
    return np.concatenate(parts)


def _features(features: Features, inputs: Sequence[ModelInput]) -> Features:
    """Features in the order of the inputs' values, where a row that has an input's name stands for all of them."""
    whole = {each.name: names_of([each]) for each in inputs}
    names = [whole.get(name, (name,)) for name in features.names]
    unknown = next((name for group in names for name in group if name not in names_of(inputs)), None)
    if unknown is not None:
        raise SpecError(f"Unknown feature {unknown!r}.{did_you_mean(unknown, [*whole, *names_of(inputs)[:20]])}")
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(features):
        values = getattr(features, field.name)
        columns[field.name] = (
            [value for value, group in zip(values, names, strict=True) for _ in group] if values else ()
        )
    columns["names"] = [name for group in names for name in group]
    return Features(**columns).ordered(names_of(inputs))
