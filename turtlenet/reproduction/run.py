"""Runs the rows of papers: says what they cost, measures what is missing, and writes the page."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from turtlenet.defences.keys import use_key
from turtlenet.errors import DataError, SettingError, SpecError, TurtlenetError, did_you_mean
from turtlenet.files import check_folder, write_whole
from turtlenet.reproduction import paper as papers
from turtlenet.reproduction.cost import RowCost, cost_of_row, told
from turtlenet.reproduction.keyed import key_of
from turtlenet.reproduction.kinds import Job, check_cell
from turtlenet.reproduction.page import render
from turtlenet.reproduction.paper import Paper, RowPlan
from turtlenet.reproduction.row import Row, read_rows
from turtlenet.reproduction.workshop import Tools, Workshop
from turtlenet.settings.reproduce import ReproduceSettings
from turtlenet.settings.train import TrainSettings
from turtlenet.training.run.cost import duration

__all__ = ["check_page", "reproduce", "write_page"]


def reproduce(
    wanted: Sequence[str], folder: Path, options: ReproduceSettings, tools: Tools, *, cost_only: bool = False
) -> dict[str, Any]:
    """Measures rows of papers, each figure kept in `results/PAPER/ROW.json` as soon as it is known.

    A run that was stopped continues: what is there is not measured again, nor trained.

    Args:
        wanted: Names of papers, or paths of their files; those of the package without any.
        folder: Keeps `results/` and `models/`.
        options: Which rows, on what.
        tools: How models are trained and evaluated.
        cost_only: Whether to stop where the cost was said.

    Returns:
        Rows, figures that are there and that are missing, and the seconds expected, as plain data.

    Raises:
        TurtlenetError: An unknown paper or row, data that are not there, or results of other settings, before
            anything is measured.
    """
    check_folder(folder)
    shop = Workshop(folder, options, tools)
    rows = _chosen(shop, wanted)
    kept = {row.place: Row(folder / "results" / f"{row.place}.json", shop.facts(row)) for row in rows}
    costs = []
    for row in rows:
        kept[row.place].check_asked(_asked(row))
        missing = kept[row.place].missing({cell.name: None for cell in row.cells})
        if missing:
            kept[row.place].check_version()
        costs.append(cost_of_row(shop, row, missing))
    _open(shop, rows, costs)
    if not cost_only:
        _run(shop, costs, kept)
    cells = [(kept[row.place], cell.name) for row in rows for cell in row.cells]
    there = sum(name in row.cells for row, name in cells)
    seconds = round(sum(cost.seconds for cost in costs), 1)
    return {
        "rows": [row.place for row in rows],
        "figures": there,
        "missing": len(cells) - there,
        "expected_seconds": seconds,
    }


def check_page(wanted: Sequence[str], template: Path | None) -> None:
    """Finds out, before any work, whether a page can be made.

    Raises:
        SpecError: No such paper, or a template that cannot be read.
    """
    render([papers.find(name) for name in wanted or papers.paths()], {}, template)


def write_page(wanted: Sequence[str], folder: Path, page: Path, template: Path | None = None) -> None:
    """Writes a page of the rows in a folder; nothing is measured.

    Args:
        wanted: Names of papers; all without any.
        folder: Has `results/`.
        page: The Markdown file.
        template: What the page is made of, in Jinja: `{{ table("guan_pgd") }}`; the tables alone without it.

    Raises:
        TurtlenetError: No such paper, a file in `results/` that is no row, or a template that cannot be read.
    """
    text = render([papers.find(name) for name in wanted or papers.paths()], read_rows(folder / "results"), template)
    write_whole(page, lambda file: file.write(text.encode()))


def _chosen(shop: Workshop, wanted: Sequence[str]) -> list[RowPlan]:
    """The rows that were asked for and can be measured."""
    read = [shop.read(name) for name in wanted or papers.paths()]
    rows = _picked(read, shop.options.rows)
    for row in rows:
        _check_training(row, shop.epochs)
        for cell in row.cells:
            check_cell(row, cell)
    lacking = {row.place: shop.lacks(row) for row in rows}
    if shop.options.rows:
        for place, what in lacking.items():
            if what:
                raise DataError(f"Expected {what} for row {place}; got none.")
    left: dict[str, list[str]] = {}
    for place, what in lacking.items():
        if what:
            left.setdefault(what, []).append(place)
    for what, places in left.items():
        shop.options.tell(f"not run without {what}: {', '.join(places)}")
    found = [row for row in rows if not lacking[row.place]]
    if not found:
        raise DataError(f"Expected {' and '.join(left)} for these rows; got none.")
    return found


def _check_training(row: RowPlan, epochs: int | None) -> None:
    """Refuses settings that training would refuse, which may be hours away."""
    settings = {} if row.model else row.training(epochs)
    known = {field.name for field in dataclasses.fields(TrainSettings)}
    for name in settings:
        if name not in known:
            raise SpecError(f"Unknown setting {name!r} of the training of {row.place}.{did_you_mean(name, known)}")
    try:
        TrainSettings(**settings)
    except TurtlenetError as error:
        raise SettingError(f"{str(error).rstrip('.')}, in the training of {row.place}.") from None


def _picked(read: Sequence[Paper], words: Sequence[str]) -> list[RowPlan]:
    """Rows by name or pattern, of whichever paper has them."""
    if not words:
        return [row for paper in read for row in paper.rows]
    hits: dict[str, list[RowPlan]] = {}
    for word in (part.strip() for each in words for part in each.split(",") if part.strip()):
        hits[word] = [row for paper in read for row in papers.matching(paper, word)]
        if not hits[word]:
            known = [row.name for paper in read for row in paper.rows]
            of = read[0].name if len(read) == 1 else "all papers"
            raise SpecError(f"Unknown row {word!r} of {of}.{did_you_mean(word, known)}")
    picked = {row.place for found in hits.values() for row in found}
    return [row for paper in read for row in paper.rows if row.place in picked]


def _open(shop: Workshop, rows: Sequence[RowPlan], costs: Sequence[RowCost]) -> None:
    tell = shop.options.tell
    if shop.options.quick:
        tell("quick: small nets, one epoch, few images and steps: no figure here says anything of a paper")
    for data in dict.fromkeys(row.data for row in rows):
        train, test = shop.part(data, "train"), shop.part(data, "test")
        alone = " (embedded, since no --data was given)" if shop.options.quick and not shop.options.data else ""
        tell(f"{data}: {shop.source(data)}{alone if data == 'digits' else ''}: {len(train):,} training images, "
             f"{len(test):,} test images, seed {shop.options.seed}")  # fmt: skip
    for line in told(costs):
        tell(line)


def _asked(row: RowPlan) -> dict[str, dict[str, Any]]:
    """What a paper's file says of each figure of a row, and of its net."""
    return {cell.name: {"kind": cell.kind, "net": dict(row.net), **cell.settings} for cell in row.cells}


def _run(shop: Workshop, costs: Sequence[RowCost], kept: Mapping[str, Row]) -> None:
    """Measures row by row; the time that is left is told after each."""
    began, expected, tell = time.perf_counter(), 0.0, shop.options.tell
    waiting = [cost for cost in costs if cost.cells]
    for number, cost in enumerate(waiting):
        row, job = cost.row, Job(shop, cost.row)
        tell(f"{row.place} ({number + 1} of {len(waiting)})")
        measures = {cell.name: partial(check_cell(row, cell).measure, job, **cell.settings) for cell in row.cells}
        with use_key(key_of(shop, row)) if row.key else contextlib.nullcontext():
            kept[row.place].fill(measures, tell, _asked(row))
        shop.forget()
        expected += cost.seconds
        rest = sum(each.seconds for each in waiting[number + 1 :])
        if rest and expected:
            tell(f"time left: about {duration(rest * (time.perf_counter() - began) / expected)}")
