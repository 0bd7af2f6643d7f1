"""Interval bounds: sound for every kind of layer, exact for linear nets."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from turtlenet.certification import bounds, margins
from turtlenet.errors import ModelError

Make = Callable[[], list[Any]]
NETS: dict[str, tuple[tuple[int, ...], Make]] = {
    "dense": ((5,), lambda: [layers.Dense(7, "relu"), layers.Dense(3)]),
    "linear": ((5,), lambda: [layers.Dense(3)]),
    "conv2d": (
        (6, 6, 2),
        lambda: [layers.Conv2D(4, 3, 2, "same", activation="relu"), layers.Flatten(), layers.Dense(3)],
    ),
    "conv1d": (
        (8, 2),
        lambda: [layers.Conv1D(4, 3, padding="causal", activation="tanh"), layers.Flatten(), layers.Dense(3)],
    ),
    "conv3d": ((4, 4, 4, 1), lambda: [layers.Conv3D(2, 2, activation="silu"), layers.Flatten(), layers.Dense(3)]),
    "depthwise": (
        (6, 6, 2),
        lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.LeakyReLU(), layers.Flatten(), layers.Dense(3)],
    ),
    "separable": (
        (6, 6, 2),
        lambda: [layers.SeparableConv2D(3, 3, activation="sigmoid"), layers.GlobalAveragePooling2D(), layers.Dense(3)],
    ),
    "average": (
        (6, 6, 2),
        lambda: [layers.Conv2D(3, 2), layers.AveragePooling2D(2, padding="same"), layers.Flatten(), layers.Dense(3)],
    ),
    "max": (
        (6, 6, 2),
        lambda: [layers.Conv2D(3, 2), layers.MaxPooling2D(2, 1), layers.GlobalMaxPooling2D(), layers.Dense(3)],
    ),
    "normalized": (
        (6, 6, 2),
        lambda: [
            layers.Rescaling(2.0, -1.0),
            layers.Conv2D(3, 2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.ZeroPadding2D(1),
            layers.Dropout(0.5),
            layers.Reshape((-1, 3)),
            layers.Flatten(),
            layers.Dense(3),
        ],
    ),
}


def net(name: str, seed: int = 0) -> keras.Model:
    """A small network with weights from NumPy, also in its moving statistics."""
    shape, make = NETS[name]
    model = keras.Sequential([keras.Input(shape), *make()])
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        values = draw.normal(size=weight.shape)
        weight.assign(
            np.abs(values) + 0.5 if "variance" in weight.path else values * (0.7 if "kernel" in weight.path else 0.3)
        )
    return model


@pytest.mark.parametrize("name", NETS)
def test_no_sampled_point_leaves_the_bounds(name: str) -> None:
    model = net(name)
    draw = np.random.default_rng(1)
    x = draw.uniform(size=(4, *model.input_shape[1:])).astype("float32")
    for eps in (0.0, 0.03, 0.3):
        low, high = x - np.float32(eps), x + np.float32(eps)
        below, above = (np.asarray(part) for part in bounds(model, low, high))
        gaps = np.asarray(margins(model, low, high, np.array([0, 1, 2, 0])))
        for number in range(60):
            corner = draw.random(size=x.shape) if number % 2 else draw.integers(0, 2, size=x.shape)
            point = (low + (high - low) * corner).astype("float32")
            logits = np.asarray(model(np.clip(point, low, high), training=False))
            assert (below <= logits).all() and (logits <= above).all()
            for row, label in enumerate([0, 1, 2, 0]):
                assert (logits[row, label] - np.delete(logits[row], label) >= np.delete(gaps[row], label)).all()
        if eps == 0:
            assert np.abs(above - below).max() < 1e-3


def test_bounds_of_a_linear_net_are_reached() -> None:
    model = net("linear")
    x = np.random.default_rng(2).uniform(size=(3, 5)).astype("float32")
    kernel, bias = (np.asarray(weight, "float64") for weight in model.get_weights())
    below, above = (np.asarray(part) for part in bounds(model, x - 0.1, x + 0.1))
    np.testing.assert_allclose(below, x @ kernel + bias - 0.1 * np.abs(kernel).sum(0), atol=1e-5)
    np.testing.assert_allclose(above, x @ kernel + bias + 0.1 * np.abs(kernel).sum(0), atol=1e-5)
    gaps = np.asarray(margins(model, x - 0.1, x + 0.1, np.zeros(3, "int32")))
    differences = kernel[:, :1] - kernel
    exact = x @ differences + bias[0] - bias - 0.1 * np.abs(differences).sum(0)
    np.testing.assert_allclose(gaps, exact * [0, 1, 1], atol=1e-5)


def test_a_layer_without_a_rule_is_named() -> None:
    model = keras.Sequential([keras.Input((5,)), layers.LayerNormalization(name="odd"), layers.Dense(3)])
    with pytest.raises(ModelError, match=r"'odd' \(LayerNormalization\) has none, so nothing is certified"):
        bounds(model, np.zeros((1, 5), "float32"), np.ones((1, 5), "float32"))
