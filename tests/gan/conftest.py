"""A classifier of small pictures that a generator can be trained against in seconds."""

import keras
import numpy as np
import pytest

from turtlenet import balls, data
from turtlenet.architectures import gan as networks
from turtlenet.classifier import Classifier
from turtlenet.gan import Players, build_players, variant

EPS = 0.3
TINY = "tiny"
networks.NETWORKS[TINY] = lambda x: networks.block(networks.block(x, 8), 8)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """8x8 pictures whose class is their brightest quarter."""
    draw = np.random.default_rng(seed)
    y = np.arange(count, dtype="int32") % 4
    x = 0.2 + 0.1 * draw.uniform(size=(count, 8, 8, 1)).astype("float32")
    for row, label in enumerate(y):
        top, left = 4 * (label // 2), 4 * (label % 2)
        x[row, top : top + 4, left : left + 4] += 0.3
    return x, y


def network() -> keras.Model:
    """The sum of each quarter."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.AveragePooling2D(4), keras.layers.Flatten()])
    model.add(keras.layers.Dense(4))
    model.layers[-1].set_weights([10 * np.eye(4, dtype="float32"), np.zeros(4, "float32")])
    return model


@pytest.fixture(scope="package")
def quarters() -> Classifier:
    return Classifier(network())


@pytest.fixture(scope="package")
def pictures() -> data.Examples:
    return data.from_arrays(*drawn(96, 0), num_classes=4)


@pytest.fixture(scope="package")
def unseen() -> data.Examples:
    return data.from_arrays(*drawn(40, 1), num_classes=4)


def players(name: str = "strong", seed: int = 0, **settings) -> Players:
    """Players whose generator has a layer only: a graph of the whole one takes long to build."""
    rules = variant(name, **{"network": TINY, **settings})
    return build_players(rules, balls.get("linf", EPS), (8, 8, 1), seed)
