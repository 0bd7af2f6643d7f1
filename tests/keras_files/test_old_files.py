"""Files that old Kerases wrote, against what these computed; `files/old/README.md` says how they came about."""

import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.load import Loading, loading
from turtlenet.models import load

FOLDER = Path(__file__).parent / "files" / "old"
COMPUTED = sorted(path.stem for path in FOLDER.glob("*.npz"))
REFUSED = {
    "keras122-theano-conv2d_full-th": "Expected valid or same padding in Convolution2D 'convolution2d_8'; got full",
    "keras122-theano-conv_lstm_even-th": "Expected an odd kernel and stride 1 in ConvLSTM2D 'convlstm2d_3'",
    "keras122-theano-lambda_refused-th": "has Lambda",
    "keras122-theano-merge_by_code-th": "has Merge",
    "keras122-tensorflow-normalized_by_sample": "Expected mode 0 in BatchNormalization 'batchnormalization_1'; got 1",
}


# The names of the weights tell the backend; this one has none.
NAMELESS = "keras122-theano-pooling2d_same_average_stride-th"


def loaded(name):
    with loading(Loading(written_by="theano" if name == NAMELESS else None)):
        return load(FOLDER / f"{name}.h5")


def numbered(arrays, letter):
    return [arrays[f"{letter}{i}"] for i in range(sum(key[0] == letter and key[1:].isdigit() for key in arrays))]


def test_the_files_are_there():
    assert len(COMPUTED) >= 45
    assert {path.stem for path in FOLDER.glob("*.h5")} == {*COMPUTED, *REFUSED}


@pytest.mark.parametrize("name", COMPUTED)
def test_computes_what_the_old_keras_computed(name):
    model = loaded(name)
    with np.load(FOLDER / f"{name}.npz") as arrays:
        inputs, expected = numbered(arrays, "x"), numbered(arrays, "y")
        target, loss = arrays.get("target"), arrays.get("loss")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert [output.shape for output in outputs] == [output.shape for output in expected]
    for output, known in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output, known, rtol=1e-5, atol=1e-5)
    if target is not None:
        np.testing.assert_allclose(np.ravel(model.test_on_batch(inputs[0], target))[0], loss, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_it_cannot_compute_alike(name):
    with pytest.raises(ModelError) as caught:
        loaded(name)
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_optimizer_is_that_of_the_file():
    model = loaded("keras122-tensorflow-optimizer_decay")
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.optimizer.momentum == pytest.approx(0.9) and model.optimizer.nesterov
    rate = model.optimizer._learning_rate
    assert float(rate(0)) == pytest.approx(0.05) and float(rate(100)) == pytest.approx(0.05 / 2)


def test_a_state_goes_on_from_batch_to_batch():
    name = "keras122-theano-stateful-th"
    model = loaded(name)
    with np.load(FOLDER / f"{name}.npz") as arrays:
        x, first = arrays["x0"], arrays["y0"]
    np.testing.assert_allclose(model(x), first, atol=1e-5)
    assert np.abs(model(x) - first).max() > 1e-3
    model.layers[-1].reset_state()
    np.testing.assert_allclose(model(x), first, atol=1e-5)


def test_a_loss_that_meant_another_number_is_left_out(tmp_path):
    """The cosine was averaged over features; compiled as it is now, it would be another loss."""
    source = FOLDER / "keras122-tensorflow-loss_msle.h5"
    for loss, compiled in [("cosine_proximity", False), ("mean_squared_logarithmic_error", True)]:
        path = tmp_path / f"{loss}.h5"
        shutil.copy(source, path)
        with h5py.File(path, "r+") as file:
            training = json.loads(file.attrs["training_config"])
            file.attrs["training_config"] = json.dumps(training | {"loss": loss})
        assert load(path).compiled is compiled


# Keras 3 cannot save in the old form, so what is loaded has to last in the new one.
@pytest.mark.parametrize("name", ["keras231-theano-conv1d_same_even", "keras231-theano-deconv2d_same_stride"])
def test_lasts(name, tmp_path):
    model = loaded(name)
    model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    with np.load(FOLDER / f"{name}.npz") as arrays:
        np.testing.assert_allclose(again(arrays["x0"]), model(arrays["x0"]), atol=1e-6)
