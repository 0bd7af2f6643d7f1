"""Adversarial examples as a table: a line for each, with the input before and after."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from turtlenet.errors import OutputError
from turtlenet.reports.frames import Columns

_WIDEST = 4096
"""Values of an input up to which each has a column of its own."""


def example_columns(
    x: np.ndarray,
    x_adversarial: np.ndarray,
    facts: dict[str, np.ndarray],
    *,
    suffix: str,
    features: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Columns:
    """The columns of adversarial examples.

    A value of the input is `x.NAME`, the same after the attack `x_adversarial.NAME`, where features have no names by
    their places in a flat input. In Parquet inputs of several axes are flat lists, `x` and `x_adversarial`.

    Args:
        x: The inputs, float32 (n, ...).
        x_adversarial: What the attack made of them, in the same shape.
        facts: What else is known of each, (n,), by names of columns.
        suffix: `.csv` or `.parquet`.
        features: Names of the features.
        classes: Names of the classes; columns `label` and `prediction` get one beside them with their names.

    Raises:
        OutputError: Too many values for a CSV.
    """
    check_width(x.shape[1:], suffix)
    columns: Columns = {"index": list(range(len(x)))}
    for name, values in facts.items():
        columns[name] = values.tolist()
        if classes and name in ("label", "prediction"):
            columns[f"{name}_name"] = [
                str(classes[each]) if 0 <= each < len(classes) else None for each in columns[name]
            ]
    flat = {"x": x.reshape(len(x), -1), "x_adversarial": x_adversarial.reshape(len(x), -1)}
    if suffix == ".parquet" and x.ndim > 2:
        return columns | {name: list(values) for name, values in flat.items()}
    width = flat["x"].shape[1]
    names = list(features) if len(features) == width and len(set(features)) == width else list(map(str, range(width)))
    for title, values in flat.items():
        columns |= {f"{title}.{name}": values[:, place].tolist() for place, name in enumerate(names)}
    return columns


def check_width(shape: Sequence[int], suffix: str) -> None:
    """Refuses a CSV of inputs with more values than a line is to have.

    Raises:
        OutputError: There are more.
    """
    width: Any = int(np.prod(shape))
    if suffix == ".csv" and width > _WIDEST:
        raise OutputError(
            f"Expected inputs of at most {_WIDEST:,} values for a .csv; got {width:,}: take .parquet or .npz."
        )
