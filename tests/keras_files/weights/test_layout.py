"""Archives of Keras 2.13 to 2.15, from Linux and from Windows: five shapes of models, computed as Keras 2 computes."""

import io
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tf_keras
from tf_keras import layers as L  # noqa: N812

from turtlenet.errors import ModelError
from turtlenet.keras_files.weights import layout
from turtlenet.models import load

from ..keras2 import agrees, randomize, save

pytestmark = pytest.mark.tensorflow  # tf_keras writes the files.
FOLDER = Path(__file__).parents[1] / "files" / "archives"


def cnn():
    x = inputs = L.Input((8, 8, 1))
    x = L.Conv2D(3, 2)(L.MaxPooling2D()(L.Conv2D(2, 3)(x)))
    x = L.Dense(4)(L.Dropout(0.2)(L.Dense(4)(L.Dense(4)(L.Flatten()(x)))))
    return tf_keras.Model(inputs, x)


def nested():
    first = tf_keras.Sequential([L.Input((6,)), L.Dense(4), L.Dense(4), L.Dense(6)])
    inner = L.Input((6,))
    second = tf_keras.Model(inner, L.Dense(6)(L.Dense(6)(inner)))
    inputs = L.Input((6,))
    return tf_keras.Model(inputs, L.Dense(3)(L.Dense(6)(second(L.Dense(6)(first(inputs))))))


def recurrent():
    x = inputs = L.Input((4, 3))
    x = L.Bidirectional(L.GRU(3, return_sequences=True))(L.LSTM(4, return_sequences=True)(x))
    image = tf_keras.Sequential([L.Input((6,)), L.Dense(4), L.Dense(4)])
    return tf_keras.Model(inputs, L.SimpleRNN(2)(L.SimpleRNN(2, return_sequences=True)(L.TimeDistributed(image)(x))))


def normalized():
    known = L.Normalization(mean=[1.0] * 6, variance=[4.0] * 6)
    x = inputs = L.Input((6,))
    x = L.BatchNormalization()(L.Dense(4)(known(x)))
    return tf_keras.Model(inputs, L.BatchNormalization()(L.LayerNormalization()(L.Dense(4)(x))))


def sequential():
    listed = [
        L.Rescaling(0.5),
        L.Conv2D(2, 3),
        L.ReLU(),
        L.Conv2D(2, 3),
        L.ReLU(),
        L.Flatten(),
        L.Dense(4),
        L.Dense(3),
    ]
    return tf_keras.Sequential([L.Input((8, 8, 1)), *listed])


SHAPES = {each.__name__: each for each in (cnn, nested, recurrent, normalized, sequential)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Each shape, compiled with metrics that hold numbers, and its archive."""
    folder = tmp_path_factory.mktemp("written")
    made = {}
    for name, make in SHAPES.items():
        model = randomize(make())
        model.compile("sgd", "mse", metrics=["mae"])
        model.evaluate(np.zeros((1, *model.input_shape[1:])), np.zeros((1, *model.output_shape[1:])), verbose=0)
        made[name] = (model, save(model, folder / f"{name}.keras"))
    return made


def as_of(path, target, *, windows, doubled):
    """Writes an archive of tf_keras as 2.13.1 wrote it (`doubled`), or as 2.15 did, and on Windows."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    new = io.BytesIO()
    with h5py.File(io.BytesIO(parts["model.weights.h5"])) as old, h5py.File(new, "w") as file:
        for place, group in all_vars(old):
            path = numbered(old, place) if doubled else place
            made = file.require_group(("\\" if windows else "/").join(path) or "/").create_group("vars")
            for name in group:
                old.copy(group[name], made, name)
    parts["model.weights.h5"] = new.getvalue()
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return target


def all_vars(file):
    names = []
    file.visit(names.append)
    return [(tuple(name.split("/")[:-1]), file[name]) for name in names if name.split("/")[-1] == "vars"]


def numbered(file, place):
    """A path with the numbers of 2.13: a layer that has weights was met twice in its list."""
    new = []
    for i, part in enumerate(place):
        if i and place[i - 1] == "layers":
            base = part.rstrip("0123456789").rstrip("_") if part[-2:-1] == "_" else part
            before = [f"{base}_{n}" if n else base for n in range(int(part[len(base) + 1 :] or 0))]
            count = sum(2 if holds(file["/".join((*place[:i], each))]) else 1 for each in before)
            part = f"{base}_{count}" if count else base
        new.append("_layer_checkpoint_dependencies" if part == "layers" else part)
    return new


def holds(group):
    found = []
    group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return bool(found)


@pytest.mark.parametrize("doubled", [True, False], ids=["2.13", "2.15"])
@pytest.mark.parametrize("windows", [True, False], ids=["windows", "linux"])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(written, name, windows, doubled, tmp_path):
    model, path = written[name]
    agrees(as_of(path, tmp_path / "m.keras", windows=windows, doubled=doubled), model)


@pytest.mark.parametrize("name", ["nested", "windows-cnn"])
def test_a_file_of_2_13_1(name):
    model = load(FOLDER / f"keras2131-{name}.keras")
    with np.load(FOLDER / f"keras2131-{name}.npz") as arrays:
        np.testing.assert_allclose(model(arrays["x"]), arrays["y"], atol=1e-5)


def test_an_unpacked_folder_stays_as_it_is(tmp_path):
    with zipfile.ZipFile(FOLDER / "keras2131-windows-cnn.keras") as archive:
        archive.extractall(tmp_path / "m")
    before = (tmp_path / "m" / "model.weights.h5").read_bytes()
    load(tmp_path / "m")
    assert (tmp_path / "m" / "model.weights.h5").read_bytes() == before


def test_a_file_of_weights(tmp_path):
    with zipfile.ZipFile(FOLDER / "keras2131-windows-cnn.keras") as archive:
        (tmp_path / "m.weights.h5").write_bytes(archive.read("model.weights.h5"))
        (tmp_path / "m.json").write_bytes(archive.read("config.json"))
    model = load(tmp_path / "m.weights.h5", architecture=str(tmp_path / "m.json"))
    with np.load(FOLDER / "keras2131-windows-cnn.npz") as arrays:
        np.testing.assert_allclose(model(arrays["x"]), arrays["y"], atol=1e-5)


def test_metrics_are_no_weights_and_classes_of_their_names_are(tmp_path):
    paths = ["layers/dense", "metrics/mean", "layers/functional/metrics/mean", "layers/metrics", "optimizer"]
    paths += ["layers\\metrics_1", "metrics\\mean_1", "tracker"]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for i, path in enumerate(paths):
            file[f"{path}/vars/0"] = np.zeros(10**i)

    class Tracking(keras.layers.Dense):
        def __init__(self, units):
            super().__init__(units)
            self.tracker = keras.metrics.Mean()

    model = keras.Sequential([keras.Input((2,)), Tracking(1)])
    assert layout.held(tmp_path / "m.h5", model) == 1 + 10**3 + 10**5


def test_too_few_numbers_are_refused(tmp_path):
    path = Path(shutil.copy(FOLDER / "keras2131-nested.keras", tmp_path / "m.keras"))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    held = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(held, "a") as file:
        del file["_layer_checkpoint_dependencies/dense_2"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in (parts | {"model.weights.h5": held.getvalue()}).items():
            archive.writestr(name, part)
    with pytest.raises(ModelError, match="numbers for the weights of the model; the file has"):
        load(path)
