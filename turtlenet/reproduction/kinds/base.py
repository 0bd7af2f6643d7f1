"""What measures a cell, and what that costs."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from turtlenet import attacks
from turtlenet.attacks import Attack
from turtlenet.classifier import Classifier
from turtlenet.errors import SpecError, did_you_mean
from turtlenet.reproduction.keyed import other_net
from turtlenet.reproduction.paper import Cell, RowPlan
from turtlenet.reproduction.quick import lighter
from turtlenet.reproduction.workshop import Workshop
from turtlenet.training.run.cost import input_gradients

__all__ = ["CLASSES", "KINDS", "Job", "Kind", "check_cell", "kind"]

CLASSES = 10
"""Of every data set here."""


@dataclass(frozen=True)
class Job:
    """A row that is measured, with all that measuring takes.

    Args:
        shop: Models and data.
        row: The row.
    """

    shop: Workshop
    row: RowPlan

    @property
    def victim(self) -> Classifier:
        """The row's model."""
        return self.shop.victim(self.row)

    def net(self, name: str) -> Classifier:
        """Another net that attacks are made on; the row's own without a name."""
        return other_net(self.shop, self.row, name) if name else self.victim

    def attack(self, spec: str) -> Attack:
        """An attack; in a trial one of a few steps."""
        made = attacks.build(spec)
        return lighter(made) if self.shop.options.quick else made

    def test(self, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The first test images (n, ...) and their labels (n,)."""
        return self.shop.test(self.row, count)

    def images(self, count: int | None = None) -> int:
        """How many that are."""
        whole = len(self.shop.part(self.row.data, "test"))
        return whole if count is None else min(count, whole)

    def gradients(self, specs: Iterable[str | Attack], norm: str = "linf") -> float:
        """Input gradients of some attacks on one image, at most."""
        made = (self.attack(spec) if isinstance(spec, str) else spec for spec in specs)
        return sum(input_gradients(each, getattr(each, "norm", "") or norm, CLASSES) for each in made)


class Kind(NamedTuple):
    """A kind of cells.

    Args:
        measure: Is given the job and the cell's settings; gives plain data.
        gradients: Is given the same; gives the gradients of single images that it takes, about.
    """

    measure: Callable[..., Mapping[str, Any]]
    gradients: Callable[..., float]


KINDS: dict[str, Kind] = {}


def kind(name: str, gradients: Callable[..., float] = lambda job, **settings: 0.0) -> Callable[[Any], Any]:
    """Registers a function that measures cells of a kind; `gradients` tells what it costs."""

    def add(measure: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
        KINDS[name] = Kind(measure, gradients)
        return measure

    return add


def check_cell(row: RowPlan, cell: Cell) -> Kind:
    """The kind of a cell, whose settings it must know.

    Raises:
        SpecError: There is no such kind, or it does not take these settings.
    """
    if cell.kind not in KINDS:
        raise SpecError(f"Unknown kind {cell.kind!r} of {cell.name} in {row.place}.{did_you_mean(cell.kind, KINDS)}")
    found = KINDS[cell.kind]
    parameters = list(inspect.signature(found.measure).parameters.values())[1:]
    known = [each.name for each in parameters]
    for key in cell.settings:
        if key not in known:
            raise SpecError(
                f"Unknown setting {key!r} of kind {cell.kind} in {cell.name} of {row.place}.{did_you_mean(key, known)}"
            )
    for each in parameters:
        if each.default is each.empty and each.name not in cell.settings:
            raise SpecError(f"Expected {each.name!r} for kind {cell.kind} in {cell.name} of {row.place}; got nothing.")
    return found
