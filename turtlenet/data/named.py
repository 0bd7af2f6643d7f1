"""Data sets that go by a name.

A factory gives raw arrays, either `((x_train, y_train), (x_test, y_test))` as `keras.datasets` does, or a mapping
with `x_train`, `y_train`, `x_test` and `y_test`, or with `x` and `y`. Other packages add names through the
entry-point group `turtlenet.datasets`.
"""

import contextlib
import importlib
import io
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.data.readers.arrow import is_dataset
from turtlenet.data.readers.files import read_arrays
from turtlenet.data.readers.tables import is_frame
from turtlenet.errors import DataError, TurtlenetError, one_line
from turtlenet.registry import Registry

datasets: Registry[Any] = Registry("data set", "turtlenet.datasets")

# Where Keras looks for its own files, below ~/.keras/datasets (or $KERAS_HOME/datasets).
CACHED_AS = {
    "mnist": "mnist.npz",
    "fashion_mnist": "fashion-mnist/ (its four .gz files)",
    "cifar10": "cifar-10-batches-py-target_archive (the original cifar-10-python.tar.gz, renamed)",
    "cifar100": "cifar-100-python-target_archive (the original cifar-100-python.tar.gz, renamed)",
}


@datasets.register("mnist-sample")
def mnist_sample() -> dict[str, np.ndarray]:
    """10,000 training and 2,000 test images of MNIST, as many of each digit; `mnist_sample.md` says how drawn."""
    file = resources.files("turtlenet.data") / "mnist_sample.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


@datasets.register("mnist")
def mnist() -> Any:
    """Handwritten digits, 60,000 and 10,000 images 28x28."""
    # Keras deletes an `mnist.npz` that is not its own to the byte, even when it cannot fetch another: never let it.
    cached = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets" / "mnist.npz"
    return read_arrays(cached) if cached.is_file() else _from_keras("mnist")


@datasets.register("fashion_mnist")
def fashion_mnist() -> Any:
    """Pieces of clothing, 60,000 and 10,000 images 28x28."""
    return _from_keras("fashion_mnist")


@datasets.register("cifar10")
def cifar10() -> Any:
    """Photographs in 10 classes, 50,000 and 10,000 images 32x32x3."""
    return _from_keras("cifar10")


@datasets.register("cifar100")
def cifar100(label_mode: str = "fine") -> Any:
    """Photographs in 100 classes, or 20 with `label_mode=coarse`, 50,000 and 10,000 images 32x32x3."""
    return _from_keras("cifar100", label_mode=label_mode)


def read_named(spec: str) -> Any:
    """The arrays that a name, `name:key=value` or `package.module:function` stands for, or the table as it came.

    Raises:
        SpecError: Nothing answers to the name.
        DataError: The factory failed, or gave something else than arrays.
    """
    try:
        made = datasets.build(spec)
    except TurtlenetError:
        raise
    except (Exception, SystemExit) as error:  # Anybody's code; the traceback stays in the chain.
        raise DataError(f"Expected data set {spec!r} to give arrays; it raised {_named(error)}.") from error
    if is_frame(made) or is_dataset(made):
        return made
    if isinstance(made, Mapping):
        return dict(made)
    if isinstance(made, tuple) and len(made) == 2 and hasattr(made[0], "shape"):
        return {"x": made[0], "y": made[1]}
    try:
        (x_train, y_train), (x_test, y_test) = made
    except (TypeError, ValueError):
        raise DataError(
            f"Expected ((x_train, y_train), (x_test, y_test)), (x, y) or a mapping from data set {spec!r}; "
            f"got {type(made).__name__}."
        ) from None
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _from_keras(name: str, **settings: Any) -> Any:
    # Keras takes seconds to import, and is needed for these four only.
    module = importlib.import_module(f"keras.datasets.{name}")
    try:
        # Keras draws its progress on standard output, which may be somebody's JSON.
        with contextlib.redirect_stdout(io.StringIO()):
            return module.load_data(**settings)
    except Exception as error:  # Keras raises bare `Exception` when a download fails.
        raise DataError(
            f"Expected data set {name!r} in Keras's cache, or a network to fetch it; got: {one_line(error)}: "
            "pass --data PATH.npz with x_train, y_train, x_test, y_test, "
            f"or put the data at ~/.keras/datasets/{CACHED_AS[name]}."
        ) from None


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
