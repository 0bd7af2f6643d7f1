"""A row of a table: what was measured of one model, kept in a JSON file that is written after each figure."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.errors import SettingError
from turtlenet.files import make_folder, write_whole
from turtlenet.reports.statistics import interval
from turtlenet.version import __version__

__all__ = ["Row", "read_rows", "share"]


class Row:
    """Figures by name; one that is there is not measured again.

    Args:
        path: The row's file.
        facts: What decides the figures: training, data, seed.

    Raises:
        SettingError: The file has figures of other facts, or is no row.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]):
        self.path, self.facts = path, json.loads(json.dumps(facts))
        self.cells: dict[str, Any] = {}
        if not path.exists():
            return
        found = _read(path)
        self.cells = found.pop("cells")
        other = sorted(key for key in {*found, *self.facts} if found.get(key) != self.facts.get(key))
        if other:
            told = ", ".join(f"{key} {_brief(found.get(key))} (now {_brief(self.facts.get(key))})" for key in other)
            raise SettingError(
                f"Expected figures of the same settings in {path}; got {told}: give another --out, or remove the file."
            )

    def missing(self, names: Mapping[str, Any]) -> list[str]:
        """Those of some figures that are not there."""
        return [name for name in names if name not in self.cells]

    def check_version(self) -> None:
        """Looks that figures of one version are not put beside those of another.

        Raises:
            SettingError: There are figures of another turtlenet.
        """
        wrote = {cell["versions"]["turtlenet"] for cell in self.cells.values() if "versions" in cell} - {__version__}
        if wrote:
            raise SettingError(
                f"Expected figures of turtlenet {__version__} in {self.path}; got some of {', '.join(sorted(wrote))}: "
                "give another --out, or remove the file."
            )

    def check_asked(self, asked: Mapping[str, Mapping[str, Any]]) -> None:
        """Looks that what is kept was measured as it is asked for now.

        Args:
            asked: What decides each figure beside the facts, by name. Figures that do not tell it are not looked at.

        Raises:
            SettingError: A figure of other settings.
        """
        for name, now in asked.items():
            then, plain = self.cells.get(name, {}).get("asked"), json.loads(json.dumps(now))
            if then is not None and then != plain:
                other = next(key for key in {**then, **now} if then.get(key) != plain.get(key))
                raise SettingError(
                    f"Expected figure {name!r} of the same settings in {self.path}; got {other} "
                    f"{_brief(then.get(other))} (now {_brief(plain.get(other))}): give "
                    "another --out, or remove the file."
                )

    def fill(
        self,
        measures: Mapping[str, Callable[[], Mapping[str, Any]]],
        tell: Callable[[str], None],
        asked: Mapping[str, Mapping[str, Any]] | None = None,
        each: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Measures what is not there, and writes the file after each.

        Args:
            measures: Measures by name.
            tell: Is given a line for each.
            asked: What decides each; see `check_asked`.
            each: Is given the seconds of each.
        """
        for name in self.missing(measures):
            began = time.perf_counter()
            found = dict(measures[name]())
            told = {"asked": dict(asked[name])} if asked else {}
            self.cells[name] = {**found, **told, "seconds": round(time.perf_counter() - began, 1)}
            self.write()
            tell(f"  {name}: {_short(self.cells[name])}")
            each(time.perf_counter() - began)

    def write(self) -> None:
        """Writes the file, at once or not at all."""
        make_folder(self.path.parent)
        text = json.dumps({**self.facts, "cells": self.cells}, indent=1) + "\n"
        write_whole(self.path, lambda file: file.write(text.encode()))


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """Every row below a folder, by its path without the suffix.

    Raises:
        SettingError: A file there is no row.
    """
    paths = sorted(folder.rglob("*.json"))
    return {path.relative_to(folder).with_suffix("").as_posix(): _read(path) for path in paths}


def share(hits: np.ndarray) -> dict[str, Any]:
    """The share of booleans (n,) that are true, with its 95 % Wilson interval; of none 0, from 0 to 1."""
    count, right = len(hits), int(np.sum(hits))
    return {"accuracy": round(right / max(count, 1), 6), "interval": list(interval(right, count)), "n": count}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        if not all(isinstance(cell, dict) for cell in found["cells"].values()):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        raise SettingError(f"Expected a row at {path}; got something else: remove the file.") from None
    return dict(found)


def _brief(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _short(cell: Mapping[str, Any]) -> str:
    flat = {
        key: value["accuracy"] if isinstance(value, dict) and "accuracy" in value else value
        for key, value in cell.items()
    }
    return ", ".join(f"{key} {value}" for key, value in flat.items() if isinstance(value, int | float))
