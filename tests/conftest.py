"""Small models whose answers are known, and the demo's own model and digits."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import keras
import numpy as np
import pytest

from turtlenet import data
from turtlenet.classifier import Classifier
from turtlenet.models import classifier, load

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def linear() -> Classifier:
    """Logits W x + b on 6x1 inputs with three classes: every attack's answer can be worked out by hand."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    weights = np.array([[2, -1, 0], [1, 1, -2], [0, 3, 1], [-1, 0, 2], [0.5, -2, 1], [1, 0, -1]], "float32")
    model.layers[-1].set_weights([weights, np.array([0.1, 0.0, -0.1], "float32")])
    return Classifier(model)


@pytest.fixture(scope="session")
def small() -> Classifier:
    """An untrained convolutional classifier of 8x8x1 images with four classes."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(4, kernel_initializer="he_normal"),
    ]
    return Classifier(keras.Sequential(layers))


@pytest.fixture(scope="session")
def images(small: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Images for `small`, labeled with its own answers, so that all are right at first."""
    x = np.random.default_rng(0).uniform(size=(12, 8, 8, 1)).astype("float32")
    return x, small.predict(x).argmax(axis=1).astype("int32")


@pytest.fixture(scope="session")
def digits() -> data.Data:
    """The embedded sample."""
    return data.load("mnist-sample", shape=(28, 28, 1), num_classes=10)


@pytest.fixture(scope="session")
def demo_path() -> Path:
    """The demo's naturally trained model."""
    return ROOT / "models" / "mnist-wong.h5"


@pytest.fixture(scope="session")
def demo(demo_path: Path) -> Classifier:
    """The demo's model as attackers see it."""
    return classifier(load(demo_path))
