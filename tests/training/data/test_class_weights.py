"""Classes that count more: the numbers by hand, and a step of training as Keras takes it."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet.errors import DataError, SettingError
from turtlenet.training import class_weights

X = np.random.default_rng(0).random((8, 4)).astype("float32")
Y = np.array([0, 0, 0, 0, 0, 1, 1, 2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("balanced", [8 / 15, 8 / 6, 8 / 3, 1.0]),
        ({1: 5}, [1, 5, 1, 1]),
        ({"2": 0.5}, [1, 1, 0.5, 1]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
    ],
)
def test_the_weight_of_each_class(given, expected) -> None:
    np.testing.assert_allclose(class_weights(given, Y, 4), expected)


@pytest.mark.parametrize("given", ["even", [1, 2], {9: 1}, {0: -1}, {0: float("nan")}, {0.5: 1}, 3, {"a": 1}])
def test_bad_weights(given) -> None:
    with pytest.raises(SettingError, match="Expected"):
        class_weights(given, Y, 4)


@pytest.mark.parametrize("given", ["even", 3])
def test_what_is_no_class_weight_is_told_all_that_is_one(given) -> None:
    words = "Expected class_weight balanced, a weight for each class, or a dict of classes and their weights; got "
    with pytest.raises(SettingError) as caught:
        class_weights(given, Y, 4)
    assert str(caught.value) == f"{words}{given!r}."


def model():
    keras.utils.set_random_seed(0)
    found = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found.compile(keras.optimizers.SGD(0.5), loss)
    return found


def test_a_step_is_that_of_keras() -> None:
    """Not divided by the weights' sum: in small batches of one class they would cancel out."""
    weights, rows = {0: 3.0, 2: 0.5}, np.linspace(0.5, 2, 8)
    mine = tn.train(
        model(),
        (X, Y, rows),
        attack="fgsm",
        objective="natural",
        optimizer="compiled",
        epochs=1,
        batch_size=8,
        validation=0,
        class_weight=weights,
        tell=lambda line: None,
    )
    theirs = model()
    factors = rows * np.array([weights.get(int(label), 1.0) for label in Y])
    theirs.fit(X, Y, sample_weight=factors, batch_size=8, verbose=0)
    for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_weights_are_for_training() -> None:
    with pytest.raises(DataError, match="sample weights: they are for train"):
        tn.evaluate(model(), (X, Y, np.ones(8)), attacks=["fgsm"])
