"""A row of a table: what was measured of one model, kept in a JSON file that is written after each figure."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.errors import SettingError
from turtlenet.files import write_whole
from turtlenet.reports.statistics import interval

__all__ = ["Row", "share"]


class Row:
    """Figures by name; one that is there is not measured again.

    Args:
        path: The row's file; its folder is made.
        facts: What decides the figures: training, data, seed.

    Raises:
        SettingError: The file has figures of other facts.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]):
        self.path, self.facts = path, json.loads(json.dumps(facts))
        self.cells: dict[str, Any] = {}
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text("utf-8"))
            self.cells = found.pop("cells")
        except (ValueError, KeyError):
            raise SettingError(f"Expected a row at {path}; got something else: remove the file.") from None
        other = sorted(key for key in {*found, *self.facts} if found.get(key) != self.facts.get(key))
        if other:
            raise SettingError(
                f"Expected the settings of {path}; got other values of {', '.join(other)}: remove the file."
            )

    def fill(self, measures: Mapping[str, Callable[[Any], Mapping[str, Any]]], make: Callable[[], Any]) -> None:
        """Measures what is not there, and writes the file after each.

        Args:
            measures: Measures by name; each is given what `make` gives.
            make: Gives the model; not called where nothing is missing.
        """
        victim = None
        for name, measure in measures.items():
            if name in self.cells:
                continue
            victim = make() if victim is None else victim
            began = time.perf_counter()
            self.cells[name] = {**measure(victim), "seconds": round(time.perf_counter() - began, 1)}
            self.write()
            print(f"{self.path.stem}: {name}: {_short(self.cells[name])}", flush=True)

    def write(self) -> None:
        """Writes the file, at once or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**self.facts, "cells": self.cells}, indent=1) + "\n"
        write_whole(self.path, lambda file: file.write(text.encode()))


def share(hits: np.ndarray) -> dict[str, Any]:
    """The share of booleans (n,) that are true, with its 95 % Wilson interval."""
    count, right = len(hits), int(np.sum(hits))
    return {"accuracy": round(right / count, 6), "interval": list(interval(right, count)), "n": count}


def _short(cell: Mapping[str, Any]) -> str:
    flat = {
        key: value["accuracy"] if isinstance(value, dict) and "accuracy" in value else value
        for key, value in cell.items()
    }
    return ", ".join(f"{key} {value}" for key, value in flat.items() if isinstance(value, int | float))
