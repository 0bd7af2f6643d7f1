"""What a model computes in, and what must stay float32."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls, losses, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.errors import SpecError


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(2).uniform(size=(12, 8, 8, 1)).astype("float32")
    return x, np.arange(12, dtype="int32") % 4


def net() -> keras.Model:
    keras.utils.set_random_seed(4)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Rescaling(2.0, -1.0),
        keras.layers.Conv2D(8, 3, activation="relu", kernel_initializer="he_normal"),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(4, kernel_initializer="he_normal"),
        keras.layers.Activation("softmax"),
    ]
    return keras.Sequential(layers)


def kinds(model: keras.Model) -> list[str]:
    return [layer.compute_dtype for layer in model.layers]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_pixels_and_logits_stay_float32(precision, images) -> None:
    model = net()
    plain = models.classifier(model).predict(images[0])
    restore = models.compute_in(model, precision)
    assert kinds(model) == ["float32", *[precision] * 4, "float32", "float32"]
    assert all(variable.dtype == "float32" for variable in model.variables if "seed" not in variable.name)
    victim = models.classifier(model)
    logits = victim.predict(images[0])
    assert logits.dtype == np.float32 and victim.precision == f"{precision}, float32"
    # Float32 logits are no multiples of a coarse step, as rounded ones would be.
    assert (logits != logits.astype("float16").astype("float32")).mean() > 0.9
    np.testing.assert_allclose(logits, plain, atol=0.1)
    assert not np.array_equal(logits, plain)
    found = attacks.build("pgd:steps=3")(victim, *images, ball=balls.get("linf", 0.1))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.abs(ops.convert_to_numpy(found) - images[0]).max() <= 0.1 + 1e-7
    restore()
    assert kinds(model) == ["float32"] * 7


def test_float32_for_a_model_that_says_otherwise(images) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = net()
    finally:
        keras.config.set_dtype_policy("float32")
    assert models.classifier(model).narrow
    restore = models.compute_in(model, "float32")
    victim = models.classifier(model)
    assert not victim.narrow and victim.precision == "float32"
    restore()
    assert kinds(model)[1] == "float16"


def test_what_there_is_not() -> None:
    with pytest.raises(SpecError, match="Unknown precision 'half'. Known: bfloat16, float16, float32."):
        models.compute_in(net(), "half")


def test_nothing_is_asked_of_a_model_that_is_left_as_it_is() -> None:
    model = net()
    models.compute_in(model, None)()
    assert kinds(model) == ["float32"] * 7


class Sure(Classifier):
    """A net of float16 whose answers are so sure that the slope of their loss is below float16's least number."""

    def __init__(self, precision: str, gain: float = 1.0):
        model = net()
        model.pop()
        last = model.layers[-1]
        kernel, bias = last.get_weights()
        last.set_weights([kernel, bias + np.array([30.0, 0, 0, 0], "float32")])
        first = model.layers[1]
        first.set_weights([each * gain for each in first.get_weights()])
        models.compute_in(model, precision)
        super().__init__(model)


def slopes(victim: Classifier, x: np.ndarray) -> np.ndarray:
    """Gradients of cross-entropy at the label that the net is sure of."""
    y = ops.zeros(len(x), "int32")

    def look(point):
        logits = victim(point)
        return losses.cross_entropy(y, logits), logits

    graph = backend.compiled(lambda point: backend.input_gradient(look, point)[2], lambda: victim.model.variables)
    return ops.convert_to_numpy(graph(ops.convert_to_tensor(x)))


def test_a_slope_that_float16_cannot_hold_is_attacked_all_the_same(images) -> None:
    x = images[0]
    exact, narrow = slopes(Sure("float32"), x), slopes(Sure("float16"), x)
    assert 0 < np.abs(exact).max() < 2.0**-25
    # Without the scaling every one of them would round to 0.
    assert (narrow != 0).mean() > 0.99 * (exact != 0).mean()
    large = np.abs(exact) > 0.05 * np.abs(exact).max()
    assert (np.sign(narrow[large]) == np.sign(exact[large])).all()
    np.testing.assert_allclose(narrow, exact, atol=0.05 * np.abs(exact).max())


def test_the_scaling_is_what_does_it(images, monkeypatch) -> None:
    monkeypatch.setattr(backend, "wide_gradient", lambda fn: fn)
    assert (slopes(Sure("float16"), images[0]) == 0).all()


def test_a_slope_that_overflows_float16_is_taken_smaller(images) -> None:
    exact, narrow = slopes(Sure("float32", gain=400.0), images[0]), slopes(Sure("float16", gain=400.0), images[0])
    assert np.isfinite(narrow).all()
    moving = np.abs(exact).reshape(len(exact), -1).max(axis=1) > 0
    assert moving.any()
    assert (np.abs(narrow).reshape(len(exact), -1).max(axis=1)[moving] > 0).all()


def test_float16_is_attacked_as_well_as_float32(demo_path, digits) -> None:
    x, y = digits.test.batch(slice(0, 200))
    left = []
    for precision in ("float32", "bfloat16", "float16"):
        model = models.load(demo_path)
        models.compute_in(model, precision)
        victim = models.classifier(model)
        outcome = attack_all(attacks.build("pgd:steps=10"), victim, x, y, ball=balls.get("linf", 0.1))
        left.append(float((outcome.logits.argmax(axis=1) == y).mean()))
    assert max(left) - min(left) <= 0.01 and max(left) < 0.6
