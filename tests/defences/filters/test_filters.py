"""Median, mean and non-local means against scipy's filters and their formulas in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from turtlenet import gradient_mode
from turtlenet.defences import MeanFilter, MedianFilter, NonLocalMeans
from turtlenet.defences.filters.base import Grid, grid_of
from turtlenet.errors import SettingError

RNG = np.random.default_rng(3)


def given(layer: keras.layers.Layer, x: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("shape", [(9, 7, 3), (12, 12), (20, 5), (5, 6, 7, 2)])
def test_filters_are_those_of_scipy(size, shape) -> None:
    x = RNG.uniform(size=(2, *shape)).astype("float32")
    grid = grid_of(shape)
    window = (1, *[size] * len(grid.sides), *[1] * (len(shape) - len(grid.sides)))
    np.testing.assert_array_equal(given(MedianFilter(size=size), x), ndimage.median_filter(x, window, mode="reflect"))
    wanted = ndimage.uniform_filter(x.astype("float64"), window, mode="reflect")
    np.testing.assert_allclose(given(MeanFilter(size=size), x), wanted, atol=1e-6)


def test_flat_images_are_square() -> None:
    x = RNG.uniform(size=(2, 8, 8, 1)).astype("float32")
    flat = given(MedianFilter(size=3), x.reshape(2, 64))
    np.testing.assert_array_equal(flat, given(MedianFilter(size=3), x).reshape(2, 64))
    assert grid_of((16, 16, 16)) == Grid((16, 16, 16), 1) and grid_of((784, 1)) == Grid((28, 28), 1)


def test_non_local_means_is_its_formula() -> None:
    window, patch, h = 5, 3, 30.0 / 255.0
    low, high = -1.0, 3.0
    x = RNG.uniform(size=(6, 7, 2))
    padded = np.pad(x, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    wanted = np.zeros_like(x)
    total = np.zeros((6, 7, 1))
    for down, right in itertools.product(range(window), repeat=2):
        neighbor = padded[down : down + 6, right : right + 7]
        gap = ((x - neighbor) ** 2).mean(axis=-1)
        weight = np.exp(-ndimage.uniform_filter(gap, patch, mode="reflect") / h**2)[..., None]
        wanted, total = wanted + weight * neighbor, total + weight
    layer = NonLocalMeans(window=window, patch=patch, strength=30.0, low=low, high=high)
    found = given(layer, (low + (high - low) * x[None]).astype("float32"))[0]
    np.testing.assert_allclose((found - low) / (high - low), wanted / total, atol=2e-6)


def test_a_median_is_attacked_through_the_mean() -> None:
    x = ops.convert_to_tensor(RNG.uniform(size=(1, 6, 6, 1)).astype("float32"))
    layer = MedianFilter(size=3)
    with gradient_mode.taken("adaptive"):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(layer.defend(x)))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.surrogate(x)), ops.convert_to_numpy(MeanFilter(size=3)(x)), atol=1e-7
    )


@pytest.mark.parametrize(
    ("kind", "settings", "shape", "words"),
    [
        (MedianFilter, {"size": 9}, (8, 8, 1), "Expected size <= 8 for inputs of 8 x 8; got 9."),
        (MeanFilter, {"size": 6}, (5, 7, 3), "Expected size <= 5 for inputs of 5 x 7; got 6."),
        (NonLocalMeans, {"window": 13}, (12, 12, 1), "Expected window <= 12 for inputs of 12 x 12; got 13."),
        (NonLocalMeans, {"patch": 7}, (6, 12, 1), "Expected patch <= 6 for inputs of 6 x 12; got 7."),
        (MedianFilter, {}, (30,), "Expected images or series or volumes for median-filter; got rows of shape (30,)."),
        (
            MeanFilter,
            {},
            (3, 32, 32),
            "Expected images with channels last, such as (32, 32, 3); got shape (3, 32, 32).",
        ),
        (
            MeanFilter,
            {},
            (None, 8, 1),
            "Expected images or series or volumes of one size for mean-filter; got inputs of",
        ),
    ],
)
def test_inputs_that_do_not_fit(kind, settings, shape, words) -> None:
    with pytest.raises(SettingError) as caught:
        kind(**settings)(keras.Input(shape))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (MedianFilter, {"size": 1}, "Expected size >= 2, the side of a window; got 1."),
        (MeanFilter, {"size": -3}, "Expected size >= 2, the side of a window; got -3."),
        (NonLocalMeans, {"window": 4}, "Expected window odd and >= 3; got 4."),
        (NonLocalMeans, {"patch": 2}, "Expected patch odd and >= 1; got 2."),
        (NonLocalMeans, {"strength": 0.0}, "Expected strength > 0, in 255ths of the range of pixels; got 0.0."),
        (NonLocalMeans, {"strength": float("nan")}, "Expected strength > 0"),
    ],
)
def test_bad_settings(kind, settings, words) -> None:
    with pytest.raises(SettingError) as caught:
        kind(**settings)
    assert str(caught.value).startswith(words)
