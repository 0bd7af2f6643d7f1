import ast
from pathlib import Path

import numpy as np
import pytest

import turtlenet.data
from turtlenet.data import datasets, load
from turtlenet.errors import DataError, SpecError

X, Y = np.arange(24, dtype=np.uint8).reshape(12, 2), np.arange(12) % 2


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "set.npz", x=X, y=Y)
    (tmp_path / "pictures").mkdir()
    np.save(tmp_path / "pictures" / "x.npy", X)
    np.save(tmp_path / "pictures" / "y.npy", Y)
    return tmp_path


@pytest.mark.parametrize("spec", ["set.npz", "./set.npz", "~/set.npz", Path("set.npz"), "pictures", "./pictures/"])
def test_paths_are_found(spec, home):
    data = load(spec, bounds=(0, 255))
    assert np.array_equal(data.whole.batch(slice(None))[0], X)
    assert data.name == str(spec)


def test_a_bare_word_is_a_name_first_and_a_path_with_a_separator_a_path(home):
    (home / "pictures").rename(home / "mnist-sample")
    assert len(load("mnist-sample").train) == 10_000
    assert len(load("./mnist-sample").whole) == len(load(Path("mnist-sample")).whole) == 12


def test_a_path_with_a_suffix_comes_before_a_name(home, monkeypatch):
    monkeypatch.setitem(datasets._factories, "set.npz", lambda: {"x": X[:7], "y": Y[:7]})
    assert len(load("set.npz").whole) == 12
    (home / "set.npz").unlink()
    with pytest.raises(DataError):
        load("set.npz")


def test_a_name_may_have_a_dot(home, monkeypatch):
    monkeypatch.setitem(datasets._factories, "digits.v2", lambda: {"x": X[:7], "y": Y[:7]})
    assert len(load("digits.v2").whole) == 7


@pytest.mark.parametrize("spec", ["missing.npz", "a/b", "./mnist", "x.h5", "nothing/set.npz", Path("mnist")])
def test_a_missing_path_is_refused(spec, home, refusal):
    assert refusal(DataError, load, spec) == f"Expected a data set at {spec}; there is no such file or folder."


@pytest.mark.parametrize("spec", ["", "  ", b"mnist"])
def test_no_spec_is_refused(spec, refusal):
    assert refusal(SpecError, load, spec) == f"Expected the name or the path of a data set; got {spec!r}."


@pytest.mark.parametrize("spec", ["x" * 5000, "nul\0byte"])
def test_a_strange_word_is_an_unknown_name(spec, refusal):
    assert refusal(SpecError, load, spec).startswith("Unknown data set ")


def test_settings_reach_the_examples(home):
    data = load("set.npz", shape=(2, 1), num_classes=5, bounds=(-1, 1))
    for part in (data.train, data.test, data.whole):
        assert (part.shape, part.num_classes, part.bounds) == ((2, 1), 5, (-1.0, 1.0))


def test_errors_name_the_file(home, refusal):
    words = refusal(DataError, load, "set.npz", shape=(28, 28, 1))
    assert words == "Expected images of shape 28x28x1; got 2 in set.npz."
    words = refusal(DataError, load, "set.npz", num_classes=1)
    assert words == "Expected labels from 0 to 0; got 1 at example 1 of set.npz."


def test_no_module_of_the_data_imports_a_framework():
    # What reads data knows nothing of models; these hold data against a model.
    beside_models = {"doubts.py", "fit.py", "misfits.py", "parts.py", "prepare.py"}
    below = ("errors", "formats", "hdf5", "input_kind", "numpy_files", "optional", "radius", "registry", "tasks")
    for file in Path(turtlenet.data.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name.partition(".")[0] for name in imported} & {"tensorflow", "jax", "torch"}
        assert file.name in beside_models or "keras" not in imported
        ours = {
            name if name != "turtlenet" else f"turtlenet.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (name := node.module or "").startswith("turtlenet")
            for alias in node.names
        } | {name for name in imported if name.startswith("turtlenet.")}
        ours = {name for name in ours if not name.startswith("turtlenet.data")}
        assert file.name in beside_models or ours <= {f"turtlenet.{name}" for name in below}
