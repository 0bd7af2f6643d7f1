"""What is saved of a report beside its views: a line for each image, and folders for several models."""

import csv
import io
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

_COLUMNS = ("label", "clean_prediction", "robust")


def examples(verdicts: Mapping[str, Sequence[int]]) -> bytes:
    """One line for each image as CSV: what it is, what the model said, and whether every attack failed.

    Args:
        verdicts: See `turtlenet.evaluation.Report`.
    """
    columns = [verdicts.get(name, []) for name in _COLUMNS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", *_COLUMNS])
    writer.writerows([index, *row] for index, row in enumerate(itertools.zip_longest(*columns, fillvalue="")))
    return text.getvalue().encode()


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
