"""Interval bounds: sound for every kind of layer, exact for linear nets."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.certification.nets import CLASSES, NETS, images, net, points
from turtlenet.certification import Elementwise, bounds, margins, network_of, rule
from turtlenet.errors import ModelError


@pytest.mark.parametrize("name", NETS)
def test_no_sampled_point_leaves_the_bounds(name: str) -> None:
    model, x, y = net(name), images(name), np.arange(3, dtype="int32") % CLASSES
    network = network_of(model)
    for eps in (0.0, 0.1):
        low, high = x - np.float32(eps), x + np.float32(eps)
        below, above = (np.asarray(part) for part in bounds(network, low, high))
        gaps = np.asarray(margins(network, low, high, y))
        tried = points(low, high, 40)
        logits = np.asarray(model(tried.reshape(-1, *x.shape[1:]), training=False)).reshape(40, *below.shape)
        assert (below <= logits).all()
        assert (logits <= above).all()
        differences = np.take_along_axis(logits, y[None, :, None], axis=2) - logits
        assert (differences >= gaps).all()
        # Folded in, the last layer is bounded no more loosely.
        assert (gaps >= np.take_along_axis(below, y[:, None], axis=1) - above - 1e-3 * np.abs(above).max()).all()
        if eps == 0:
            assert np.abs(above - below).max() < 1e-4 * (10 + np.abs(above).max())


def test_bounds_of_a_linear_net_are_reached() -> None:
    model, x = net("linear"), images("linear")
    kernel, bias = (np.asarray(weight, "float64") for weight in model.get_weights())
    below, above = (np.asarray(part) for part in bounds(model, x - 0.1, x + 0.1))
    np.testing.assert_allclose(below, x @ kernel + bias - 0.1 * np.abs(kernel).sum(0), atol=1e-5)
    np.testing.assert_allclose(above, x @ kernel + bias + 0.1 * np.abs(kernel).sum(0), atol=1e-5)
    gaps = np.asarray(margins(model, x - 0.1, x + 0.1, np.zeros(3, "int32")))
    differences = kernel[:, :1] - kernel
    exact = x @ differences + bias[0] - bias - 0.1 * np.abs(differences).sum(0)
    np.testing.assert_allclose(gaps, exact * [0, 1, 1], atol=1e-5)


def test_behind_two_levels_only_pixels_near_the_threshold_are_free() -> None:
    network = network_of(net("quantized"))
    x = np.array([[0.0, 0.1, 0.3, 0.45, 0.5, 0.55, 0.7, 1.0]], "float32")
    box = network.nodes[0].step.interval(*[type("Box", (), {"low": x - 0.1, "high": x + 0.1, "positive": False})()])
    np.testing.assert_array_equal(np.asarray(box.high > box.low)[0], [0, 0, 0, 1, 1, 1, 0, 0])


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            lambda: layers.LayerNormalization(name="odd"),
            r"'odd' \(LayerNormalization\) has none, so nothing is certified",
        ),
        (lambda: layers.Dense(4, "mish", name="odd"), r"'odd' has mish, which has none"),
        (lambda: layers.Dense(4, dtype="mixed_bfloat16", name="odd"), r"computes in float32.*'odd' has bfloat16"),
        (lambda: _Own(4, name="odd"), r"'odd' \(_Own\) has none"),
    ],
)
def test_what_has_no_rule_is_named(layer, said: str) -> None:
    model = keras.Sequential([keras.Input((5,)), layer(), layers.Dense(3)])
    with pytest.raises(ModelError, match=said):
        network_of(model)


class _Own(layers.Dense):
    """Somebody's layer, which computes something else than its base."""

    def call(self, inputs):
        return super().call(inputs) ** 2


def test_a_layer_that_draws_is_refused() -> None:
    from turtlenet.defences import InferenceDropout

    model = keras.Sequential([keras.Input((5,)), InferenceDropout(0.5, name="coin"), layers.Dense(3)])
    with pytest.raises(ModelError, match=r"'coin' \(InferenceDropout\) draws random numbers"):
        network_of(model)


@pytest.mark.parametrize(("kind", "terms"), [(layers.Add, 12), (layers.Average, 13)])
def test_rounding_of_a_sum_grows_with_its_parts(kind, terms: int) -> None:
    source = keras.Input((3,))
    network = network_of(keras.Model(source, kind()([layers.ReLU()(source) for _ in range(12)])))
    assert network.nodes[-1].step.terms == terms


def test_several_inputs_are_refused() -> None:
    one, other = keras.Input((5,)), keras.Input((5,))
    with pytest.raises(ModelError, match="Expected a model of one input and one output to bound it; got 2 and 1"):
        network_of(keras.Model([one, other], layers.Dense(3)(layers.Add()([one, other]))))


@pytest.mark.parametrize("last", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
def test_open_sides_are_refused(last) -> None:
    model = keras.Sequential(
        [keras.Input((None, None, 2)), layers.Conv2D(3, 3, name="first"), last(), layers.Dense(3)]
    )
    with pytest.raises(ModelError, match=r"with fixed sides to bound it; 'first' has \(None, None, 2\)"):
        network_of(model)


def test_anyone_may_add_a_rule() -> None:
    class Cube(layers.Layer):
        def call(self, x):
            return x**3

    @rule(Cube)
    def _cube(layer):
        return [Elementwise(lambda x: x**3, error=1e-6)]

    model = keras.Sequential([keras.Input((1,)), Cube(), layers.Dense(1, kernel_initializer="ones")])
    below, above = bounds(model, np.array([[-1.0]], "float32"), np.array([[2.0]], "float32"))
    assert float(below[0, 0]) == pytest.approx(-1, abs=1e-4)
    assert float(above[0, 0]) == pytest.approx(8, abs=1e-4)


def test_rounding_is_within_what_is_allowed_for() -> None:
    """The model's own float32 sums, and those of the bounds, against float64."""
    draw = np.random.default_rng(0)
    kernel, bias = draw.normal(size=(3000, 3)) * 10, draw.normal(size=3) * 100
    model = keras.Sequential([keras.Input((3000,)), layers.Dense(3)])
    model.layers[-1].set_weights([kernel, bias])
    x = draw.uniform(100, 101, size=(4, 3000)).astype("float32")
    below, above = (np.asarray(part, "float64") for part in bounds(model, x, x))
    true = x.astype("float64") @ kernel.astype("float32").astype("float64") + bias.astype("float32")
    assert (below <= true).all()
    assert (true <= above).all()
    assert (above > below).all()
