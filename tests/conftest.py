"""Small models whose answers are known, and the demo's own model and digits."""

import gc
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Models this small are no work for several threads; a pool that waits for some burns the processor.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# As the package does where it is imported before Keras.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from turtlenet import data
from turtlenet.classifier import Classifier
from turtlenet.models import classifier, load

ROOT = Path(__file__).parents[1]


def marked(names: Iterable[str], only: set[str]) -> list[Any]:
    """Parameters for a test, those that are TensorFlow's own with their mark."""
    return [pytest.param(name, marks=pytest.mark.tensorflow) if name in only else name for name in names]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves to TensorFlow what is its own, and a file to one worker, whose fixtures then are made once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))
    if keras.backend.backend() != "tensorflow":
        for item in items:
            if item.get_closest_marker("tensorflow"):
                item.add_marker(pytest.mark.skip(reason="needs the TensorFlow backend"))


def folder_of(argument: str) -> tuple[str, ...]:
    """The folder of what pytest is to collect, as the parts of its path."""
    path = Path(argument.partition("::")[0])
    return (path if path.is_dir() else path.parent).parts


def pytest_configure(config: pytest.Config) -> None:
    """Puts files of one folder side by side, and makes graphs cheap.

    pytest 9 forgets the fixtures of a folder's `conftest.py` where it comes back to the folder from another one.
    """
    config.args = sorted(config.args, key=folder_of)
    _trace_only(config)


def _trace_only(config: pytest.Config) -> None:
    """Runs graphs as they are traced: to optimize one takes a third of what a test of it costs.

    `make test-slow` runs them optimized, as users do.
    """
    if config.option.markexpr == "slow":
        return
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    else:
        import jax

        jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_finish() -> None:
    """Spares the garbage collector what the frameworks keep until the end, which is most of what it looks through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 10)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fresh weights are the same in every run, whichever tests came before: Keras 2 and 3 ask `random` for seeds.

    `keras.utils.set_random_seed` would do the same, but has TensorFlow forget every graph that it has made ready.
    """
    random.seed(0)
    np.random.seed(0)


_lasting: list[Classifier] = []
"""The models that all files share."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Gives back the memory of graphs that no later test asks for: a few thousand of them take ten gigabytes."""
    if nextitem is None or _group(item) != _group(nextitem):
        many = sum(len(model._graphs) for model in _lasting) > 20
        for model in _lasting:
            model._graphs.clear()
            model._others.clear()
        if many:
            # A graph refers to itself, and the collector would wait for more of them.
            gc.collect()


def _group(item: pytest.Item) -> object:
    """What a worker does in one go, see `pytest_collection_modifyitems`; a file where there are no workers."""
    mark = item.get_closest_marker("xdist_group")
    return item.path if mark is None or "PYTEST_XDIST_WORKER" not in os.environ else mark.args


@pytest.fixture(autouse=True, scope="module")
def undrawn() -> Iterator[None]:
    """Leaves the pictures of reports blank, whose drawing takes longer than many a test.

    A file that looks at pictures has a fixture of this name that does nothing.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")
        yield


def lasting(model: Classifier) -> Classifier:
    """A model of a whole session, whose graphs are forgotten from file to file."""
    _lasting.append(model)
    return model


@pytest.fixture(scope="session")
def linear() -> Classifier:
    """Logits W x + b on 6x1 inputs with three classes: every attack's answer can be worked out by hand."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    weights = np.array([[2, -1, 0], [1, 1, -2], [0, 3, 1], [-1, 0, 2], [0.5, -2, 1], [1, 0, -1]], "float32")
    model.layers[-1].set_weights([weights, np.array([0.1, 0.0, -0.1], "float32")])
    return lasting(Classifier(model))


@pytest.fixture(scope="session")
def small() -> Classifier:
    """An untrained convolutional classifier of 8x8x1 images with four classes."""
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    model = keras.Sequential(layers)
    # The same weights on every backend; an initializer of Keras draws others on each.
    draw = np.random.default_rng(1)
    for layer in (model.layers[0], model.layers[-1]):
        shape = layer.kernel.shape
        layer.kernel.assign(draw.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape))
    return lasting(Classifier(model))


@pytest.fixture(scope="session")
def images(small: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Images for `small`, labeled with its own answers, so that all are right at first."""
    x = np.random.default_rng(0).uniform(size=(12, 8, 8, 1)).astype("float32")
    return x, small.predict(x).argmax(axis=1).astype("int32")


@pytest.fixture(scope="session")
def digits() -> data.Data:
    """The embedded sample."""
    return data.load("mnist-sample", shape=(28, 28, 1), num_classes=10)


@pytest.fixture(scope="session")
def demo_path() -> Path:
    """The demo's naturally trained model."""
    return ROOT / "models" / "mnist-wong.h5"


@pytest.fixture(scope="session")
def demo(demo_path: Path) -> Classifier:
    """The demo's model as attackers see it."""
    return lasting(classifier(load(demo_path)))
