"""The equations of papers 000 and 002 by hand, and their gradients by finite differences."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls, gradient_mode, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.defences import ConstantQuantization, TrainableQuantization
from turtlenet.defences import defences as family
from turtlenet.defences.quantization import evenly_spaced
from turtlenet.errors import SettingError, SpecError

X = np.linspace(0.0, 1.0, 41, dtype="float32").reshape(1, 41)


def sigmoid(t: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-t.astype("float64")))


def by_hand(x: np.ndarray, z: float, thresholds: list[float], levels: int) -> np.ndarray:
    return sum(sigmoid(z * (x - t)) for t in thresholds) / (levels - 1)


@pytest.mark.parametrize(("levels", "thresholds"), [(2, [0.5]), (3, [0.25, 0.75]), (6, [0.1, 0.3, 0.5, 0.7, 0.9])])
@pytest.mark.parametrize("z", [5.0, 50.0])
def test_equation_1_of_paper_002(levels, thresholds, z) -> None:
    np.testing.assert_allclose(evenly_spaced(levels - 1), thresholds, atol=1e-7)
    for kind in (ConstantQuantization, TrainableQuantization):
        found = ops.convert_to_numpy(kind(levels=levels, sharpness=z)(X))
        np.testing.assert_allclose(found, by_hand(X, z, thresholds, levels), atol=1e-6)


def test_equation_1_of_paper_000_has_one_sigmoid_more() -> None:
    found = ops.convert_to_numpy(ConstantQuantization(levels=3, form="v1")(X))
    np.testing.assert_allclose(found, by_hand(X, 50.0, [1 / 6, 0.5, 5 / 6], 3), atol=1e-6)
    assert found.max() > 1.4


def test_two_levels_of_great_sharpness_are_a_threshold_at_one_half() -> None:
    away = X[np.abs(X - 0.5) > 1e-3]
    for layer in (ConstantQuantization(sharpness=1e5), ConstantQuantization(hard=True)):
        np.testing.assert_allclose(ops.convert_to_numpy(layer(away)), (away > 0.5).astype("float32"), atol=1e-6)
    # Paper 000: those equal to 0.5 are set to 1.
    assert float(ConstantQuantization(hard=True)(np.array([0.5], "float32"))[0]) == 1.0


def test_other_bounds_and_thresholds() -> None:
    layer = family.build("constant-quantization:levels=3,thresholds=50:200", low=0.0, high=255.0)
    found = ops.convert_to_numpy(layer(X * 255))
    np.testing.assert_allclose(found, 255 * by_hand(X, 50.0, [50 / 255, 200 / 255], 3), atol=1e-3)
    assert str(layer) == "constant-quantization:levels=3,thresholds=50:200"


def test_each_input_element_has_its_thresholds() -> None:
    one, shared = TrainableQuantization(levels=3), TrainableQuantization(levels=3, shared=True)
    for layer in (one, shared):
        layer.build((None, 4, 5, 2))
    assert tuple(one.moved.shape) == (2, 4, 5, 2) and tuple(shared.moved.shape) == (2,)
    one.moved.assign(np.arange(80).reshape(2, 4, 5, 2) / 400.0)
    x = np.random.default_rng(0).uniform(size=(3, 4, 5, 2)).astype("float32")
    moved = np.arange(80).reshape(2, 4, 5, 2) / 400.0
    expected = (sigmoid(5 * (x - 0.25 - moved[0])) + sigmoid(5 * (x - 0.75 - moved[1]))) / 2
    np.testing.assert_allclose(ops.convert_to_numpy(one(x)), expected, atol=1e-6)


def squares(layer: TrainableQuantization, x: np.ndarray) -> float:
    return float(np.sum(np.square(ops.convert_to_numpy(layer(x)).astype("float64"))))


def test_the_slope_of_a_threshold_is_that_of_finite_differences() -> None:
    layer = TrainableQuantization(levels=3, thresholds=[0.3, 0.6])
    layer.build((None, 4))
    x = np.random.default_rng(1).uniform(size=(6, 4)).astype("float32")

    def graph():
        return backend.weight_gradients(lambda: (ops.sum(ops.square(layer(x))), 0.0), [layer.moved])[2]

    (slope,) = backend.compiled(graph, lambda: [layer.moved])()
    slope = ops.convert_to_numpy(slope)
    for place in [(0, 0), (1, 2)]:
        values = []
        for step in (-1e-2, 1e-2):
            moved = np.zeros((2, 4), "float32")
            moved[place] = step
            layer.moved.assign(moved)
            values.append(squares(layer, x))
        assert slope[place] == pytest.approx((values[1] - values[0]) / 2e-2, rel=2e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_own_learning_rate(optimizer) -> None:
    moved = []
    for rate in (1.0, 3.0):
        layer = TrainableQuantization(rate=rate, thresholds="0.4")
        model = keras.Sequential([keras.Input((4,)), layer])
        model.compile(keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": 0.01}}), "mse")
        model.train_on_batch(np.full((5, 4), 0.45, "float32"), np.ones((5, 4), "float32"))
        moved.append(ops.convert_to_numpy(layer.thresholds())[0] - 0.4)
    assert (moved[0] < 0).all(), "a lower threshold brings the output nearer to 1"
    np.testing.assert_allclose(moved[1], 3 * moved[0], rtol=1e-4)


def test_hard_steps_are_smooth_in_training() -> None:
    layer = TrainableQuantization(hard=True)
    assert set(np.unique(ops.convert_to_numpy(layer(X)))) == {0.0, 1.0}
    np.testing.assert_allclose(ops.convert_to_numpy(layer(X, training=True)), by_hand(X, 5.0, [0.5], 2), atol=1e-6)


def slope(layer, x: np.ndarray, how: str) -> np.ndarray:
    if not layer.built:
        layer.build(x.shape)

    def graph(point):
        with gradient_mode.taken(how):
            return backend.input_gradient(lambda point: (ops.sum(layer(point), axis=1), 0.0), point)[2]

    return ops.convert_to_numpy(backend.compiled(graph)(ops.convert_to_tensor(x)))


def test_the_naive_gradient_vanishes_and_the_adaptive_one_does_not() -> None:
    layer = ConstantQuantization()
    far = np.array([[0.9, 0.95, 1.0]], "float32")
    assert (slope(layer, far, "naive") == 0).all(), "float32 says exactly 1 there"
    soft = 5 * sigmoid(5 * (far - 0.5)) * (1 - sigmoid(5 * (far - 0.5)))
    np.testing.assert_allclose(slope(layer, far, "adaptive"), soft, rtol=1e-4)
    with gradient_mode.taken("adaptive"):
        adaptive = ops.convert_to_numpy(layer(X))
    np.testing.assert_array_equal(adaptive, ops.convert_to_numpy(layer(X)))
    hard = ConstantQuantization(hard=True)
    assert (slope(hard, far, "naive") == 0).all() and (slope(hard, far, "adaptive") > 0).all()
    smooth = TrainableQuantization()
    assert not smooth.masks and np.array_equal(slope(smooth, far, "naive"), slope(smooth, far, "adaptive"))


def test_an_adaptive_attack_breaks_what_a_naive_one_does_not(demo_path, digits) -> None:
    model = models.wrap(models.load(demo_path), ["constant-quantization:sharpness=200"])
    x, y = digits.test.batch(slice(0, 150))
    left = {}
    for how in ("naive", "adaptive"):
        attack = attacks.build(f"pgd:steps=10,gradient={how}")
        outcome = attack_all(attack, models.classifier(model), x, y, ball=balls.get("linf", 0.4))
        left[how] = float((outcome.logits.argmax(axis=1) == y).mean())
    assert left["adaptive"] < left["naive"] - 0.1


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("levels=1", SettingError, "Expected levels >= 2; got 1."),
        ("sharpness=0", SettingError, "Expected sharpness > 0; got 0.0."),
        ("surrogate_sharpness=-1", SettingError, "Expected surrogate_sharpness > 0; got -1.0."),
        (
            "levels=3,thresholds=0.6:0.2",
            SettingError,
            "Expected 2 thresholds, ascending between 0 and 1; got 0.6:0.2.",
        ),
        ("levels=3,thresholds=0.6", SettingError, "Expected 2 thresholds, ascending between 0 and 1; got 0.6."),
        ("thresholds=1.5", SettingError, "Expected 1 thresholds, ascending between 0 and 1; got 1.5."),
        ("thresholds=a", SettingError, "Expected thresholds as numbers, such as 0.3:0.6; got 'a'."),
        ("form=v3", SpecError, "Unknown form 'v3'. Did you mean 'v2'?"),
    ],
)
def test_bad_settings(spec, error, words) -> None:
    for name in ("constant-quantization", "trainable-quantization"):
        with pytest.raises(error) as found:
            family.build(f"{name}:{spec}")
        assert str(found.value) == words


def test_bad_rate_and_bounds() -> None:
    with pytest.raises(SettingError, match="Expected rate > 0; got 0.0."):
        family.build("trainable-quantization:rate=0")
    with pytest.raises(SettingError, match="Expected bounds low < high; got 1.0 and 0.0."):
        ConstantQuantization(low=1.0, high=0.0)
