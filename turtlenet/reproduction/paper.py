"""A paper's tables as data: which rows, how the model of each is trained, and what is measured of it.

A paper is a TOML file in `turtlenet/reproduction/papers/`, or one that is given by its path:

    title = "Quantization of the input (papers 000 and 002)"
    [train]                       # settings of `turtlenet.train`, for every row; a row's own count more
    objective = "natural"
    epochs = 6
    [rows.natural-cq-2]
    title = "CQ, n = 2"
    sets = ["masked"]
    train = { defences = ["constant-quantization:levels=2,sharpness=50"] }
    published = { fgsm = 0.9751 }
    [[cells]]                     # what is measured of the rows in these sets, once for each value of `over`
    sets = ["masked"]
    name = "fgsm-{gradient}-{eps:g}"
    kind = "attack"
    attack = "fgsm:keep=last"
    over = { gradient = ["naive", "adaptive"], eps = [0.1, 0.3] }

The kinds of cells are the functions of `turtlenet/reproduction/kinds/`.
"""

import fnmatch
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from turtlenet.errors import SpecError, did_you_mean
from turtlenet.files.toml_files import Shelf, expected
from turtlenet.settings import recipes

__all__ = ["Cell", "Paper", "RowPlan", "find", "matching", "names", "paths"]

_SHELF = Shelf("paper", "papers", "reproduction/papers")
DATA = ("digits", "fashion", "color")
"""What a row may be measured on: `--data`, `--fashion` and `--cifar`."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of a row.

    Args:
        name: In the row's file.
        kind: What measures it; see `turtlenet.reproduction.kinds`.
        settings: What the kind is given.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """A row of a paper's table.

    Args:
        paper: Folder of its file.
        name: Its name; a `/` in it is a folder.
        title: What stands in the table.
        sets: Which cells it has.
        data: `digits`, `fashion` or `color`.
        images: The first so many training images; all of them where it is None.
        model: The model of another row (`advgan/turtlenet`), or a file (`models/mnist-wong.h5`); none is its own.
        net: Its own network with fresh weights; see `turtlenet.reproduction.nets`.
        recipe: Of `defences/`: settings of its training, before those of `train`.
        train: Settings of `turtlenet.train`.
        facts: What else decides its figures.
        noted: The key under which its training stands in its file; flat where it is empty.
        draws: Draws in the mean of a random model's answer.
        key: Whether the model has a secret key.
        published: The paper's figures by name: fractions, or words.
        shown: Names of the cells of the side-by-side table: `clean`, `naive`, `adaptive`.
        about: What else a table says of it, by column.
        cells: What is measured.
    """

    paper: str
    name: str
    title: str = ""
    sets: tuple[str, ...] = ()
    data: str = "digits"
    images: int | None = None
    model: str = ""
    net: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    train: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    noted: str = ""
    draws: int | None = None
    key: bool = False
    published: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()

    @property
    def place(self) -> str:
        """Of its file below the folder of results, without the suffix."""
        return f"{self.paper}/{self.name}"

    def training(self, epochs: int | None = None) -> dict[str, Any]:
        """Settings of its training; another number of epochs in place of the paper's."""
        said = recipes.find(self.recipe).settings if self.recipe else {}
        found = {**said, **self.train}
        return found | ({"epochs": epochs} if epochs and found else {})


@dataclass(frozen=True, kw_only=True)
class Paper:
    """All rows of a paper.

    Args:
        name: Of its file, without the suffix.
        title: Heading of its page.
        text: What stands under it.
        order: Its place among the papers.
        folder: Of its rows' files; its name by default. Two papers may share one.
        tables: Its tables, by the names of `turtlenet.reproduction.tables`.
        nets: Networks besides those of the rows; see `turtlenet.reproduction.keyed`.
        quick: What `--quick` changes: `net`.
        rows: In their order.
    """

    name: str
    title: str
    text: str = ""
    order: int = 100
    folder: str = ""
    tables: tuple[str, ...] = ()
    nets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[RowPlan, ...] = ()

    def row(self, name: str) -> RowPlan:
        """One of its rows.

        Raises:
            SpecError: It has none of this name.
        """
        found = {row.name: row for row in self.rows}
        if name not in found:
            raise SpecError(f"Unknown row {name!r} of {self.name}.{did_you_mean(name, found)}")
        return found[name]


_COMMON = ("data", "images", "train", "net", "noted", "draws", "shown")
"""What a file says of all rows at once."""
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("title", "text", "folder", "data", "noted"), str),
    **dict.fromkeys(("order", "images", "draws"), int),
    "tables": Sequence[str],
    **dict.fromkeys(("train", "net", "nets", "quick", "rows", "shown"), Mapping[str, Any]),
    "cells": Any,
}
_ROW = {each.name for each in fields(RowPlan)} - {"paper", "name", "cells"}
_CELL = {"sets": Sequence[str], "over": Mapping[str, Any], "kind": str, "name": str}


def names() -> list[str]:
    """The names of the papers of the package, in their order."""
    return [Path(path).stem for path in paths()]


