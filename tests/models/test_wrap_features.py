"""Defences in front of features that have bounds of their own."""

import keras
import numpy as np
import pytest
from keras import ops

import turtlenet as tn
from turtlenet.defences import ConstantQuantization, write_key
from turtlenet.errors import SettingError
from turtlenet.models import defences_of, wrap
from turtlenet.models.classifier import pixel_bounds

LOW, HIGH = np.array([0.0, -1.0, 100.0]), np.array([1.0, 1.0, 900.0])
X = np.array([[0.1, 0.4, 500.0], [0.9, -0.8, 120.0]], "float32")


def identity(shape: tuple[int, ...] = (3,)) -> keras.Model:
    source = keras.Input(shape)
    return keras.Model(source, keras.layers.Activation("linear")(source))


@pytest.fixture
def key(tmp_path):
    write_key(tmp_path / "a.key", 256)
    return tmp_path / "a.key"


def test_each_feature_is_defended_in_units_of_its_own_bounds(key) -> None:
    units, width = (X - LOW) / (HIGH - LOW), HIGH - LOW
    for spec in ("permutation", "sign-flip", "orthogonal"):
        made = wrap(identity(), [f"{spec}:key={key}"], (LOW, HIGH))
        layer = defences_of(made)[0]
        assert layer.bounds == (0.0, 1.0)
        there = ops.convert_to_numpy(layer(units.astype("float32")))
        np.testing.assert_allclose(made.predict(X, verbose=0), LOW + width * there, rtol=1e-5)
    rounded = wrap(identity(), ["constant-quantization:levels=2,hard=True"], (LOW, HIGH))
    np.testing.assert_allclose(rounded.predict(X, verbose=0), [[0, 1, 900], [1, -1, 100]], rtol=1e-5, atol=1e-5)


def test_bounds_of_all_and_layers_with_bounds_of_their_own_stand_in_input_units() -> None:
    for bounds in ((-2.0, 3.0), (np.full(3, -2.0), np.full(3, 3.0))):
        made = wrap(identity(), ["constant-quantization:levels=4"], bounds)
        assert defences_of(made)[0].bounds == (-2.0, 3.0)
        assert not any(isinstance(each, keras.layers.Normalization) for each in made.layers)
    made = wrap(identity(), [ConstantQuantization(levels=4, low=-1, high=900), "gaussian-noise"], (LOW, HIGH))
    kinds = [type(each).__name__ for each in made.layers[1:5]]
    assert kinds == ["ConstantQuantization", "Normalization", "GaussianNoise", "Normalization"]


@pytest.mark.parametrize("shape", [(4, 3), (5, 5, 3), (3,)])
def test_the_file_knows_where_inputs_lie_and_gives_the_same(shape, tmp_path) -> None:
    made = wrap(identity(shape), ["constant-quantization:levels=4"], (LOW, HIGH))
    assert pixel_bounds(made) == pytest.approx((-1.0, 900.0))
    tn.save_model(made, tmp_path / "m.keras")
    again = tn.load_model(tmp_path / "m.keras")
    x = np.random.default_rng(0).uniform(LOW, HIGH, (2, *shape)).astype("float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), made.predict(x, verbose=0))


def test_features_that_differ_from_place_to_place() -> None:
    low = np.arange(12.0).reshape(4, 3)
    made = wrap(identity((4, 3)), ["constant-quantization:levels=2,hard=True"], (low, low + 1))
    x = (low + np.where(np.arange(12).reshape(4, 3) % 2, 0.8, 0.1))[None].astype("float32")
    np.testing.assert_allclose(made.predict(x, verbose=0), np.round(x), atol=1e-5)


def test_a_table_says_where_its_features_lie_or_is_refused() -> None:
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    with pytest.raises(SettingError, match="Expected bounds or data to put a defence in front of a model of a table"):
        tn.wrap(network, "constant-quantization")
    x = np.concatenate([X, [[0.5, 0.0, 300.0]]]).astype("float32")
    made = tn.wrap(network, "constant-quantization", data=(x, np.arange(3)))
    assert defences_of(made)[0].bounds == (0.0, 1.0)
    given = tn.wrap(network, "constant-quantization", bounds=(LOW, HIGH))
    assert pixel_bounds(given) == pytest.approx((-1.0, 900.0))


def test_what_changes_layers_sees_input_units() -> None:
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    made = wrap(network, ["gaussian-noise", "thermometer:levels=3"], (LOW, HIGH))
    assert sorted((layer.low, layer.high) for layer in defences_of(made)) == [(-1.0, 900.0), (0.0, 1.0)]
