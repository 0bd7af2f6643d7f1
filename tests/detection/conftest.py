"""A tiny model with dropout at inference that has learned something, and its data."""

import keras
import numpy as np
import pytest

from turtlenet import data
from turtlenet.defences import MonteCarloDropout


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy prototypes of four classes, near each other, so that attacks and doubts are possible."""
    prototypes = np.random.default_rng(0).uniform(size=(4, 6, 6, 1))
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 4
    x = 0.35 * prototypes[y] + 0.65 * rng.uniform(size=(count, 6, 6, 1))
    return x.astype("float32"), y.astype("int32")


@pytest.fixture(scope="session")
def unsure() -> keras.Model:
    """Trained with dropout, then kept at it; ends in softmax."""
    keras.utils.set_random_seed(4)
    layers = [
        keras.Input((6, 6, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dropout(0.3, name="drop"),
        keras.layers.Dense(4, activation="softmax", name="out"),
    ]
    model = keras.Sequential(layers, name="unsure")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*drawn(400, 1), epochs=10, batch_size=50, verbose=0)
    return MonteCarloDropout().convert(model)


@pytest.fixture(scope="session")
def parts() -> data.Data:
    """A part to fit on and a part to score on."""
    train, test = (
        data.from_arrays(*drawn(60, seed), name=name, shape=(6, 6, 1), num_classes=4)
        for seed, name in ((2, "drawn train"), (3, "drawn test"))
    )
    return data.Data("drawn", train=train, test=test)


def prototypes(count: int, seed: int) -> np.ndarray:
    """Smooth images (count, 8, 8, 1): mixtures of a few slow waves, with next to no noise."""
    rng, places = np.random.default_rng(seed), np.arange(8) / 8
    waves = np.stack(
        [np.outer(np.cos(np.pi * a * places), np.cos(np.pi * b * places)) for a in (0, 1, 2) for b in (0, 1)]
    )
    images = 0.5 + 0.12 * np.tensordot(rng.normal(size=(count, 6)), waves, 1) + 0.01 * rng.normal(size=(count, 8, 8))
    return np.clip(images, 0, 1)[..., None].astype("float32")
