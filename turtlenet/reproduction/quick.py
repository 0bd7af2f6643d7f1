"""What `--quick` makes of a paper: a trial of the whole way in minutes, whose figures say nothing of the paper."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from turtlenet import attacks
from turtlenet.attacks import Attack
from turtlenet.reproduction.paper import Paper, RowPlan

__all__ = ["EPOCHS", "SAMPLE", "TEST", "TRAIN", "lighter", "quick_row"]

TRAIN, TEST, EPOCHS, SAMPLE = 512, 32, 1, "mnist-sample"
_MOST = {"steps": 5, "restarts": 1, "searches": 1, "queries": 20, "target_classes": 1, "samples": 2}
"""Of the settings of an attack."""
_CELL = {"draws": 2, "most": TEST, "count": TEST}
"""Of what is measured."""


def lighter(spec: str | Attack) -> Attack:
    """An attack of a few steps."""
    made = attacks.build(spec) if isinstance(spec, str) else spec
    fields = {each.name for each in dataclasses.fields(made)}
    fewer: dict[str, Any] = {
        name: most
        for name, most in _MOST.items()
        if name in fields and isinstance(getattr(made, name), int) and getattr(made, name) > most
    }
    return dataclasses.replace(made, **fewer) if fewer else made


def quick_row(paper: Paper, row: RowPlan) -> RowPlan:
    """A row on a small net, with little to measure."""
    cells = tuple(dataclasses.replace(cell, settings=_fewer(cell.settings)) for cell in row.cells)
    net = {**row.net, **paper.quick.get("net", {})} if row.net else row.net
    train = {**row.train, **paper.quick.get("train", {})} if row.train or row.recipe else row.train
    return dataclasses.replace(row, net=net, train=train, cells=cells, draws=row.draws and 2)


def _fewer(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: min(value, _CELL[name]) if name in _CELL and isinstance(value, int) else value
        for name, value in settings.items()
    }
