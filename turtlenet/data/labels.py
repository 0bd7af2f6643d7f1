"""Labels in any usual form, as the int32 classes they mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from turtlenet.data.pixels import as_array_like
from turtlenet.errors import DataError, SettingError, one_line
from turtlenet.tasks import Question

BLOCK_ROWS = 2**16
ROW_SUM_TOLERANCE = 1e-3
MULTI_LABEL = "pass --task multi-label (task='multi-label') where several may be true at once"
"""What is said of labels that are no classes, and what to do."""


def read_labels(y: Any, *, name: str, num_classes: int | None = None) -> tuple[np.ndarray, int]:
    """Reads labels into memory.

    Args:
        y: Whole numbers `(N,)` or `(N, 1)` of any integer or float type, or rows `(N, C)` of one-hot codes or
            probabilities, of which the largest counts (the first of equals).
        name: What messages call the data.
        num_classes: How many classes the model tells apart; `None` takes the width of the rows, or the largest label
            plus one.

    Returns:
        The classes, int32 `(N,)`, and how many there are.

    Raises:
        DataError: Labels that cannot be read, are no whole numbers, lie outside the classes, or rows that are no
            probabilities.
        SettingError: `num_classes` below 1.
    """
    if num_classes is not None and num_classes < 1:
        raise SettingError(f"Expected at least 1 class; got num_classes={num_classes}.")
    y = as_array_like(y, name)
    if y.dtype.kind not in "buif" or len(y.shape) not in (1, 2) or 0 in y.shape:
        raise DataError(
            "Expected labels as whole numbers (N,) or (N, 1), or as rows (N, classes) that sum to 1; "
            f"got {y.dtype} of shape {tuple(y.shape)} in {name}."
        )
    try:
        if len(y.shape) == 2 and y.shape[1] > 1:
            return _from_rows(y, name, num_classes)
        return _from_numbers(np.asarray(y[:]).reshape(-1), name, num_classes)
    except (OSError, RuntimeError, EOFError, MemoryError) as error:
        raise DataError(f"Expected labels that can be read in {name}; got: {one_line(error)}.") from None


def read_rows(y: Any, question: Question, *, name: str) -> np.ndarray:
    """Reads what goes beside each example of a question into memory: the inputs that are held, and the true answer.

    Args:
        y: True answers (N, ...), or a pair of the held inputs, float32 (N, size), and those; whole rows as they are.
        question: What is asked.
        name: What messages call the data.

    Returns:
        float32 (N, width).

    Raises:
        DataError: Answers that cannot be read or do not fit the task, or a different number of held inputs.
    """
    held, answers = y if isinstance(y, tuple) else (None, y)
    answers = as_array_like(answers, name)
    if answers.dtype.kind not in "buif" or len(answers.shape) not in (1, 2) or 0 in answers.shape:
        raise DataError(
            f"Expected true answers as numbers (N,) or (N, k) for {question.describe()}; got {answers.dtype} of shape "
            f"{tuple(answers.shape)} in {name}."
        )
    try:
        answers = np.asarray(answers[:])
    except (OSError, RuntimeError, EOFError, MemoryError) as error:
        raise DataError(f"Expected labels that can be read in {name}; got: {one_line(error)}.") from None
    if not question.held:
        return question.task.read(answers, question.units, name)
    if held is None and answers.ndim == 2 and answers.shape[1] == question.width:
        return answers.astype("float32")
    if held is None:
        names = ", ".join(each.name for each in (*question.moving, *question.held))
        raise DataError(f"Expected the inputs {names} by their names in {name}; got one array.")
    answers = question.task.read(answers, question.units, name)
    if len(held) != len(answers):
        raise DataError(f"Expected as many labels as inputs; got {len(answers):,} and {len(held):,} in {name}.")
    return np.concatenate([held, answers], axis=1)


def numbered_classes(
    y: np.ndarray, *, name: str, num_classes: int | None, classes: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers classes that are given by name: in the order of `classes`, or of their sorted names.

    Args:
        y: Names `(N,)`, as text or as bytes of UTF-8.
        name: What messages call the data.
        num_classes: How many classes the model tells apart; None for as many as there are names.
        classes: The names of the model's classes in their order, where they are known.

    Returns:
        The classes, int32 `(N,)`, and their names.

    Raises:
        DataError: A name that is none of the classes, or another number of names than the model has classes.
    """
    names = _as_text(y, name)
    known = tuple(map(str, classes)) or tuple(map(str, np.unique(names)))
    listed = ", ".join(each[:40] for each in known[:6]) + (", ..." if len(known) > 6 else "")
    if num_classes not in (None, len(known)):
        more = "" if classes else ": name all of them in the order of the model's outputs (--classes A,B,...)"
        raise DataError(
            f"Wrong number of classes: expected {num_classes}; got {len(known)} names of classes in {name} "
            f"({listed}){more}."
        )
    number = {each: place for place, each in enumerate(known)}
    other = np.flatnonzero(~np.isin(names, known))
    if len(other):
        raise DataError(f"Expected labels of {listed}; got {str(names[other[0]])!r} at example {other[0]} of {name}.")
    return np.array([number[each] for each in names], np.int32), known


