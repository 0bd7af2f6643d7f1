"""Small networks of every kind of layer that has a rule."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from turtlenet.classifier import Classifier
from turtlenet.defences import (
    BinarizedConv2D,
    BinarizedDense,
    ConstantQuantization,
    LowBitDense,
    LowBitDepthwiseConv2D,
    TrainableQuantization,
)

IMAGE = (6, 6, 2)
CLASSES = 3


def _residual(x: Any) -> Any:
    y = layers.Conv2D(2, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(layers.Conv2D(2, 3, padding="same")(y))
    both = layers.Concatenate()([layers.ReLU()(layers.Add()([x, y])), layers.Average()([x, y])])
    return layers.Flatten()(layers.Subtract()([both, layers.LeakyReLU(0.2)(both)]))


def _nested(x: Any) -> Any:
    inner = keras.Sequential([keras.Input(IMAGE), layers.Conv2D(2, 3, 2, activation="elu"), layers.Flatten()])
    return inner(x)


def _row(*steps: layers.Layer) -> Callable[[Any], Any]:
    return lambda x: functools.reduce(lambda y, step: step(y), steps, x)


# Shape of the input, and what makes features (batch, values) of it.
NETS: dict[str, tuple[tuple[int, ...], Callable[[], Callable[[Any], Any]]]] = {
    "linear": ((5,), lambda: _row()),
    "dense": ((5,), lambda: _row(layers.Dense(7, "relu"), layers.Dense(6, "relu"))),
    "conv2d": (IMAGE, lambda: _row(layers.Conv2D(4, 3, 2, "same", activation="relu"), layers.Flatten())),
    "conv1d": ((8, 2), lambda: _row(layers.Conv1D(4, 3, padding="causal", activation="tanh"), layers.Flatten())),
    "conv3d": ((4, 4, 4, 1), lambda: _row(layers.Conv3D(2, 2, activation="silu"), layers.Flatten())),
    "depthwise": (IMAGE, lambda: _row(layers.DepthwiseConv2D(3, depth_multiplier=2), layers.ELU(), layers.Flatten())),
    "separable": (
        IMAGE,
        lambda: _row(layers.SeparableConv2D(3, 3, activation="sigmoid"), layers.GlobalAveragePooling2D()),
    ),
    "pools": (IMAGE, lambda: _row(layers.AveragePooling2D(2, 1, "same"), layers.MaxPooling2D(2), layers.Flatten())),
    "maxima": (IMAGE, lambda: _row(layers.Conv2D(3, 2), layers.MaxPooling2D(2, 1), layers.GlobalMaxPooling2D())),
    "normalized": (
        IMAGE,
        lambda: _row(
            layers.Rescaling(2.0, -1.0),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(3, 2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(1.0),
            layers.ZeroPadding2D(1),
            layers.Cropping2D(1),
            layers.Dropout(0.5),
            layers.Permute((3, 1, 2)),
            layers.Reshape((-1,)),
        ),
    ),
    "smooth": ((5,), lambda: _row(layers.Dense(4, "softplus"), layers.Dense(4, "gelu"), layers.Dense(4, "softsign"))),
    "steps": ((5,), lambda: _row(layers.Dense(4, "selu"), layers.Dense(4, "relu6"), layers.Dense(4, "hard_sigmoid"))),
    "residual": (IMAGE, lambda: _residual),
    "nested": (IMAGE, lambda: _nested),
    "quantized": ((8,), lambda: _row(ConstantQuantization(hard=True), layers.Dense(5, "relu"))),
    "soft levels": ((8,), lambda: _row(TrainableQuantization(levels=3), layers.Dense(5, "relu"))),
    "binarized": (IMAGE, lambda: _row(BinarizedConv2D(3, 3, sign=True), layers.Flatten(), BinarizedDense(4))),
    "few bits": (IMAGE, lambda: _row(LowBitDepthwiseConv2D(3), layers.ReLU(), layers.Flatten(), LowBitDense(4))),
}


@functools.cache
def _made(name: str) -> keras.Model:
    shape, make = NETS[name]
    source = keras.Input(shape)
    return keras.Model(source, layers.Dense(CLASSES)(make()(source)))


def net(name: str, seed: int = 0) -> keras.Model:
    """A small network with weights from NumPy, in its moving statistics too; the same object for each name."""
    model, draw = _made(name), np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.path or "moved" in weight.path:
            continue
        values = draw.normal(size=weight.shape)
        scale = 1.0 / np.sqrt(max(np.prod(weight.shape[:-1]), 1.0)) if len(weight.shape) > 1 else 0.3
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values * 2.0 * scale)
    return model


def classifier(name: str, seed: int = 0) -> Classifier:
    """The network as a classifier."""
    return Classifier(net(name, seed))


def images(name: str, count: int = 3, seed: int = 1) -> np.ndarray:
    """Images for it, float32."""
    return np.random.default_rng(seed).uniform(size=(count, *NETS[name][0])).astype("float32")


def points(low: np.ndarray, high: np.ndarray, count: int, seed: int = 2) -> np.ndarray:
    """Points of a box (count, *shape), half of them corners."""
    draw = np.random.default_rng(seed)
    share = draw.random(size=(count, *low.shape))
    share[::2] = share[::2].round()
    return np.clip(low + (high - low) * share.astype("float32"), low, high)
