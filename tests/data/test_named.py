import hashlib
import re
import sys
import types
import urllib.error
from importlib import resources

import keras
import numpy as np
import pytest

from turtlenet.data import load, named, names
from turtlenet.errors import DataError, SpecError

X, Y = np.zeros((12, 3), np.uint8), np.arange(12) % 2


@pytest.fixture
def plugin(monkeypatch):
    """A module of somebody else's, importable as `some.plugin`."""
    module = types.ModuleType("some.plugin")
    monkeypatch.setitem(sys.modules, "some", types.ModuleType("some"))
    monkeypatch.setitem(sys.modules, "some.plugin", module)
    return module


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """An empty Keras cache, and no network."""

    def unreachable(url, *args, **settings):
        raise urllib.error.URLError("no\nnetwork")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    return tmp_path


def test_the_embedded_sample():
    data = load("mnist-sample", shape=(28, 28, 1), num_classes=10)
    assert data.test.describe() == (
        "mnist-sample test: 2,000 images 28x28x1, 10 classes, pixels 0..255 scaled to [0, 1]"
    )
    assert np.bincount(data.train.labels).tolist() == [1000] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10
    data.train.check()
    data.test.check()
    # The mean and the spread of all of MNIST's training images are 0.1307 and 0.3081.
    x, _ = data.train.batch(slice(None))
    assert abs(x.mean() - 0.1307) < 0.003 and abs(x.std() - 0.3081) < 0.003
    # Shuffled: no digit fills a stretch.
    assert all(len(set(data.train.labels[start : start + 100])) == 10 for start in range(0, 10_000, 100))


def test_the_parts_of_the_sample_share_no_image():
    data = load("mnist-sample")
    train = {image.tobytes() for image in data.train.batch(slice(None))[0]}
    test = {image.tobytes() for image in data.test.batch(slice(None))[0]}
    assert len(train) == 10_000 and len(test) == 2000 and not train & test


def test_the_sample_is_the_file_its_card_describes():
    folder = resources.files("turtlenet.data")
    content = (folder / "mnist_sample.npz").read_bytes()
    card = (folder / "mnist_sample.md").read_text(encoding="utf-8")
    assert len(content) <= 3 * 2**20
    assert hashlib.sha256(content).hexdigest() in card and f"{len(content):,} bytes" in card


def test_names_are_sorted_and_known():
    assert {"mnist-sample", "mnist", "fashion_mnist", "cifar10", "cifar100"} <= set(names())
    assert names() == sorted(names())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_offline_one_line_says_where_to_put_the_file(name, keras_home, capfd, refusal):
    words = refusal(DataError, load, name)
    assert words.startswith(f"Expected data set '{name}' in Keras's cache, or a network to fetch it; got: URL fetch ")
    assert "no network: pass --data PATH.npz with x_train, y_train, x_test, y_test, or put the data at" in words
    assert f"~/.keras/datasets/{named.CACHED_AS[name]}." in words
    assert capfd.readouterr().out == ""


def test_a_cached_mnist_is_read_and_kept_whoever_wrote_it(keras_home):
    path = keras_home / "datasets" / "mnist.npz"
    path.parent.mkdir()
    np.savez(path, x_train=X, y_train=Y, x_test=X[:5], y_test=Y[:5])
    before = path.read_bytes()
    data = load("mnist")
    assert (len(data.train), len(data.test)) == (12, 5)
    assert path.read_bytes() == before


def test_cached_files_of_keras_are_read_in_silence(monkeypatch, capfd):
    def load_data(label_mode):
        print("Downloading 100%")
        return (X, Y[:, None] + (label_mode == "coarse")), (X[:5], Y[:5, None])

    monkeypatch.setattr(keras.datasets.cifar100, "load_data", load_data)
    assert load("cifar100").train.labels.tolist() == Y.tolist()
    assert load("cifar100:label_mode=coarse").train.labels.tolist() == (Y + 1).tolist()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (((X, Y), (X[:5], Y[:5])), (12, 5, None)),
        ([[X, Y], [X[:5], Y[:5]]], (12, 5, None)),
        ({"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5]}, (12, 5, None)),
        ({"x": X, "y": Y}, (10, 2, 12)),
    ],
)
def test_a_function_gives_arrays(made, parts, plugin):
    plugin.make = lambda: made
    data = load("some.plugin:make")
    assert (len(data.train), len(data.test), data.whole and len(data.whole)) == parts
    assert data.test.name == "some.plugin:make test"


@pytest.mark.parametrize("made", [None, 3, (1, 2), ((X, Y), None), "abcd"])
def test_a_function_that_gives_something_else_is_refused(made, plugin, refusal):
    plugin.make = lambda: made
    words = refusal(DataError, load, "some.plugin:make")
    assert words == (
        "Expected ((x_train, y_train), (x_test, y_test)), (x, y) or a mapping from data set 'some.plugin:make'; "
        f"got {type(made).__name__}."
    )


def test_a_function_may_give_one_pair(plugin):
    plugin.make = lambda: (X, Y)
    assert len(load("some.plugin:make").whole) == len(Y)


def test_a_function_that_fails_is_named(plugin, refusal):
    plugin.make = lambda: {}["two\nlines"]
    words = refusal(DataError, load, "some.plugin:make")
    assert re.fullmatch(
        r"Expected data set 'some.plugin:make' to give arrays; it raised KeyError: .*two.*lines'\.", words
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mnist-sampel", "Unknown data set 'mnist-sampel'. Did you mean 'mnist-sample'?"),
        ("cifar100:label=coarse", "Unknown setting 'label' of data set 'cifar100'."),
        ("some.plugin:nothing", "Expected a name in module 'some.plugin'; got 'nothing', which it lacks."),
        ("some.missing:make", "Expected a module to import in 'some.missing:make'; got: "),
        ("mnist:", "Expected `name` or `name:key=value,...`; got 'mnist:'."),
    ],
)
def test_bad_specs_are_refused(spec, words, plugin, refusal):
    assert refusal(SpecError, load, spec).startswith(words)
