"""The nets and the digits that everything is measured on."""

import functools
from pathlib import Path

import keras
import numpy as np

import turtlenet as tn
from turtlenet import data, models

__all__ = ["BOTH", "EPS", "STEP", "STEPS", "digits", "fresh", "trained", "undefended"]

EPS, STEP, STEPS = 0.3, 0.01, 40
BOTH = ("cleverhans", "turtlenet-mnist")
_WONG = Path(__file__).parent.parent / "models" / "mnist-wong.h5"


@functools.cache
def _parts() -> data.Data:
    return data.load("mnist-sample")


def digits(count: int, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """The first images (n, 28, 28) and labels (n,) of the embedded sample's `train` or `test` part, on the host."""
    return getattr(_parts(), part).batch(slice(0, count))


def fresh(name: str) -> keras.Model:
    """An architecture with the same fresh weights each time."""
    keras.utils.set_random_seed(0)
    return models.build(name)


@functools.cache
def trained(name: str, images: int) -> keras.Model:
    """An architecture after one ordinary pass over some training images: enough to answer, nothing against attacks."""
    model = fresh(name)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.fit(*digits(images, "train"), batch_size=64, epochs=1, verbose=0)
    return model


def undefended() -> tuple[keras.Model, str]:
    """A naturally trained model, and what to call it: the one in `models/`, or one trained on the spot."""
    if _WONG.exists():
        return tn.load_model(_WONG), _WONG.name
    return trained("cleverhans", 10_000), "cleverhans, one epoch"
