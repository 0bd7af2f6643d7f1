"""The names of the weights tell which backend wrote a file of Keras 1, and convolutions follow."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.load import Loading, loading
from turtlenet.keras_files.weights.writer import backend_by_names, contradiction
from turtlenet.models import inspect, load

FOLDER = Path(__file__).parents[1] / "files" / "old"
THEANO, TENSORFLOW = "keras122-theano-cnn-th", "keras122-tensorflow-cnn-th"


def known(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return arrays["x0"], arrays["y0"]


def gap(model, name):
    x, y = known(name)
    return np.abs(np.asarray(model(x)) - y).max()


def renamed(path, change, count=None):
    """Renames weights, as another backend would have called them; the first `count` only."""
    with h5py.File(path, "a") as file:
        for layer in list(file["model_weights"].attrs["layer_names"]):
            group = file["model_weights"][layer.decode()]
            names = [name.decode() for name in group.attrs["weight_names"]]
            new = [change(name) if count is None or i < count else name for i, name in enumerate(names)]
            for old, name in zip(names, new, strict=True):
                if old != name:
                    group.move(old, name)
            group.attrs["weight_names"] = np.array([name.encode() for name in new], dtype="S60")
    return path


def copied(name, tmp_path):
    return Path(shutil.copy(FOLDER / f"{name}.h5", tmp_path / "old.h5"))


@pytest.mark.parametrize(
    ("names", "backend"),
    [
        (["convolution2d_1_W", "convolution2d_1_b"], "theano"),
        (["param_0"], "theano"),
        (["dense:0_W"], "theano"),
        (["convolution2d_1_W:0", "convolution2d_1_b_1:0"], "tensorflow"),
        (["convolution2d_1_W:0", "convolution2d_1_b"], "mixed"),
        ([], None),
    ],
)
def test_names(names, backend):
    assert backend_by_names(names) == backend


@pytest.mark.parametrize(
    ("told", "names", "contradicts"),
    [
        ("theano", "theano", False),
        ("theano", "tensorflow", True),
        ("theano", "mixed", False),
        ("tensorflow", "tensorflow", False),
        ("tensorflow", "theano", True),
        ("tensorflow", "mixed", True),
        ("cntk", "theano", False),
        ("cntk", "tensorflow", True),
        (None, "mixed", False),
        ("theano", None, False),
    ],
)
def test_contradiction(told, names, contradicts):
    assert (contradiction(told, names) is not None) is contradicts


@pytest.mark.parametrize("name", [THEANO, TENSORFLOW])
def test_names_decide_where_no_backend_is_named(name, tmp_path):
    found = inspect(FOLDER / f"{name}.h5")
    assert found.writer == f"Keras 1.2.2 on {name.split('-')[1]}" and not found.doubts
    path = copied(name, tmp_path)
    renamed(path, lambda each: each.removesuffix(":0") if each.endswith(":0") else f"{each}:0")
    assert gap(load(path), name) > 1e-3


@pytest.mark.parametrize("attribute", [True, False])
def test_what_is_said_wins_and_a_contradiction_is_named(attribute, tmp_path):
    path = copied(THEANO, tmp_path)
    if attribute:
        with h5py.File(path, "a") as file:
            file.attrs["backend"] = "tensorflow"
    with loading(Loading(written_by=None if attribute else "tensorflow")):
        assert gap(load(path), THEANO) > 1e-3
        found = inspect(path)
    assert found.writer.endswith("on tensorflow")
    assert found.doubts[0].startswith(
        "The backend is said to be tensorflow, while the names of the weights do not end"
    )


def test_a_mixture_is_refused(tmp_path):
    path = renamed(copied(THEANO, tmp_path), lambda each: f"{each}:0", count=1)
    with pytest.raises(ModelError) as caught:
        load(path)
    line = f"Expected weights of one backend in {path}: TensorFlow's names end in ':0', Theano's do not; got both."
    assert str(caught.value) == f"{line} Pass --written-by theano or tensorflow."
    assert inspect(path).why_not == str(caught.value)
    with loading(Loading(written_by="theano")):
        assert gap(load(path), THEANO) < 1e-5


@pytest.mark.parametrize("name", [THEANO, TENSORFLOW, "keras122-theano-nested"])
def test_a_file_of_weights_and_its_description(name, tmp_path):
    with h5py.File(FOLDER / f"{name}.h5") as old, h5py.File(tmp_path / "weights.h5", "w") as new:
        for layer in old["model_weights"]:
            old.copy(f"model_weights/{layer}", new)
        new.attrs["layer_names"] = old["model_weights"].attrs["layer_names"]
        config = json.loads(old.attrs["model_config"])
    (tmp_path / "model.json").write_text(json.dumps(config | {"keras_version": "1.2.2"}))
    assert gap(load(tmp_path / "weights.h5", architecture=str(tmp_path / "model.json")), name) < 1e-5


def convolved(x, kernel, hole, *, turned):
    """Valid convolution (`turned`) or correlation of (rows, columns, channels) with (rows, columns, in, out)."""
    kernel = kernel[::-1, ::-1] if turned else kernel
    rows, columns = (n - (size - 1) * hole for n, size in zip(x.shape[:2], kernel.shape[:2], strict=True))
    return sum(
        x[i * hole : i * hole + rows, j * hole : j * hole + columns] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )


@pytest.mark.parametrize("order", ["th", "tf"])
@pytest.mark.parametrize("ending", ["", ":0"])
@pytest.mark.parametrize("kind", ["Convolution2D", "AtrousConvolution2D"])
def test_convolution_then_flatten(kind, ending, order, tmp_path):
    """Numbers as they lie: Keras 1 flattened channels first where they stood first."""
    draw = np.random.default_rng(0)
    x, kernel = draw.normal(size=(6, 5, 2)), draw.normal(size=(3, 2, 2, 3))
    hole = 2 if kind.startswith("Atrous") else 1
    shape = [None, 2, 6, 5] if order == "th" else [None, 6, 5, 2]
    config = {"name": "c", "batch_input_shape": shape, "nb_filter": 3, "nb_row": 3, "nb_col": 2, "dim_ordering": order}
    config |= {"border_mode": "valid", "subsample": [1, 1], "activation": "linear", "init": "normal", "bias": True}
    config |= {"atrous_rate": [2, 2]} if hole == 2 else {}
    listed = [{"class_name": kind, "config": config}, {"class_name": "Flatten", "config": {"name": "f"}}]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"] = "1.2.2"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": listed})
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = np.array([b"c", b"f"])
        group = root.create_group("c")
        group.attrs["weight_names"] = np.array([f"c_{each}{ending}".encode() for each in "Wb"])
        group[f"c_W{ending}"] = (kernel.transpose(3, 2, 0, 1) if order == "th" else kernel).astype("float32")
        group[f"c_b{ending}"] = np.ones(3, "float32")
        root.create_group("f").attrs["weight_names"] = np.array([], dtype="S1")
    wanted = convolved(x, kernel, hole, turned=not ending) + 1
    given = (x.transpose(2, 0, 1) if order == "th" else x)[None].astype("float32")
    flat = (wanted.transpose(2, 0, 1) if order == "th" else wanted).reshape(1, -1)
    np.testing.assert_allclose(np.asarray(load(tmp_path / "m.h5")(given)), flat, rtol=1e-4, atol=1e-4)
