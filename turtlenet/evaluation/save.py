"""Folders for the reports of several models."""

import itertools
import re
from collections.abc import Iterable, Sequence


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
