"""A data set: a part to train on and a part to test with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet.data.about import NOTHING, VALIDATION, About
from turtlenet.data.asked import asked_arrays
from turtlenet.data.examples import Examples
from turtlenet.errors import DataError
from turtlenet.tasks import Question

HELD_OUT = 6
SPLIT_SEED = 0


@dataclass(frozen=True)
class Data:
    """A data set in its parts.

    Attributes:
        name: What the user called it.
        train: Examples to train on, or `None`.
        test: Examples kept for testing, or `None`.
        whole: All examples where the source had no separate parts, else `None`. Then `train` and `test` are views of
            it, 5/6 and 1/6, drawn once and for all from the number of examples alone.
        validation: Examples to choose the epoch by, or `None`; all that a source has may be these.
        misfit: Why the part for validation cannot be taken, else `None`; see `to_validate_on`.
    """

    name: str
    train: Examples | None = None
    test: Examples | None = None
    whole: Examples | None = None
    validation: Examples | None = None
    misfit: DataError | None = None

    @property
    def brings_validation(self) -> bool:
        """Whether there is a part for validation, be it one that does not fit."""
        return self.validation is not None or self.misfit is not None

    def to_validate_on(self) -> Examples | None:
        """The part for validation, all of it looked at, or `None`.

        Who does not ask for it is not troubled by one that fits neither the model nor the other parts.

        Raises:
            DataError: There is one that does not fit.
        """
        if self.misfit is not None:
            raise self.misfit
        if self.validation is not None:
            self.validation.check()
        return self.validation

    def within(self, bounds: tuple[float, float]) -> "Data":
        """The same data for a model of other bounds."""
        given = {name: getattr(self, name) for name in ("train", "test", "whole", "validation")}
        kept = {id(each): each.within(bounds) for each in given.values() if each is not None}
        parts = {name: kept.get(id(each)) for name, each in given.items()}
        return Data(self.name, **parts, misfit=self.misfit)


def assemble(
    arrays: Mapping[str, Any],
    *,
    name: str,
    shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    question: Question | None = None,
    about: About = NOTHING,
) -> Data:
    """Makes a data set of named arrays.

    Args:
        arrays: `x_train` and `y_train`, `x_test` and `y_test`, both pairs, or else `x` and `y`, or else `image` and
            `label`, as published sets of generated images name them. How much examples count in training may stand
            beside them as `sample_weight_train` or `sample_weight`, and a part for validation as `x_val` and `y_val`
            (or `valid`, `validation`); that may be all there is.
        name: What messages call the data.
        shape: The model's input shape without the batch, or `None`.
        num_classes: How many classes the model tells apart, or `None`.
        bounds: Lowest and highest pixel value of the model.
        question: What is asked where that is another thing than one class; arrays of several inputs stand under their
            names, with `_train` and `_test` behind them where there are parts.
        about: The names of features and classes, where they are known.

    Raises:
        DataError: Arrays that are missing or do not fit, or parts that do not fit each other.
    """
    if question is not None:
        arrays = asked_arrays(arrays, question, name, ("", "_train", "_test"))
    fit: dict[str, Any] = {"shape": shape, "num_classes": num_classes, "bounds": bounds}
    fit |= {"question": question, "about": about}
    arrays, present = _present(arrays, name)
    parts = {part: _examples(arrays, part, name, fit) for part in present}
    aside, misfit = _aside(arrays, name, fit)
    known = [*parts.values(), *aside.values()]
    if not known:
        keys = ", ".join(sorted(map(str, arrays))) or "nothing"
        other = f"Expected arrays x_train, y_train, x_test and y_test, or x and y, in {name}; got {keys}."
        raise misfit or DataError(other)
    if len(known) > 1:
        # A part alone may lack the last class: without a model, all parts agree on what they hold together.
        fit |= {"shape": shape or known[0].shape, "num_classes": max(part.num_classes for part in known)}
        parts = {part: _examples(arrays, part, name, fit) for part in present}
        aside, misfit = _aside(arrays, name, fit)
    return dataclasses.replace(_data(name, {**parts, **aside}), misfit=misfit)


def _present(arrays: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], list[str]]:
    """The arrays, with `x` and `y` also for what else these are called, and the parts to train on and to test with.

    Raises:
        DataError: One of two arrays that belong together.
    """
    present = [part for part in ("train", "test") if _has(arrays, f"x_{part}", f"y_{part}", name)]
    if not present and "x" not in arrays and "y" not in arrays and _has(arrays, "image", "label", name):
        arrays = {**arrays, "x": arrays["image"], "y": arrays["label"]}
    return arrays, present or ([""] if _has(arrays, "x", "y", name) else [])


def _aside(
    arrays: Mapping[str, Any], name: str, fit: Mapping[str, Any]
) -> tuple[dict[str, Examples], DataError | None]:
    """The part for validation by its name, if there is one, or why it cannot be taken: who asks for it is told."""
    try:
        if fit["question"] is not None:
            arrays = asked_arrays(arrays, fit["question"], name, [f"_{part}" for part in VALIDATION])
        found = [part for part in VALIDATION if _has(arrays, f"x_{part}", f"y_{part}", name)]
        if len(found) > 1:
            raise DataError(f"Expected one part for validation in {name}; got {' and '.join(found)}.")
        return {part: _examples(arrays, part, name, fit) for part in found}, None
    except DataError as error:
        return {}, error


def _examples(arrays: Mapping[str, Any], part: str, name: str, fit: Mapping[str, Any]) -> Examples:
    """A part of named arrays; `""` for one without a name."""
    suffix, label = (f"_{part}", f"{name} {part}") if part else ("", name)
    found = Examples(arrays["x" + suffix], arrays["y" + suffix], name=label, **fit)
    weights = arrays.get("sample_weight" + suffix)
    return found if weights is None else found.weighted(weights)


def _data(name: str, parts: Mapping[str, Examples]) -> Data:
    """A data set of parts by their names; one called `""` is split."""
    aside = next((parts[part] for part in VALIDATION if part in parts), None)
    if "" in parts:
        return dataclasses.replace(split_once(parts[""]), validation=aside)
    return Data(name, parts.get("train"), parts.get("test"), validation=aside)


def split_once(whole: Examples) -> Data:
    """A data set of one part, which is split once and for all; see `Data.whole`."""
    return Data(whole.name, *_split(whole), whole)


def parted(whole: Examples, counts: Mapping[str, int]) -> Data:
    """A data set of parts that lie in examples one after the other.

    Args:
        whole: All examples.
        counts: How many belong to `train`, to `test` and to validation, in their order; one part called `""` is split.
    """
    if set(counts) == {""}:
        return split_once(whole)
    parts, start = {}, 0
    for part, count in counts.items():
        parts[part] = whole.subset(slice(start, start + count))
        parts[part].name = f"{whole.name} {part}"
        start += count
    return _data(whole.name, parts)


def _has(arrays: Mapping[str, Any], x: str, y: str, name: str) -> bool:
    if (x in arrays) != (y in arrays):
        there, missing = (x, y) if x in arrays else (y, x)
        raise DataError(f"Expected {missing} beside {there} in {name}; got no {missing}.")
    return x in arrays


def _split(whole: Examples) -> tuple[Examples | None, Examples]:
    """Views of 5/6 and 1/6; a lone example is for testing."""
    # NumPy promises that RandomState never changes what a seed gives; its newer generators may.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(whole))
    held = max(1, len(whole) // HELD_OUT)
    # In storage order a file is read front to back.
    test, train = whole.subset(np.sort(order[:held])), whole.subset(np.sort(order[held:]))
    test.name, train.name = f"{whole.name} test", f"{whole.name} train"
    return (train if len(train) else None), test
