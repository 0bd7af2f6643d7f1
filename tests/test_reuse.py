"""What was compiled for a model serves the next call, and sees what has changed in it."""

import gc
import weakref

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import models

X = np.random.default_rng(0).uniform(size=(16, 6, 6, 1)).astype("float32")
Y = (np.arange(16) % 3).astype("int32")
SPEC = "pgd:steps=2"


@keras.saving.register_keras_serializable("tests.reuse")
class Counting(keras.layers.Layer):
    """The identity; counts how often its Python runs, which it does while something is traced."""

    calls = 0

    def __init__(self, scale: float = 1.0, **settings):
        super().__init__(**settings)
        self.scale = scale

    def call(self, x):
        Counting.calls += 1
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def made(activation: str = "softmax") -> keras.Model:
    draw = np.random.default_rng(1)
    layers = [keras.Input((6, 6, 1)), keras.layers.Flatten(), Counting(), keras.layers.Dense(3, activation=activation)]
    model = keras.Sequential(layers)
    model.layers[-1].kernel.assign(draw.normal(size=(36, 3)))
    return model


@pytest.fixture
def model() -> keras.Model:
    return made()


def traced(work) -> int:
    before = Counting.calls
    work()
    return Counting.calls - before


def attacked(model, spec=SPEC, **settings) -> np.ndarray:
    return tn.attack(model, X, Y, spec, **{"eps": 0.1, **settings})


def test_a_second_call_traces_nothing(model) -> None:
    assert traced(lambda: attacked(model)) > 0
    first = attacked(model)
    assert traced(lambda: attacked(model)) == 0
    # Radius, seed and images are arguments.
    for settings in ({"eps": 0.2}, {"seed": 3}):
        assert traced(lambda settings=settings: attacked(model, **settings)) == 0
    assert np.array_equal(attacked(model), first)
    moved = attacked(model, eps=0.2)
    assert np.abs(moved - X).max() > 0.15
    assert traced(lambda: attacked(model, "pgd:steps=3")) > 0


def test_evaluate_traces_nothing_the_second_time(model) -> None:
    def evaluated():
        return tn.evaluate(model, (X, Y), attacks=[SPEC], eps=0.1, curve=8)

    assert traced(evaluated) > 0
    assert traced(evaluated) == 0


def test_the_weights_are_those_of_the_moment(model) -> None:
    before = attacked(model)
    model.layers[-1].kernel.assign(-model.layers[-1].kernel)
    assert traced(lambda: attacked(model)) == 0
    other = made()
    other.layers[-1].kernel.assign(-other.layers[-1].kernel)
    assert np.array_equal(attacked(model), attacked(other)) and not np.array_equal(attacked(model), before)


def test_training_on_keeps_what_was_compiled(model) -> None:
    model.compile("sgd", "sparse_categorical_crossentropy")
    attacked(model)
    kept = tn.as_classifier(model)
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert tn.as_classifier(model) is kept and traced(lambda: attacked(model)) == 0


def change_a_setting(model) -> None:
    model.layers[1].scale = -1.0


def change_an_activation(model) -> None:
    model.layers[-1].activation = keras.activations.linear


def add_a_layer(model) -> None:
    last = model.layers[-1]
    model.pop()
    model.add(keras.layers.ReLU())
    model.add(last)


def change_a_policy(model) -> None:
    model.layers[-1].dtype_policy = keras.DTypePolicy("mixed_bfloat16")


def compile_it(model) -> None:
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))


@pytest.mark.parametrize("change", [change_a_setting, change_an_activation, add_a_layer, change_a_policy, compile_it])
def test_a_model_that_is_another_is_not_taken_for_the_old_one(change, model) -> None:
    before = tn.as_classifier(model)
    change(model)
    after = tn.as_classifier(model)
    assert after is not before
    fresh = models.classifier(model)
    assert np.array_equal(after.predict(X), fresh.predict(X))


def test_bounds_and_gradients_have_their_own(model) -> None:
    plain, wide = tn.as_classifier(model), tn.as_classifier(model, bounds=(0, 255))
    assert plain.bounds == (0.0, 1.0) and wide.bounds == (0.0, 255.0)
    assert tn.as_classifier(model) is plain and tn.as_classifier(model, bounds=(0.0, 255.0)) is wide
    naive = tn.as_classifier(model, gradient="naive", draws=5)
    assert (naive.gradient, naive.draws) == ("naive", 5) and tn.as_classifier(naive) is naive
    assert tn.as_classifier(model, gradient="naive", draws=5) is naive


def test_nothing_outlives_the_model() -> None:
    model = made()
    attacked(model)
    watch = weakref.ref(model)
    del model
    gc.collect()
    assert watch() is None


def test_nothing_of_it_is_saved(model, tmp_path) -> None:
    attacked(model)
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        back = keras.models.load_model(tmp_path / name)
        assert np.array_equal(back.get_weights()[0], model.get_weights()[0])


def test_a_classifier_is_taken_where_a_model_is(model, tmp_path) -> None:
    handle = tn.as_classifier(model)
    assert np.array_equal(attacked(handle, draws=1), attacked(model, draws=1))
    assert tn.evaluate(handle, (X, Y), attacks=[SPEC], eps=0.1, curve=0).robust_accuracy <= 1
    hardened = tn.train(handle, (X, Y), eps=0.1, epochs=1, attack=SPEC, validation=0, tell=lambda line: None)
    assert hardened.layers[-1].activation is keras.activations.softmax
    tn.save_model(handle, tmp_path / "kept.h5")
    assert (tmp_path / "kept.h5").is_file()
    assert tn.wrap(handle, "constant-quantization:levels=2").layers[-1] is model
    for settings in ({"bounds": (0, 255)}, {"head": "sigmoid"}, {"precision": "bfloat16"}):
        with pytest.raises(tn.SettingError, match="where the Classifier is made"):
            attacked(handle, **settings)


def test_a_sweep_over_settings_does_not_fill_the_memory(model) -> None:
    handle = tn.as_classifier(model)
    for number in range(200):
        handle.compiled(("nothing", number), lambda: None)
    assert len(handle._graphs) <= 128
