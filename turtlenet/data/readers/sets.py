"""Tables of any make, brought to the parts of a data set."""

import math
from collections.abc import Mapping
from typing import Any

from turtlenet.data.dataset import Data, parted
from turtlenet.data.examples import Examples
from turtlenet.data.readers import arrow
from turtlenet.data.readers.table_files import EXTRA
from turtlenet.data.readers.tables import Reading, read_frame
from turtlenet.errors import DataError
from turtlenet.optional import needed
from turtlenet.tasks import Question


def from_tables(
    tables: Mapping[str, Any],
    how: Reading,
    *,
    name: str,
    shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    question: Question | None = None,
) -> Data:
    """A data set of tables, which are read together: they agree on their classes and categories.

    Args:
        tables: A frame of pandas, polars or pyarrow, or a data set of Hugging Face, for `train`, `test` and a part for
            validation, or one for `""`, which is split.
        how: Which columns are what.
        name: What messages call the data.
        shape, num_classes, bounds, question: See `turtlenet.data.load`.

    Raises:
        DataError: Columns that do not fit the model, or each other.
    """
    if question is not None and question.several:
        raise DataError(
            f"Expected arrays by the names of the inputs ({', '.join(question.inputs)}) in {name}; got a table."
        )
    num_classes = None if question is not None else num_classes
    expanded: dict[str, Any] = {}
    for part, table in tables.items():
        found = arrow.tables_of(table) if arrow.is_dataset(table) else {"": table}
        expanded |= found if set(found) != {""} else {part: found[""]}
    files = any(arrow.is_dataset(table) for table in tables.values())
    together = _together(expanded, name)
    counts = {part: len(table) for part, table in expanded.items()}
    if hasattr(together, "iloc"):
        width = None if shape is None else math.prod(shape)
        arrays, about = read_frame(together, how, name=name, width=width, num_classes=num_classes)
    else:
        arrays, about = arrow.read_arrow(together, how, name=name, shape=shape, num_classes=num_classes, files=files)
    classes = num_classes or len(about.classes) or None
    fit: dict[str, Any] = {"shape": shape, "num_classes": classes, "bounds": bounds, "question": question}
    whole = Examples(arrays["x"], arrays["y"], name=name, about=about, **fit)
    if "sample_weight" in arrays:
        whole = whole.weighted(arrays["sample_weight"])
    return parted(whole, counts)


def _together(parts: Mapping[str, Any], name: str) -> Any:
    """The parts as one table; a frame of pandas, unless all are of Arrow."""
    tables = list(parts.values())
    if all(hasattr(table, "schema") and hasattr(table, "column_names") for table in tables):
        if len(tables) == 1:
            return tables[0]
        if all(set(table.column_names) == set(tables[0].column_names) for table in tables):
            alike = [table.select(tables[0].column_names) for table in tables]
            if all(table.schema.equals(tables[0].schema) for table in alike):
                return needed("pyarrow", EXTRA, "tables").concat_tables(alike)
    pandas = needed("pandas", EXTRA, "tables")
    frames = [table if hasattr(table, "iloc") else table.to_pandas() for table in tables]
    columns = [[str(column) for column in frame.columns] for frame in frames]
    for one in columns[1:]:
        strange = sorted(set(one) ^ set(columns[0]))
        if strange:
            raise DataError(f"Expected the same columns in all parts of {name}; got {strange[0]!r} in one only.")
    return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
