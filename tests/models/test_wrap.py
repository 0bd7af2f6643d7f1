"""What `wrap` builds, whatever a session made before."""

import keras
import numpy as np

import turtlenet as tn


def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_the_same_model_has_the_same_layers_and_draws_each_time() -> None:
    """Draws belong to a layer's name, which Keras would number by the layers made before."""
    x = np.random.default_rng(0).uniform(size=(8, 6, 6, 1)).astype("float32")
    front = ["constant-quantization", "input-dropout", "input-dropout"]
    first, second = (tn.wrap(small(), *front) for _ in range(2))
    assert [layer.name for layer in first.layers[1:4]] == ["constant_quantization", "input_dropout", "input_dropout_1"]
    assert [layer.name for layer in first.layers[1:4]] == [layer.name for layer in second.layers[1:4]]
    answers = [
        tn.attack(each, x, np.arange(8) % 3, "noise", eps=0.2, bounds=(0, 1), seed=3) for each in (first, second)
    ]
    np.testing.assert_array_equal(*answers)


def test_a_model_wrapped_twice_draws_twice() -> None:
    once = tn.wrap(small(), "input-dropout")
    twice = tn.wrap(once, "input-dropout")
    assert [layer.name for layer in twice.layers[1:2]] == ["input_dropout_1"]
