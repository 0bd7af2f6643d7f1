"""The losses of trained fronts against NumPy, in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls, random
from turtlenet.architectures.fronts import contractive
from turtlenet.classifier import Classifier
from turtlenet.training.fronts.losses import contraction, fooling, gradient_penalty, squares, telling
from turtlenet.training.fronts.objectives import OBJECTIVES, FrontObjective

DRAW = np.random.default_rng(4)
X = DRAW.uniform(0, 255, (5, 6, 5, 2)).astype("float32")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_squares_are_means_over_an_image() -> None:
    other = X + DRAW.normal(size=X.shape).astype("float32")
    wanted = np.square(X.astype("float64") - other).reshape(5, -1).mean(axis=1)
    np.testing.assert_allclose(squares(X, other), wanted, rtol=1e-5)


def test_both_sides_of_the_gan_loss_are_logarithms_of_chances() -> None:
    real, fake = DRAW.normal(0, 3, (2, 7)).astype("float32")
    np.testing.assert_allclose(fooling(fake), -np.log(sigmoid(fake.astype("float64"))), rtol=1e-5)
    wanted = -np.log(sigmoid(real.astype("float64"))) - np.log(1 - sigmoid(fake.astype("float64")))
    np.testing.assert_allclose(telling(real, fake), wanted, rtol=1e-5)


def test_the_contractive_penalty_is_the_jacobians_square_norm() -> None:
    """Of each layer, by central differences."""
    kernels = [DRAW.normal(size=shape) for shape in ((6, 4), (4, 3))]
    x = DRAW.uniform(size=(5, 6))
    codes, wanted, value = [], np.zeros(5), x
    for kernel in kernels:
        for place in range(kernel.shape[0]):
            step = np.zeros(kernel.shape[0])
            step[place] = 1e-6
            slope = (sigmoid((value + step) @ kernel) - sigmoid((value - step) @ kernel)) / 2e-6
            wanted += np.square(slope).sum(axis=1)
        value = sigmoid(value @ kernel)
        codes.append(value)
    as_float = [[each.astype("float32") for each in group] for group in (codes, kernels)]
    np.testing.assert_allclose(contraction(*as_float), wanted, rtol=1e-4)


def test_the_gradient_penalty_is_that_of_a_critic_whose_slope_is_known() -> None:
    """C(x) = sum(w x^2) / 2 has the slope w x; the penalty's own gradient at w follows from it."""
    w = keras.Variable(DRAW.normal(size=(8,)).astype("float32"))
    x = DRAW.normal(size=(5, 8)).astype("float32")
    lengths = np.linalg.norm(np.asarray(w) * x.astype("float64"), axis=1)

    def penalty(x):
        return gradient_penalty(lambda at: ops.sum(w * ops.square(at), axis=1) / 2, x)

    graph = backend.compiled(penalty, lambda: [w])
    np.testing.assert_allclose(graph(ops.convert_to_tensor(x)), np.square(lengths - 1), rtol=1e-4)

    def slopes(x):
        return backend.weight_gradients(lambda: (ops.sum(penalty(x)), ()), [w])[2][0]

    found = backend.compiled(slopes, lambda: [w])(ops.convert_to_tensor(x))
    wanted = (2 * (lengths - 1) / lengths)[:, None] * np.asarray(w) * np.square(x)
    np.testing.assert_allclose(found, wanted.sum(axis=0), rtol=1e-4)


def objective(name: str, network: keras.Model, **settings) -> FrontObjective:
    model = keras.Sequential([keras.Input((6, 5, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
    ball = balls.get("linf", 30.0, (0.0, 255.0))
    victim = Classifier(model, bounds=(0.0, 255.0))
    return OBJECTIVES[name](network, victim, ball, attack=attacks.build("fgsm"), settings=settings)


def test_the_autoencoders_loss_in_pixels_of_a_wide_range() -> None:
    network = contractive((6, 5, 2), bounds=(0.0, 255.0), width=4)
    terms = objective("contractive-autoencoder", network, contraction=0.5).terms(X, X)
    value, codes = X.reshape(5, -1).astype("float64") / 255, []
    kernels = [np.asarray(layer.kernel, "float64") for layer in network.layers if hasattr(layer, "kernel")]
    for kernel in kernels:
        value = sigmoid(value @ kernel)
        codes.append(value)
    error = np.square(codes[-1] - X.reshape(5, -1) / 255.0).mean(axis=1)
    pairs = zip(codes[:2], kernels[:2], strict=True)
    penalty = sum(np.square(h * (1 - h)) @ np.square(w).sum(axis=0) for h, w in pairs)
    np.testing.assert_allclose(terms["error"], error, rtol=1e-4)
    np.testing.assert_allclose(terms["penalty"], penalty, rtol=1e-4)
    np.testing.assert_allclose(terms["loss"], 60 * error + 0.5 * penalty, rtol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_noise_to_remove_is_a_share_of_the_range_and_stays_within_the_bounds(noise) -> None:
    network = keras.Sequential([keras.Input((6, 5, 2)), keras.layers.Identity()])
    middle = np.full((400, 6, 5, 2), 127.5, "float32")
    keys = random.keys(0, np.arange(400, dtype="int32"))
    moved = np.asarray(objective("magnet", network, noise=noise).given(middle, None, keys))
    assert abs((moved - middle).std() - 25.5 * (noise > 0)) < 0.5
    wide = np.asarray(objective("magnet", network, noise=9.0).given(middle, None, keys))
    assert wide.min() == 0 and wide.max() == 255


def test_a_share_of_images_is_given_unperturbed() -> None:
    network = keras.Sequential([keras.Input((6, 5, 2)), keras.layers.Identity()])
    x = ops.convert_to_tensor(DRAW.uniform(40, 200, (200, 6, 5, 2)).astype("float32"))
    y, keys = ops.zeros((200,), "int32"), random.keys(0, np.arange(200, dtype="int32"))
    for share, least, most in ((0.0, 1.0, 1.0), (0.5, 0.4, 0.6), (1.0, 0.0, 0.0)):
        made = objective("ape-gan", network, clean=share, adversarial=0.3)
        graph = backend.compiled(made.given, lambda made=made: made.victim.model.variables)
        moved = np.abs(np.asarray(graph(x, y, keys)) - np.asarray(x)).reshape(200, -1).max(axis=1)
        assert moved.max() <= 30.001 and least <= (moved > 20).mean() <= most
