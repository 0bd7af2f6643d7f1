"""Loading: any file that Keras wrote, nothing that runs, and one line for the rest."""

import json
import logging
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from turtlenet.errors import ModelError
from turtlenet.models import load, save

KERAS2 = Path(__file__).parent / "files" / "keras2.h5"
FORMATS = ["model.h5", "model.hdf5", "model.keras"]


def refusal(path):
    with pytest.raises(ModelError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(trained, images, tmp_path, name):
    save(trained, tmp_path / name)
    loaded = load(tmp_path / name)
    np.testing.assert_array_equal(loaded.predict(images[0], verbose=0), trained.predict(images[0], verbose=0))
    assert loaded.evaluate(*images, verbose=0) == trained.evaluate(*images, verbose=0)
    assert loaded.loss.get_config()["label_smoothing"] == 0.1


@pytest.mark.parametrize("name", FORMATS)
def test_a_compiled_model_inside_another(trained, images, tmp_path, name):
    source = keras.Input((6, 6, 1))
    outer = keras.Model(source, trained(keras.layers.Rescaling(0.5)(source)))
    save(outer, tmp_path / name)
    loaded = load(tmp_path / name)
    np.testing.assert_array_equal(loaded.predict(images[0], verbose=0), outer.predict(images[0], verbose=0))
    assert not loaded.compiled


@pytest.mark.parametrize("name", FORMATS)
def test_the_optimizer_continues(trained, images, tmp_path, name):
    save(trained, tmp_path / name)
    loaded = load(tmp_path / name)
    assert len(loaded.optimizer.variables) == 2 + 2 * len(trained.trainable_weights)
    for mine, other in zip(loaded.optimizer.variables, trained.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize(("written", "named"), [("a.h5", "a.keras"), ("b.keras", "b.h5"), ("c.h5", "weights")])
def test_bytes_count_not_the_name(trained, images, tmp_path, written, named):
    save(trained, tmp_path / written)
    (tmp_path / written).rename(tmp_path / named)
    loaded = load(tmp_path / named)
    np.testing.assert_array_equal(loaded.predict(images[0], verbose=0), trained.predict(images[0], verbose=0))


def test_keras_2_file():
    model = load(KERAS2)
    x = np.linspace(0, 1, 72, dtype="float32").reshape(2, 6, 6, 1)
    # What Keras 2 itself said.
    expected = [[0.343708038, 0.357052416, 0.299239606], [0.339071721, 0.355783731, 0.305144578]]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


LOSSES = ["mse", "categorical_crossentropy", keras.losses.CategoricalHinge()]
METRICS = [None, ["accuracy", "mae"], [keras.metrics.CategoricalAccuracy(name="hits")]]


@pytest.mark.parametrize(
    ("loss", "metrics"),
    # Each loss and each list of metrics once; the other pairs are for `make test-slow`.
    [
        pytest.param(loss, metrics, marks=[pytest.mark.slow] * (at != other))
        for at, loss in enumerate(LOSSES)
        for other, metrics in enumerate(METRICS)
    ],
)
def test_any_way_to_name_a_loss(trained, images, tmp_path, loss, metrics):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    trained.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=metrics)
    trained.fit(*images, verbose=0)
    save(trained, tmp_path / "m.h5")
    loaded = load(tmp_path / "m.h5")
    # HDF5 has no place for the state of a random generator.
    loaded.layers[3].seed_generator.state.assign(trained.layers[3].seed_generator.state.numpy())
    for model in (loaded, trained):
        model.fit(*images, verbose=0, shuffle=False)
    found, expected = (model.evaluate(*images, verbose=0, return_dict=True) for model in (loaded, trained))
    assert len(found) == 1 + len(metrics or [])
    # A model that is compiled again without metrics keeps its old ones.
    assert found == {key: expected[key] for key in found}
    assert len(loaded.optimizer.variables) == len(trained.optimizer.variables)


def test_uncompiled_on_demand(trained, tmp_path):
    save(trained, tmp_path / "m.h5")
    assert not load(tmp_path / "m.h5", compile=False).compiled


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_no_noise(trained, tmp_path, caplog, capfd, name):
    with caplog.at_level(logging.DEBUG):
        save(trained, tmp_path / name)
        load(tmp_path / name)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_unreadable_compiled_state_is_left_out(trained, images, tmp_path, name):
    def own_loss(truth, chance):
        return keras.ops.mean(keras.ops.abs(truth - chance))

    trained.compile("adam", own_loss)
    save(trained, tmp_path / name)
    loaded = load(tmp_path / name)
    assert not loaded.compiled
    np.testing.assert_array_equal(loaded.predict(images[0], verbose=0), trained.predict(images[0], verbose=0))


@pytest.mark.parametrize("name", ["evil.h5", "evil.keras"])
def test_a_lambda_never_runs(lambda_model, tmp_path, name):
    save(lambda_model, tmp_path / name)
    (tmp_path / "ran").unlink(missing_ok=True)
    line = refusal(tmp_path / name)
    assert "Lambda 'evil', which carries Python code" in line
    assert "Nothing of it was executed" in line
    assert not (tmp_path / "ran").exists()
    # The file is as harmful as it says.
    keras.saving.load_model(tmp_path / name, safe_mode=False, compile=False)
    assert (tmp_path / "ran").exists()


def test_a_lambda_deep_inside_a_model(lambda_model, tmp_path):
    outer = keras.Sequential([keras.Input((2, 6, 6, 1)), layers.TimeDistributed(lambda_model), layers.Flatten()])
    save(outer, tmp_path / "m.keras")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert "Lambda 'evil'" in refusal(tmp_path / "m.keras")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_an_unknown_layer_is_refused_and_a_registered_one_is_not(tmp_path, name):
    class Odd(layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((4,)), Odd(name="odd"), layers.Dense(2)])
    save(model, tmp_path / name)
    assert "Odd 'odd', a class that neither Keras nor this program has" in refusal(tmp_path / name)
    with keras.saving.custom_object_scope({"Odd": Odd, "Custom>Odd": Odd}):
        assert isinstance(load(tmp_path / name).layers[0], Odd)


