"""Resizing and padding, pruned activations and PixelDP's noise against their formulas."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet import gradient_mode, models, random
from turtlenet.certification.smoothing import Smoothing
from turtlenet.defences import ActivationPruning, PixelDP, PrunedActivations, ResizePad
from turtlenet.errors import ModelError, SettingError

KEYS = random.keys(0, np.arange(400))


def drawn(layer: keras.layers.Layer, x: np.ndarray, keys=KEYS) -> np.ndarray:
    with gradient_mode.taken("naive", keys):
        return ops.convert_to_numpy(layer(x))


def test_an_image_grows_and_moves() -> None:
    """By the nearest pixel, onto gray, and back: built again in NumPy from the numbers that were drawn."""
    layer = ResizePad(size=14, low=0.0, high=2.0)
    x = np.random.default_rng(0).uniform(0, 2, (5, 8, 10, 2)).astype("float32")
    found = drawn(layer, x, KEYS[:5])
    assert layer.canvas == (11, 14)
    with gradient_mode.taken("naive", KEYS[:5]):
        draws = ops.convert_to_numpy(random.uniform(layer.key(), (3,)))
    for image, (growth, down, right), result in zip(x, draws, found, strict=True):
        canvas = np.ones((11, 14, 2))
        height, width = 8 + math.floor(growth * 3), 10 + math.floor(growth * 4)
        top, left = math.floor(down * (12 - height)), math.floor(right * (15 - width))
        rows = ((np.arange(height) + 0.5) * 8 / height).astype(int)
        columns = ((np.arange(width) + 0.5) * 10 / width).astype(int)
        canvas[top : top + height, left : left + width] = image[rows][:, columns]
        wanted = np.einsum("ih,jw,hwc->ijc", *map(np.asarray, layer.back), canvas)
        np.testing.assert_allclose(result, wanted, atol=1e-5)
    assert len({tuple(each) for each in np.round(draws, 3)}) == 5


def test_a_gray_image_stays() -> None:
    x = np.full((3, 12, 12, 1), 0.5, "float32")
    np.testing.assert_allclose(drawn(ResizePad(), x, KEYS[:3]), x, atol=1e-6)


@pytest.mark.parametrize("size", [28, 20, 5])
def test_a_size_that_leaves_no_room(size) -> None:
    words = f"^Expected size > 28 to resize images of 28 x 24 and pad them; got {size}.$"
    with pytest.raises(SettingError, match=words):
        ResizePad(size=size)(keras.Input((28, 24, 1)))
    with pytest.raises(SettingError, match="^Expected size above the longest side of the image, or 0; got -1.$"):
        ResizePad(size=-1)


def test_large_activations_are_kept_and_the_mean_stays() -> None:
    h = np.float32([0.0, 0.1, -0.5, 1.0, 3.0])
    x = np.broadcast_to(h, (400, 5))
    layer = PrunedActivations(share=0.6)
    found = drawn(layer, x)
    chance = 1 - (1 - np.abs(h) / np.abs(h).sum()) ** 3
    np.testing.assert_allclose(ops.convert_to_numpy(layer.chance(x))[0], chance, rtol=1e-5)
    kept = found != 0
    assert np.abs(kept.mean(axis=0) - chance).max() < 4 * 0.5 / 20
    np.testing.assert_allclose(found[kept], np.broadcast_to(h / np.maximum(chance, 1e-9), x.shape)[kept], rtol=1e-5)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=True)), x)
    assert np.isfinite(drawn(layer, np.zeros((400, 5), "float32"))).all()


def test_it_is_put_behind_hidden_activations() -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 3), layers.BatchNormalization(), layers.ReLU()]
        + [layers.Flatten(), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    changed = models.wrap(model, ["sap:share=2"])
    behind = [one for one, other in itertools.pairwise(changed.layers) if isinstance(other, PrunedActivations)]
    assert [type(each).__name__ for each in behind] == ["ReLU", "Dense"]
    with pytest.raises(ModelError, match="^Expected a model with hidden activations for sap"):
        ActivationPruning().convert(keras.Sequential([keras.Input((4,)), layers.Dense(3)]))
    with pytest.raises(SettingError, match="^Expected share > 0"):
        ActivationPruning(share=0.0)


def test_the_noise_of_the_gaussian_mechanism() -> None:
    layer = PixelDP(length=0.1, epsilon=0.5, delta=0.05)
    assert layer.sigma == pytest.approx(math.sqrt(2 * math.log(25)) * 0.2)
    assert str(layer) == "pixeldp:epsilon=0.5"
    again = PixelDP.from_config(layer.get_config())
    assert again.sigma == layer.sigma
    noise = drawn(layer, np.zeros((400, 6), "float32"))
    assert abs(noise.std() / layer.sigma - 1) < 0.1


def test_it_is_certified_by_its_own_bound() -> None:
    net = keras.Sequential([keras.Input((6,)), layers.Dense(2, kernel_initializer=keras.initializers.Constant(0.0))])
    net.layers[0].set_weights([np.float32([[9.0, -9.0]] * 6), np.float32([-27.0, 27.0])])
    victim = models.classifier(models.wrap(net, ["pixeldp:length=0.5"]))
    _, sigma = Smoothing(bound="pixeldp").base(victim)
    assert sigma == pytest.approx(victim.reader.sigma)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"length": -0.1}, "Expected length > 0, in input units; got -0.1."),
        ({"epsilon": 1.5}, "Expected epsilon in (0, 1]; got 1.5."),
        ({"delta": 0.0}, "Expected delta in (0, 1); got 0.0."),
    ],
)
def test_bad_noise(settings, words) -> None:
    with pytest.raises(SettingError) as caught:
        PixelDP(**settings)
    assert str(caught.value) == words
