"""A name or a path, brought to arrays in known bounds."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from turtlenet.data.about import NOTHING, About
from turtlenet.data.asked import answers_of, names_of
from turtlenet.data.dataset import Data, assemble
from turtlenet.data.named import datasets, read_named
from turtlenet.data.readers import arrow, table_files
from turtlenet.data.readers.files import read_arrays
from turtlenet.data.readers.images import read_image_folder
from turtlenet.data.readers.sets import from_tables
from turtlenet.data.readers.tables import PLAIN, SUFFIXES, Reading
from turtlenet.errors import DataError, SpecError
from turtlenet.tasks import Question

FILE_SUFFIXES = {".npz", ".npy", ".h5", ".hdf5", *SUFFIXES}


def load(
    spec: str | os.PathLike[str],
    *,
    shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    question: Question | None = None,
    how: Reading = PLAIN,
) -> Data:
    """Loads a data set.

    Args:
        spec: One of
            a registered name (`mnist-sample`, `mnist`, `cifar100:label_mode=coarse`);
            a `.npz`, `.h5` or `.hdf5` file with `x_train`, `y_train`, `x_test`, `y_test`, or with `x` and `y`;
            a folder with such arrays as `.npy` files;
            a folder of images `<class>/*.png`, or `train/<class>/*.png` and `test/<class>/*.png`;
            a table, `.csv`, `.tsv` or `.parquet`, or a folder with the tables `train.*` and `test.*`;
            a folder that `save_to_disk` of Hugging Face's `datasets` wrote;
            `package.module:function` or `package.module:function:key=value`, which gives raw arrays.
            A path with a suffix or a separator comes before a name where it exists; a bare word is a name first.
        shape: The model's input shape without the batch; `None` keeps that of the images.
        num_classes: How many classes the model tells apart; `None` takes it from the labels.
        bounds: Lowest and highest pixel value of the model.
        question: What is asked where that is another thing than one class: of a model with several inputs, the arrays
            have their names.
        how: Which columns of a table are what.

    Returns:
        The parts. Where there are only `x` and `y`, `test` is a sixth of them, always the same one, `train` the rest,
        and `whole` is everything. Pixels are read when they are asked for; `Examples.check` looks at all of them.

    Raises:
        SpecError: Nothing answers to the name.
        DataError: No such file, a damaged one, or data that do not fit.
    """
    text = os.fspath(spec)
    if not isinstance(text, str) or not text.strip():
        raise SpecError(f"Expected the name or the path of a data set; got {text!r}.")
    path = Path(text).expanduser()
    fit: dict[str, Any] = {"name": text, "shape": shape, "num_classes": num_classes, "bounds": bounds}
    arrays: dict[str, Any]
    if _is_file_spec(spec, text, path):
        tables = _tables(path)
        if tables:
            return from_tables(tables, how, question=question, **fit)
        _check_no_table(how, text)
        arrays, about = _from_path(path, shape, num_classes, how, names_of(question, how.output))
        if question is None:
            arrays = answers_of(arrays, how.output)
        fit |= {"num_classes": num_classes or len(about.classes) or None}
        return assemble(arrays, about=about, question=question, **fit)
    found = read_named(text)
    if not isinstance(found, dict):
        return from_tables({"": found}, how, question=question, **fit)
    _check_no_table(how, text)
    return assemble(found, about=About(classes=tuple(how.classes)), question=question, **fit)


def names() -> list[str]:
    """The names that `load` knows, sorted."""
    return datasets.names()


def _is_file_spec(spec: str | os.PathLike[str], text: str, path: Path) -> bool:
    """Whether a path is meant; one that does not exist is refused here."""
    written_as_path = isinstance(spec, os.PathLike) or any(mark in text for mark in {os.sep, os.altsep or os.sep})
    if _exists(path):
        return written_as_path or bool(path.suffix) or text not in names()
    if not isinstance(spec, os.PathLike) and datasets.is_import_path(text):
        # `module:function:folder=/data`: the separators are those of a setting.
        return False
    if written_as_path or path.suffix.lower() in FILE_SUFFIXES:
        raise DataError(f"Expected a data set at {text}; there is no such file or folder.")
    return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A name too long for the file system is no path.
        return False


def _tables(path: Path) -> dict[str, Any]:
    """The tables at a path by their parts, or nothing where there is something else."""

    def read(file: Path) -> Any:
        parquet = file.suffix.lower() in table_files.PARQUET_SUFFIXES
        return table_files.read_parquet(file) if parquet else table_files.read_csv(file)

    if path.is_file():
        return {"": read(path)} if table_files.is_table(path) else {}
    if not path.is_dir():
        return {}
    if arrow.is_saved_dataset(path):
        return arrow.read_saved_dataset(path)
    return {part: read(file) for part, file in table_files.tables_in(path).items()}


def _check_no_table(how: Reading, name: str) -> None:
    """Refuses to be told the columns of what has none."""
    asked = [("--label", how.label), ("--weight", how.weight), ("--drop", how.drop)]
    for option, value in asked:
        if value:
            raise DataError(f"Expected a table with columns for {option}; {name} is none.")


def _from_path(
    path: Path, shape: tuple[int, ...] | None, num_classes: int | None, how: Reading, more: Collection[str]
) -> tuple[dict[str, Any], About]:
    try:
        if path.is_dir() and not any(path.glob("*.npy")):
            found = read_image_folder(path, shape, num_classes, how.classes)
            if found is not None:
                return found[0], About(classes=found[1])
            raise DataError(
                f"Expected .npy arrays, tables train.*, test.* or val.*, folders of images by class, or what "
                f"save_to_disk of Hugging Face writes, in {path}; got none."
            )
    except OSError as error:
        raise DataError(f"Expected a folder that can be read at {path}; got: {error.strerror}.") from None
    return read_arrays(path, more), About(classes=tuple(how.classes)) if how.classes else NOTHING
