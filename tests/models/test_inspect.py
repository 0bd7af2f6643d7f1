"""Inspection: what a file is, refused files included."""

import hashlib
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from turtlenet.errors import ModelError
from turtlenet.models import Loading, inspect, loading, save

KERAS2 = Path(__file__).parents[1] / "keras_files" / "files" / "keras2.h5"


@pytest.mark.parametrize(("name", "kind"), [("m.h5", "hdf5"), ("m.keras", "keras")])
def test_a_classifier(trained, tmp_path, name, kind):
    save(trained, tmp_path / name)
    found = inspect(tmp_path / name)
    assert found.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert (found.format, found.keras_version) == (kind, keras.version())
    assert [line.class_name for line in found.layers] == [type(layer).__name__ for layer in trained.layers]
    assert found.layers[0].output_shape == (None, 4, 4, 2)
    assert found.layers[0].parameters == 20
    assert found.parameters == trained.count_params()
    assert found.input_shape == (None, 6, 6, 1)
    assert (found.num_classes, found.head.kind) == (3, "softmax")
    assert (found.compiled, found.optimizer, found.loss) == (True, "Adam", "CategoricalCrossentropy")
    assert found.metrics == ("accuracy",)
    assert (found.unsafe, found.attackable, found.why_not) == ((), True, None)


@pytest.mark.parametrize("name", ["evil.h5", "evil.keras"])
def test_a_refused_file_is_described_unexecuted(lambda_model, tmp_path, name):
    lambda_model.compile("adam", "categorical_crossentropy")
    save(lambda_model, tmp_path / name)
    (tmp_path / "ran").unlink(missing_ok=True)
    found = inspect(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    assert found.unsafe == ("Lambda 'evil', which carries Python code",)
    assert [line.class_name for line in found.layers] == ["InputLayer", "Lambda", "Flatten", "Dense"]
    assert found.input_shape == (None, 6, 6, 1)
    assert (found.compiled, found.attackable, found.head, found.parameters) == (False, False, None, None)
    assert found.why_not == "It is refused, unexecuted: Lambda 'evil', which carries Python code."
    assert "safe: no: Lambda 'evil'" in found.to_text()


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (1 / 255, 0.0, (0.0, 255.0)),
        (1 / 127.5, -1.0, (0.0, 255.0)),
        (2.0, -1.0, (0.0, 1.0)),
        (0.5, 0.5, (-1.0, 1.0)),
        (1 / 65535, 0.0, (0.0, 65535.0)),
        (2 / 4095, -1.0, (0.0, 4095.0)),
        (1 / 7, 0.0, None),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_input_range(tmp_path, scale, offset, expected, nested):
    first = [keras.Input((6, 6, 1)), layers.Rescaling(scale, offset), layers.Flatten()]
    stack = [keras.Input((6, 6, 1)), keras.Sequential(first)] if nested else first
    save(keras.Sequential([*stack, layers.Dense(2)]), tmp_path / "m.keras")
    assert inspect(tmp_path / "m.keras").input_range == expected


def test_no_range_without_rescaling(trained, tmp_path):
    save(trained, tmp_path / "m.h5")
    assert inspect(tmp_path / "m.h5").input_range is None


def test_a_regression_loads_but_cannot_be_attacked(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    save(model, tmp_path / "m.h5")
    found = inspect(tmp_path / "m.h5")
    assert (found.attackable, found.compiled, found.unsafe) == (False, True, ())
    assert "is a regression model" in found.why_not


def test_a_compiled_state_that_cannot_be_read(trained, tmp_path):
    def own_loss(truth, chance):
        return keras.ops.mean(truth - chance)

    trained.compile("sgd", own_loss)
    save(trained, tmp_path / "m.keras")
    found = inspect(tmp_path / "m.keras")
    assert (found.compiled, found.optimizer, found.loss) == (False, "SGD", "own_loss")
    assert "compiled: no (the file names SGD, own_loss, which were not read)" in found.to_text()


def test_keras_2():
    found = inspect(KERAS2)
    assert found.keras_version.startswith("2.")
    assert (found.compiled, found.optimizer, found.metrics) == (True, "SGD", ("accuracy",))
    assert found.attackable


def test_json_and_text(trained, tmp_path):
    save(trained, tmp_path / "m.h5")
    found = inspect(tmp_path / "m.h5")
    read = json.loads(found.to_json())
    assert read["path"] == str(tmp_path / "m.h5")
    assert read["head"]["kind"] == "softmax"
    assert read["layers"][0]["output_shape"] == [None, 4, 4, 2]
    text = found.to_text()
    assert f"sha256: {found.sha256}" in text
    assert "head: softmax, 3 classes. The outputs are a softmax" in text
    assert all(layer.name in text for layer in trained.layers)


def test_no_model(tmp_path):
    with pytest.raises(ModelError, match="there is no"):
        inspect(tmp_path / "none.h5")


def test_a_file_that_names_no_backend_is_doubted(tmp_path):
    with h5py.File(KERAS2) as old, h5py.File(tmp_path / "m.h5", "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            if name != "backend":
                new.attrs[name] = value
        new["model_weights"].attrs.pop("backend", None)
    # TensorFlow's names of weights tell.
    assert not inspect(tmp_path / "m.h5").doubts
    with h5py.File(tmp_path / "m.h5", "a") as file:
        for group in file["model_weights"].values():
            group.attrs["weight_names"] = np.array([], dtype="S1")
    found = inspect(tmp_path / "m.h5")
    assert "does not say which backend wrote it" in found.doubts[0] and found.doubts[0] in found.to_text()
    assert not inspect(KERAS2).doubts
    with loading(Loading(written_by="theano")):
        assert not inspect(tmp_path / "m.h5").doubts


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("units", "metrics", "words"),
    [
        (
            4,
            ["binary_accuracy"],
            "4 labels, any of which counts. The outputs are a sigmoid for each label: 4 labels, any of which counts.\n"
            "can be attacked and hardened: yes",
        ),
        (
            4,
            ["accuracy"],
            "pass --task multi-label where several are true at once.\ncan be attacked and hardened: yes",
        ),
        (1, ["binary_accuracy"], "can be attacked and hardened: yes"),
    ],
)
def test_a_multi_label_model_is_named(units, metrics, words, suffix, tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(units, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=metrics)
    model.fit(np.zeros((2, 6)), np.zeros((2, units)), verbose=0)
    model.save(tmp_path / f"m{suffix}")
    found = inspect(tmp_path / f"m{suffix}")
    assert words in found.to_text()
    assert found.attackable == ("yes" in words)
