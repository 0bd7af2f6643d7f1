"""Thermometer codes, and the first layer that is widened to read them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet import gradient_mode, models
from turtlenet.defences import Thermometer, ThermometerEncoding
from turtlenet.errors import ModelError, SettingError

RNG = np.random.default_rng(0)


def test_the_example_of_the_papers() -> None:
    # Athalye et al. (2018), section 5.3: 0.66 in ten levels passes six thresholds above 0.
    codes = ops.convert_to_numpy(ThermometerEncoding(levels=10)(np.float32([[[0.66], [0.0], [1.0]]])))
    np.testing.assert_array_equal(codes[0], [[1] * 7 + [0] * 3, [1] + [0] * 9, [1] * 10])


def test_codes_in_other_bounds_and_channels() -> None:
    x = RNG.uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    codes = ops.convert_to_numpy(ThermometerEncoding(levels=8, low=0.0, high=255.0)(x))
    wanted = np.floor(x / 255 * 8)[..., None] >= np.arange(8)
    np.testing.assert_array_equal(codes, wanted.reshape(2, 4, 5, 24))


def test_the_slope_is_that_of_sigmoids() -> None:
    x = ops.convert_to_tensor(np.float32([[0.3]]))
    layer = ThermometerEncoding(levels=4, sharpness=7.0)
    with gradient_mode.taken("adaptive"):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), [[1, 1, 0, 0]])
    assert layer.masks and str(layer.adaptive)


def nets() -> dict[str, keras.Model]:
    source = keras.Input((6, 6, 2))
    x = layers.ZeroPadding2D(1)(layers.Rescaling(2.0, -1.0)(source))
    inner = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten()])
    dense = [keras.Input((6, 6, 2)), layers.Flatten(), layers.Dense(5, activation="relu"), layers.Dense(3)]
    return {
        "functional and nested": keras.Model(source, layers.Dense(3)(inner(x))),
        "dense": keras.Sequential(dense),
        "same padding": keras.Sequential(
            [keras.Input((6, 6, 2)), layers.Conv2D(3, 3, padding="same"), layers.Flatten(), layers.Dense(3)]
        ),
    }


@pytest.mark.parametrize("name", ["functional and nested", "dense", "same padding"])
def test_the_widened_model_answers_for_the_middle_of_a_level(name) -> None:
    model = nets()[name]
    x = RNG.uniform(size=(4, 6, 6, 2)).astype("float32")
    wide = models.wrap(model, ["thermometer:levels=64"])
    middles = ((np.floor(x * 64) + 0.5) / 64).astype("float32")
    found, wanted = wide(x), model(middles)
    # What pads with 0 behind a rescaling pads with the lower half of a level in the middle of codes.
    atol = 0.2 if name.startswith("functional") else 1e-5
    np.testing.assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(wanted), atol=atol)
    assert wide.count_params() > model.count_params()


def test_models_that_have_no_first_layer_to_widen() -> None:
    channels_first = layers.Conv2D(2, 2, data_format="channels_first")
    for first in (layers.BatchNormalization(), layers.DepthwiseConv2D(2), channels_first):
        model = keras.Sequential([keras.Input((6, 6, 2)), first, layers.Flatten(), layers.Dense(3)])
        with pytest.raises(ModelError, match=f"^Expected a model whose input is read by .*{type(first).__name__}.$"):
            Thermometer().convert(model)


@pytest.mark.parametrize("levels", [1, 0, 257])
def test_bad_levels(levels) -> None:
    with pytest.raises(SettingError, match=f"^Expected levels from 2 to 256; got {levels}.$"):
        Thermometer(levels=levels)
    with pytest.raises(SettingError, match="^Expected sharpness > 0; got -1.0.$"):
        Thermometer(sharpness=-1.0)


def test_a_layer_is_told_as_users_write_it():
    assert str(ThermometerEncoding()) == "thermometer"
    assert str(ThermometerEncoding(levels=10, high=255.0)) == "thermometer:levels=10,high=255.0"
