"""The peers' PGD, each called as its own documentation does, with images and labels on the host."""

import abc
import importlib
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from benchmarks.victims import EPS, STEP, STEPS, digits

__all__ = ["PEERS", "Art", "CleverHans", "Foolbox", "Peer", "available"]


class Peer(abc.ABC):
    """A library that runs Linf PGD from a random start on a Keras model that gives logits.

    Args:
        model: The model under attack.

    Raises:
        ImportError: The library is not installed, or does not work with this TensorFlow.
    """

    name: ClassVar[str]

    def __init__(self, model: keras.Model):
        self.model = model

    @abc.abstractmethod
    def attack(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Adversarial examples of one batch, from one start, on the host."""

    @abc.abstractmethod
    def robust(self, x: np.ndarray, y: np.ndarray, *, restarts: int, batch_size: int) -> np.ndarray:
        """Booleans (n,): the images that are still right after every restart."""


class CleverHans(Peer):
    """CleverHans 4: a Python loop around a compiled gradient."""

    name = "cleverhans"

    def __init__(self, model: keras.Model):
        super().__init__(model)
        module = importlib.import_module("cleverhans.tf2.attacks.projected_gradient_descent")
        self._descend = module.projected_gradient_descent

    def attack(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run(tf.constant(x), tf.constant(y)).numpy()

    def robust(self, x: np.ndarray, y: np.ndarray, *, restarts: int, batch_size: int) -> np.ndarray:
        still = []
        for images, labels in _batches(x, y, batch_size):
            right = np.ones(len(labels), bool)
            for _ in range(restarts):
                logits = self.model(self._run(tf.constant(images), tf.constant(labels)), training=False)
                right &= logits.numpy().argmax(axis=1) == labels
            still.append(right)
        return np.concatenate(still)

    def _run(self, x: Any, y: Any) -> Any:
        bounds = {"clip_min": 0.0, "clip_max": 1.0}
        return self._descend(self.model, x, EPS, STEP, STEPS, np.inf, y=y, rand_init=True, **bounds)


class Art(Peer):
    """The Adversarial Robustness Toolbox: an eager loop, with restarts of its own."""

    name = "art"

    def __init__(self, model: keras.Model):
        super().__init__(model)
        self._descent = importlib.import_module("art.attacks.evasion").ProjectedGradientDescentTensorFlowV2
        self._victim = importlib.import_module("art.estimators.classification").TensorFlowV2Classifier(
            model=model,
            nb_classes=model.output_shape[-1],
            input_shape=model.input_shape[1:],
            loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            clip_values=(0.0, 1.0),
        )

    def attack(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run(x, y, 1, len(x))

    def robust(self, x: np.ndarray, y: np.ndarray, *, restarts: int, batch_size: int) -> np.ndarray:
        moved = self._run(x, y, restarts, batch_size)
        return self._victim.predict(moved, batch_size=batch_size).argmax(axis=1) == y

    def _run(self, x: np.ndarray, y: np.ndarray, restarts: int, batch_size: int) -> np.ndarray:
        attack = self._descent(
            self._victim,
            norm=np.inf,
            eps=EPS,
            eps_step=STEP,
            max_iter=STEPS,
            num_random_init=restarts,
            batch_size=batch_size,
            verbose=False,
        )
        return attack.generate(x, y)


class Foolbox(Peer):
    """Foolbox 3: an eager loop; `repeat` for restarts."""

    name = "foolbox"

    def __init__(self, model: keras.Model):
        super().__init__(model)
        foolbox = importlib.import_module("foolbox")
        self._victim = foolbox.TensorFlowModel(model, bounds=(0, 1))
        self._descent = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=True)

    def attack(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run(self._descent, x, y)[1].numpy()

    def robust(self, x: np.ndarray, y: np.ndarray, *, restarts: int, batch_size: int) -> np.ndarray:
        repeated = self._descent.repeat(restarts)
        hits = [self._run(repeated, *batch)[2].numpy() for batch in _batches(x, y, batch_size)]
        return ~np.concatenate(hits)

    def _run(self, attack: Any, x: np.ndarray, y: np.ndarray) -> Any:
        # Labels as wide as its argmax: comparing two integer types goes through a function that NumPy 2 dropped.
        return attack(self._victim, tf.constant(x), tf.constant(y, tf.int64), epsilons=EPS)


PEERS: tuple[type[Peer], ...] = (CleverHans, Art, Foolbox)


def available(model: keras.Model) -> tuple[list[Peer], list[str]]:
    """The peers that can attack the model, and a line for each that cannot."""
    found, missing = [], []
    for kind in PEERS:
        try:
            peer = kind(model)
            peer.attack(*digits(8))
        except Exception as error:  # Whatever breaks in a peer is worth a line, and no reason to measure nothing.
            missing.append(f"{kind.name} is left out: {type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            found.append(peer)
    return found, missing


def _batches(x: np.ndarray, y: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((x[start : start + size], y[start : start + size]) for start in range(0, len(x), size))
