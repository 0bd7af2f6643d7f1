"""Several reports in one: their tables below each other, and their files in folders."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turtlenet.reports.base import BaseReport
from turtlenet.reports.frames import Columns, stacked


def folders(models: Sequence[str], taken: Iterable[str]) -> list[str]:
    """A folder name for each model: plain letters, and no two alike even where capitals do not count.

    >>> folders(["lenet.h5", "LeNet.keras", "../my model"], taken=[])
    ['lenet', 'LeNet-2', 'my-model']

    Args:
        models: The models' names.
        taken: Names that are taken already.
    """
    lowered = {name.lower() for name in taken}
    found = []
    for model in models:
        name = re.sub(r"\.(h5|hdf5|keras)$", "", model, flags=re.IGNORECASE)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-. ")[:60].rstrip("-. ") or "model"
        numbered = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        folder = next(one for one in numbered if one.lower() not in lowered)
        lowered.add(folder.lower())
        found.append(folder)
    return found


def stacked_tables(named: Sequence[tuple[Mapping[str, Any], BaseReport]]) -> dict[str, Columns]:
    """The tables of several reports, those of one title below each other.

    Args:
        named: Each report with its values in the first columns, such as `{"model": "lenet"}`.
    """
    parts = [(first, report.tables()) for first, report in named]
    titles = dict.fromkeys(title for _, tables in parts for title in tables)
    return {title: stacked([(first, tables[title]) for first, tables in parts if title in tables]) for title in titles}


def with_folders(files: Mapping[str, bytes], names: Sequence[str], reports: Sequence[BaseReport]) -> dict[str, bytes]:
    """Files of several reports together, and those of each in a folder of its own.

    Args:
        files: The common files.
        names: What each folder is to be called; see `folders`.
        reports: The reports.
    """
    found = dict(files)
    for folder, report in zip(folders(names, taken=files), reports, strict=True):
        found |= {f"{folder}/{name}": content for name, content in report.files().items()}
    return found
