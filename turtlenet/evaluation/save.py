"""Writes a report's files whole or not at all, and reads the JSON back."""

from __future__ import annotations

import csv
import io
import itertools
import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from turtlenet.errors import DataError, OutputError
from turtlenet.evaluation.html import html
from turtlenet.evaluation.markdown import markdown

if TYPE_CHECKING:
    from turtlenet.evaluation.report import Comparison, Report

__all__ = ["save"]

_JSON = "report.json"
_COLUMNS = ("label", "clean_prediction", "robust")


def save(result: Report | Comparison, directory: str | Path) -> tuple[Path, ...]:
    """Writes `report.json`, `report.md` and `report.html`, and `examples.csv` for each model.

    Args:
        result: A report; or a comparison, whose models get a folder each beside the common files.
        directory: Where to; made if it is not there. What stood there stays until all new files are whole.

    Returns:
        The files written, the JSON first.

    Raises:
        OutputError: The directory cannot be written.
        DataError: A comparison of nothing.
    """
    if not result.reports:
        raise DataError("Expected a comparison of at least one report; got none.")
    files = {Path(directory) / name: text for name, text in _files(result).items()}
    try:
        _write(files)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"Expected to write a report to {_line(directory)}; {reason}.") from None
    return tuple(files)


def _files(result: Report | Comparison) -> dict[str, str]:
    """Every file's name and text; all of it is made before any of it is written."""
    files = _views(result, result.reports)
    if result.reports[0] is result:
        return {**files, "examples.csv": _examples(result.reports[0])}
    for folder, report in zip(_folders(result.reports), result.reports, strict=True):
        files |= {f"{folder}/{name}": text for name, text in _files(report).items()}
    return files


def _views(result: Report | Comparison, reports: Iterable[Report]) -> dict[str, str]:
    reports = list(reports)
    return {_JSON: result.to_json() + "\n", "report.md": markdown(reports), "report.html": html(reports)}


def _folders(reports: Iterable[Report]) -> list[str]:
    """A folder name for each model: plain letters, and no two alike even where capitals do not count."""
    taken = {_JSON, "report.md", "report.html"}
    folders = []
    for report in reports:
        name = re.sub(r"\.(h5|hdf5|keras)$", "", str(report.model.get("name") or ""), flags=re.IGNORECASE)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-. ")[:60].rstrip("-. ") or "model"
        numbered = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        folder = next(one for one in numbered if one.lower() not in taken)
        taken.add(folder.lower())
        folders.append(folder)
    return folders


def _examples(report: Report) -> str:
    """One line for each image: what it is, what the model said, and whether every attack failed."""
    columns = [report.verdicts.get(name, []) for name in _COLUMNS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", *_COLUMNS])
    writer.writerows([index, *row] for index, row in enumerate(itertools.zip_longest(*columns, fillvalue="")))
    return text.getvalue()


def _write(files: Mapping[Path, str]) -> None:
    """Writes all files under other names first, then renames them: a crash leaves old files or new, never a half."""
    temporaries: dict[Path, Path] = {}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporaries[path] = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
            # A file name may hold bytes that are no UTF-8.
            temporaries[path].write_bytes(text.encode("utf-8", "backslashreplace"))
        for path, temporary in temporaries.items():
            temporary.replace(path)
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _line(text: object) -> str:
    return " ".join(str(text).split())