def paths() -> list[str]:
    """The paths of the papers of the package, in their order.

    Those of the working directory are not among them: they may be anybody's, and are run where a user names them.
    """
    found = [(find(str(path)), str(path)) for path in _SHELF.packaged()]
    return [path for paper, path in sorted(found, key=lambda each: (each[0].order, each[0].name))]


def find(name: str) -> Paper:
    """Reads a paper by its name or the path of its file.

    Raises:
        SpecError: No such paper, or a file that is none.
    """
    path, data = _SHELF.read(name, _KINDS)
    entries, told = _entries(path, data.pop("cells", [])), data.pop("rows", {})
    common = {key: data.pop(key) for key in _COMMON if key in data}
    folder = data.get("folder", path.stem)
    rows = tuple(_row(path, folder, key, row, common, entries) for key, row in told.items())
    if not rows or "title" not in data:
        raise SpecError(
            f"Expected a title and rows ([rows.NAME]) in paper {path}; got {', '.join(data) or 'nothing'}."
        )
    return Paper(**{**data, "folder": folder, "tables": tuple(data.get("tables", ()))}, name=path.stem, rows=rows)


def matching(paper: Paper, pattern: str) -> list[RowPlan]:
    """The rows of a name, or of a pattern such as `natural-*`."""
    return [row for row in paper.rows if fnmatch.fnmatchcase(row.name, pattern)]


def _row(
    path: Path, folder: str, name: str, told: Any, common: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> RowPlan:
    if not isinstance(told, dict):
        raise SpecError(f"Expected a table [rows.{name}] in paper {path}; got {told!r}.")
    for each in (folder, name):
        # They are paths below the folder of results and models.
        if "\\" in each or ":" in each or any(part.startswith(".") or not part for part in each.split("/")):
            raise SpecError(f"Expected names of folders and rows such as mnist/plain in paper {path}; got {each!r}.")
    hints = get_type_hints(RowPlan)
    for key, value in told.items():
        if key not in _ROW:
            raise SpecError(f"Unknown key {key!r} of row {name} in paper {path}.{did_you_mean(key, _ROW)}")
        if wanted := expected(value, hints[key]):
            raise SpecError(f"Expected {wanted} for {key!r} of row {name} in paper {path}; got {value!r}.")
    said = {**common, **told}
    for key in ("train", "net", "shown"):
        said[key] = {**common.get(key, {}), **told.get(key, {})}
    if told.get("model"):
        said["train"] = told.get("train", {})
    if said.get("data", "digits") not in DATA:
        raise SpecError(f"Unknown data {said['data']!r} of row {name} in {path}.{did_you_mean(said['data'], DATA)}")
    sets = tuple(said.pop("sets", ()))
    cells = tuple(
        cell
        for entry in entries
        if not entry.get("sets") or set(entry["sets"]) & set(sets)
        for cell in _expanded(path, entry)
    )
    known = [cell.name for cell in cells]
    if twice := [each for each in known if known.count(each) > 1]:
        raise SpecError(f"Expected each figure of row {name} once in paper {path}; {twice[0]!r} came twice.")
    return RowPlan(**said, paper=folder, name=name, sets=sets, cells=cells)


def _entries(path: Path, entries: Any) -> list[dict[str, Any]]:
    """The [[cells]] of a paper, as far as every kind has them alike."""
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise SpecError(f"Expected tables [[cells]] in paper {path}; got {entries!r}.")
    for entry in entries:
        for key, hint in _CELL.items():
            if key in entry and (wanted := expected(entry[key], hint)):
                raise SpecError(f"Expected {wanted} for {key!r} of [[cells]] in paper {path}; got {entry[key]!r}.")
        for key, values in entry.get("over", {}).items():
            if not isinstance(values, list):
                raise SpecError(f"Expected a list for {key!r} of `over` in paper {path}; got {values!r}.")
    return entries


def _expanded(path: Path, entry: Mapping[str, Any]) -> Iterator[Cell]:
    """The cells of an entry, one for each combination of the values of `over`, which its texts may name in braces."""
    over, kind = entry.get("over", {}), entry.get("kind", "")
    fixed = {key: value for key, value in entry.items() if key not in ("sets", "over", "kind", "name")}
    if not kind or "name" not in entry:
        raise SpecError(f"Expected a name and a kind of each of the [[cells]] in {path}; got {dict(entry)}.")
    # A value that stands in another setting's text is none itself.
    told = {name for name in over if any(f"{{{name}" in text for value in fixed.values() for text in _texts(value))}
    for values in itertools.product(*over.values()):
        these = dict(zip(over, values, strict=True))
        own = {name: value for name, value in these.items() if name not in told}
        try:
            settings = {**own, **{key: _filled(value, these) for key, value in fixed.items()}}
            name = entry["name"].format(**these)
        except (AttributeError, LookupError, ValueError) as error:
            raise SpecError(
                f"Expected in braces what `over` names ({', '.join(over) or 'nothing'}) in {entry['name']!r} of paper "
                f"{path}; got: {error}."
            ) from None
        yield Cell(name=name, kind=kind, settings=settings)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _filled(value: Any, these: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_filled(each, these) for each in value]
    return value.format(**these) if isinstance(value, str) and these else value
