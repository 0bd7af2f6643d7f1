"""Bounded ReLU: its formula, its slopes, and where it is put."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet import backend, gradient_mode, models
from turtlenet.defences import BoundedReLU, BoundReLU
from turtlenet.errors import ModelError, SettingError


def slopes(layer: keras.layers.Layer, x: np.ndarray, taken: str) -> np.ndarray:
    def look(point):
        with gradient_mode.taken(taken):
            return ops.sum(layer(point), axis=-1), ()

    return ops.convert_to_numpy(backend.input_gradient(look, ops.convert_to_tensor(x))[2])


def test_values_and_slopes() -> None:
    x, layer = np.float32([[-1.0, 0.3, 1.5, 4.0, 9.0]]), BoundedReLU(bound=2.0)
    for taken in ("own", "naive", "adaptive"):
        with gradient_mode.taken(taken):
            np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), np.clip(x, 0, 2))
    np.testing.assert_array_equal(slopes(layer, x, "naive"), [[0, 1, 1, 0, 0]])
    np.testing.assert_allclose(slopes(layer, x, "adaptive"), [[0, 1, 1, 1 / 2**2, 1 / 4.5**2]], rtol=1e-6)


def test_every_hidden_relu_is_changed_and_nothing_else() -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Conv2D(2, 3), layers.ReLU()]
        + [layers.Flatten(), layers.Dense(4, activation="tanh"), layers.Dense(3)]
    )
    changed = models.wrap(model, ["bounded-relu:bound=0.5"])
    assert [each.bound for each in changed.layers if isinstance(each, BoundedReLU)] == [0.5, 0.5]
    x = np.random.default_rng(0).uniform(size=(2, 6, 6, 1)).astype("float32")
    first = np.clip(ops.convert_to_numpy(model.layers[0](x)), 0, 0.5)
    second = np.clip(ops.convert_to_numpy(model.layers[1](first)), 0, 0.5)
    wanted = model.layers[5](model.layers[4](model.layers[3](second)))
    np.testing.assert_allclose(ops.convert_to_numpy(changed(x)), ops.convert_to_numpy(wanted), atol=1e-6)


def test_bad_input() -> None:
    with pytest.raises(SettingError, match="^Expected bound > 0; got 0.0.$"):
        BoundReLU(bound=0.0)
    with pytest.raises(ModelError, match="^Expected a model with hidden ReLUs for bounded-relu"):
        BoundReLU().convert(keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="tanh"), layers.Dense(3)]))