def edit(path, change):
    """Rewrites the description in a .keras file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else part)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "x"}}, "runs a graph from another"),
        ({"class_name": "TFSMLayer", "registered_name": "Odd", "config": {"name": "x"}}, "runs a graph from another"),
        ({"module": "os", "class_name": "Dense", "config": {"name": "x"}}, "neither Keras nor"),
        ({"module": "keras.utils", "class_name": "get_file", "config": {"name": "x"}}, "no model is made of"),
        ({"module": "keras.layers", "class_name": ["Dense"], "config": {"name": "x"}}, "a class name as text"),
        (
            {"class_name": "Dense", "config": {"activation": {"class_name": "function", "config": "system"}}},
            "function 'system'",
        ),
        (
            {"class_name": "StringLookup", "config": {"name": "x", "vocabulary": "/etc/passwd"}},
            "reads another file",
        ),
    ],
)
def test_forged_descriptions(trained, tmp_path, layer, words):
    path = tmp_path / "m.keras"
    save(trained, path)
    edit(path, lambda config: config["config"]["layers"].insert(1, layer))
    with keras.saving.custom_object_scope({"Odd": layers.Dense}):
        assert words in refusal(path)


def test_a_description_nested_without_end(trained, tmp_path):
    path = tmp_path / "m.keras"
    save(trained, path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", '{"a":' * 100_000 + "1" + "}" * 100_000)
    assert "Expected a model description in JSON" in refusal(path)


def test_refuses_what_is_no_model(tmp_path):
    assert refusal(tmp_path / "none.h5") == f"Expected a model file; there is no {tmp_path / 'none.h5'}."
    assert refusal("http://x.y/m.h5").startswith("Expected a model file; got the address http://x.y/m.h5: download it")
    assert refusal(tmp_path) == (
        f"Expected a model file, or a folder of a .keras archive or a SavedModel; {tmp_path} is neither."
    )
    (tmp_path / "text.h5").write_text("not a model")
    assert refusal(tmp_path / "text.h5").endswith("text.h5 is neither: this is a text file.")
    (tmp_path / "empty.keras").touch()
    assert refusal(tmp_path / "empty.keras").endswith(
        "empty.keras is neither: this is an empty file: fetch or copy it again."
    )


def test_refuses_hdf5_without_a_model(trained, tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x_train"] = np.zeros(3)
    assert "holds arrays, not a model (x_train)" in refusal(tmp_path / "data.h5")
    trained.save_weights(tmp_path / "m.weights.h5")
    assert "holds weights only" in refusal(tmp_path / "m.weights.h5")


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_refuses_a_cut_file(trained, tmp_path, name, share):
    save(trained, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    assert "damaged or cut short" in refusal(tmp_path / name)


def test_refuses_another_zip(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert "is another zip archive" in refusal(tmp_path / "a.npz")


def test_passes_on_what_keras_says(trained, tmp_path):
    path = tmp_path / "m.keras"
    save(trained, path)
    edit(path, lambda config: config["config"]["layers"][1]["config"].update(filters=-1))
    assert f"Expected a model that Keras {keras.version()} can build; it said: " in refusal(path)


def test_an_archive_whose_weights_lie_where_hdf5_may_begin(trained, images, tmp_path):
    save(trained, tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    weights = parts.pop("model.weights.h5")
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    place = next(size for size in (2**power for power in range(9, 30)) if size > path.stat().st_size + 100)
    with zipfile.ZipFile(path, "a") as archive:
        start = archive.start_dir
        entry = zipfile.ZipInfo("model.weights.h5")
        # An extra field fills the gap: its head takes 4 bytes, the entry's 30 and its name.
        gap = place - start - 30 - len(entry.filename) - 4
        entry.extra = (0xFFFF).to_bytes(2, "little") + gap.to_bytes(2, "little") + bytes(gap)
        archive.writestr(entry, weights)
    assert h5py.is_hdf5(path)
    np.testing.assert_array_equal(load(path).predict(images[0], verbose=0), trained.predict(images[0], verbose=0))


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_scaling_by_what_is_no_number_is_refused(tmp_path, name):
    keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(float("nan")), keras.layers.Dense(2)]).save(
        tmp_path / name
    )
    with pytest.raises(ModelError, match="Expected numbers for scale of layer 'rescaling.*'; got nan"):
        load(tmp_path / name)
