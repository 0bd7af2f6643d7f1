"""Quantized activations: their formula, their slopes, and where they are put."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet import backend, gradient_mode, models
from turtlenet.defences import QuantizeActivations, QuantizedActivation
from turtlenet.errors import ModelError, SettingError


def slopes(layer: keras.layers.Layer, x: np.ndarray, taken: str) -> np.ndarray:
    def look(point):
        with gradient_mode.taken(taken):
            return ops.sum(layer(point), axis=-1), ()

    return ops.convert_to_numpy(backend.input_gradient(look, ops.convert_to_tensor(x))[2])


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_the_nearest_value_at_first(bits) -> None:
    x = np.random.default_rng(0).uniform(-2, 2, (3, 40)).astype("float32")
    count = 2**bits - 1
    wanted = np.rint((np.clip(x, -1, 1) + 1) / 2 * count) / count * 2 - 1
    np.testing.assert_allclose(ops.convert_to_numpy(QuantizedActivation(bits=bits)(x)), wanted, atol=1e-6)


def test_slopes() -> None:
    layer, x = QuantizedActivation(bits=2), np.float32([[-1.5, -0.4, 0.1, 0.8, 3.0]])
    assert (slopes(layer, x, "naive") == 0).all()
    np.testing.assert_allclose(slopes(layer, x, "own"), [[0, 1, 1, 1, 0]], atol=1e-6)
    gaps = 3 * (x[..., None] - ops.convert_to_numpy(layer.thresholds))
    np.testing.assert_allclose(slopes(layer, x, "adaptive"), (1 / (1 + np.abs(gaps)) ** 2).sum(axis=-1), rtol=1e-5)


def test_thresholds_have_a_slope_in_training() -> None:
    layer = QuantizedActivation(bits=2)
    layer.build((None, 2))
    x = ops.convert_to_tensor(np.float32([[-0.6, 0.1]]))
    weights = [layer.thresholds]
    found = backend.weight_gradients(lambda: (ops.sum(layer(x)), ()), weights)[-1]
    np.testing.assert_allclose(ops.convert_to_numpy(found[0]), [-1, -1, 0], atol=1e-6)


def test_every_hidden_activation_is_changed() -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Conv2D(2, 3), layers.LeakyReLU()]
        + [layers.Activation("linear"), layers.Flatten()]
        + [layers.Dense(4, activation="tanh"), layers.Dense(3, activation="softmax")]
    )
    changed = models.wrap(model, ["quantized-activations:bits=1,learned=false"])
    found = [each for each in changed.layers if isinstance(each, QuantizedActivation)]
    assert len(found) == 3 and not any(each.trainable_weights for each in found)
    assert changed.layers[-1].activation is keras.activations.softmax
    np.testing.assert_array_equal(changed.layers[0].get_weights()[0], model.layers[0].get_weights()[0])
    with pytest.raises(ModelError, match="^Expected a model with hidden activations"):
        QuantizeActivations().convert(keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")]))


@pytest.mark.parametrize("bits", [0, 9])
def test_bad_bits(bits) -> None:
    with pytest.raises(SettingError, match=f"^Expected bits from 1 to 8; got {bits}.$"):
        QuantizeActivations(bits=bits)