def is_text(y: Any) -> bool:
    """Whether labels are names of classes, in an array or a list."""
    if isinstance(y, list | tuple):
        return len(y) > 0 and all(isinstance(each, (str, bytes)) for each in y)
    dtype = getattr(y, "dtype", None)
    kind = getattr(dtype, "kind", "")
    return kind in ("U", "S", "T") or (
        kind == "O" and len(y) > 0 and all(isinstance(each, (str, bytes)) for each in np.asarray(y).reshape(-1))
    )


def _as_text(y: Any, name: str) -> np.ndarray:
    """Names of classes as an array of text; HDF5 and older NumPy have them as bytes."""
    found = np.asarray(y)
    if found.dtype.kind not in "SO":
        return found.astype(str)
    try:
        return np.array([each.decode() if isinstance(each, bytes) else str(each) for each in found], str)
    except UnicodeDecodeError:
        raise DataError(f"Expected names of classes in UTF-8 in {name}; got other bytes: save them as text.") from None


def _from_numbers(values: np.ndarray, name: str, num_classes: int | None) -> tuple[np.ndarray, int]:
    if values.dtype.kind == "f":
        # Smaller floats cannot hold the limits below exactly; larger ones hold nothing that float64 lacks here.
        with np.errstate(over="ignore"):
            values = values.astype(np.float64)
        _refuse(~np.isfinite(values) | (values != np.floor(values)), values, "that are whole numbers", name)
    # Without a number of classes, int32 is the limit: its last value is kept free for the count itself.
    last = (np.iinfo(np.int32).max if num_classes is None else num_classes) - 1
    wanted = f"from 0 to {last}" if num_classes is not None else f"of 0 or more (below {last + 1})"
    _refuse((values < 0) | (values > last), values, wanted, name)
    labels = values.astype(np.int32)
    return labels, num_classes or int(labels.max()) + 1


def _from_rows(rows: Any, name: str, num_classes: int | None) -> tuple[np.ndarray, int]:
    count, width = rows.shape
    if num_classes not in (None, width):
        raise DataError(f"Wrong number of classes: expected label rows of {num_classes}; got {width} in {name}.")
    labels = np.empty(count, np.int32)
    for start in range(0, count, BLOCK_ROWS):
        # In float64, sums of integers and of float16 neither wrap nor overflow.
        block = np.asarray(rows[start : start + BLOCK_ROWS]).astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            # Infinities are refused below, in words.
            total = block.sum(axis=1)
        good = (np.abs(total - 1) <= ROW_SUM_TOLERANCE) & (block >= -ROW_SUM_TOLERANCE).all(axis=1)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            if np.isin(block, (0, 1)).all():
                raise DataError(
                    f"Expected one class for each input; got label rows with {total[row]:.0f} of {width} labels true "
                    f"at example {start + row} of {name}: {MULTI_LABEL}."
                )
            raise DataError(
                "Expected label rows of probabilities that sum to 1; "
                f"got a row from {block[row].min():g} to {block[row].max():g} that sums to {total[row]:g} "
                f"at example {start + row} of {name}."
            )
        labels[start : start + len(block)] = block.argmax(axis=1)
    return labels, width


def _refuse(bad: np.ndarray, values: np.ndarray, wanted: str, name: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"Expected labels {wanted}; got {values[row]} at example {row} of {name}.")
