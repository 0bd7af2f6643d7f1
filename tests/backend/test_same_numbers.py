"""A short training and an attack give kept numbers on every backend: a cheap look at what `test_parity` compares."""

import keras
import numpy as np

import turtlenet as tn

RNG = np.random.default_rng(7)
X = RNG.uniform(size=(64, 8)).astype("float32")
Y = (X @ RNG.normal(size=8) > 0).astype("int32")
KERNELS = [RNG.normal(size=shape).astype("float32") / 2 for shape in ((8, 6), (6,), (6, 2), (2,))]

# What eight steps against PGD of three add to the first kernel, summed by row; how far it moves the inputs, by column.
TRAINED = [-0.76073, -0.74509, -0.50050, -0.61771, -0.62554, -0.57976, -0.64605, -0.70027]
CRAFTED = [1.55776, 2.26110, 0.88960, -1.09251, -1.89255, -0.78537, 1.51526, 1.58196]


def model() -> keras.Model:
    net = keras.Sequential([keras.Input((8,)), keras.layers.Dense(6, "tanh"), keras.layers.Dense(2)])
    net.set_weights(KERNELS)
    return net


def test_training_and_attack_give_the_kept_numbers() -> None:
    how = {"eps": 0.1, "bounds": (0, 1), "seed": 5}
    hardened = tn.train(
        model(),
        (X, Y),
        attack="pgd:steps=3",
        epochs=2,
        batch_size=16,
        validation=0,
        optimizer="sgd",
        learning_rate=0.1,
        tell=lambda line: None,
        **how,
    )
    crafted = tn.attack(model(), X, Y, "pgd:steps=3", **how)
    np.testing.assert_allclose((hardened.get_weights()[0] - KERNELS[0]).sum(axis=1), TRAINED, atol=2e-3)
    np.testing.assert_allclose((crafted - X).sum(axis=0), CRAFTED, atol=2e-3)
