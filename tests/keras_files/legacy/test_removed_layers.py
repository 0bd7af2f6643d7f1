"""What Keras 3 no longer has gives what it gave: against tf_keras, and by hand for what only Keras 1 had."""

import keras
import numpy as np
import pytest

from turtlenet import backend
from turtlenet.keras_files.legacy import removed_layers

tf_keras = pytest.importorskip("tf_keras")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def filled(layer, x):
    """The layer after a first call, its weights drawn at random."""
    layer(x)
    layer.set_weights([drawn(*w.shape, seed=i + 1) for i, w in enumerate(layer.get_weights())])
    return layer


def check_kept(layer, x, tmp_path):
    """Both file formats give the layer back, and it has a gradient at its input."""
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    expected = np.asarray(model(x))
    assert model.output_shape[1:] == expected.shape[1:] == layer.compute_output_shape((None, *x.shape[1:]))[1:]
    for name in ("model.keras", "model.h5"):
        keras.saving.save_model(model, tmp_path / name)
        again = keras.saving.load_model(tmp_path / name)
        np.testing.assert_allclose(again(x), expected, atol=1e-6)
        assert again.layers[-1].get_config() == layer.get_config()

    def loss(x):
        return keras.ops.sum(keras.ops.square(model(x)), axis=tuple(range(1, expected.ndim))), ()

    *_, slope = backend.input_gradient(loss, keras.ops.convert_to_tensor(x))
    assert slope is not None and np.abs(np.asarray(slope)).max() > 0


@pytest.fixture(autouse=True)
def _no_remarks():
    # Keras advises against .h5, which is what is tested.
    from turtlenet.keras_files.quiet import quiet

    with quiet():
        yield


LOCAL = [
    ("LocallyConnected1D", (7, 3), {"kernel_size": 3, "strides": 2}),
    ("LocallyConnected1D", (7, 3), {"kernel_size": [2], "activation": "relu", "use_bias": False}),
    ("LocallyConnected2D", (6, 5, 2), {"kernel_size": 3}),
    ("LocallyConnected2D", (6, 7, 2), {"kernel_size": [2, 3], "strides": [2, 1], "activation": "tanh"}),
]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("implementation", "padding"), [(1, "valid"), (2, "valid"), (3, "valid"), (2, "same"), (3, "same")]
)
@pytest.mark.parametrize(("name", "shape", "settings"), LOCAL)
def test_locally_connected(name, shape, settings, padding, implementation, data_format):
    x = drawn(2, *shape) if data_format == "channels_last" else drawn(2, shape[-1], *shape[:-1])
    settings = {"filters": 4, **settings, "padding": padding, "implementation": implementation}
    old = filled(getattr(tf_keras.layers, name)(**settings, data_format=data_format), x)
    new = getattr(removed_layers, name).from_config({**old.get_config(), "dtype": "float32"})
    new.build(x.shape)
    assert [w.shape for w in new.weights] == [tuple(w.shape) for w in old.weights]
    new.set_weights(old.get_weights())
    np.testing.assert_allclose(new(x), old(x), atol=1e-5)


@pytest.mark.parametrize("implementation", [1, 2, 3])
def test_locally_connected_is_kept(implementation, tmp_path):
    x = drawn(2, 5, 4, 2)
    layer = removed_layers.LocallyConnected2D(3, 2, implementation=implementation, kernel_regularizer="l2")
    check_kept(filled(layer, x), x, tmp_path)


def test_locally_connected_refuses():
    with pytest.raises(ValueError, match="Expected implementation 1 with padding 'valid'"):
        removed_layers.LocallyConnected2D(3, 2, padding="same")
    with pytest.raises(ValueError, match="Expected an input of known size"):
        removed_layers.LocallyConnected2D(3, 2)(keras.Input((None, 4, 2)))


def test_random_fourier_features(tmp_path):
    x = drawn(3, 5)
    for kernel in ("gaussian", "laplacian", "glorot_normal"):
        own = {"kernel_initializer": tf_keras.initializers.GlorotNormal()} if "glorot" in kernel else {}
        settings = {"output_dim": 4, "kernel_initializer": kernel, "scale": None if own else 2.0}
        old = tf_keras.layers.experimental.RandomFourierFeatures(**{**settings, **own})
        expected = old(x)
        new = removed_layers.RandomFourierFeatures(**settings)
        new.build(x.shape)
        new.set_weights(old.get_weights())
        np.testing.assert_allclose(new(x), expected, atol=1e-5)
        assert not new.trainable_weights
    check_kept(new, x, tmp_path)
    assert len(filled(removed_layers.RandomFourierFeatures(4, trainable=True), x).trainable_weights) == 1


def test_maxout_dense(tmp_path):
    x, kernel, bias = drawn(3, 5), drawn(4, 5, 2, seed=1), drawn(4, 2, seed=2)
    layer = removed_layers.MaxoutDense(2)
    layer(x)
    layer.set_weights([kernel, bias])
    expected = np.max([x @ kernel[k] + bias[k] for k in range(4)], axis=0)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    check_kept(layer, x, tmp_path)
    bare = removed_layers.MaxoutDense(2, num_features=3, use_bias=False)
    assert [w.shape for w in filled(bare, x).weights] == [(3, 5, 2)]


def test_highway(tmp_path):
    x, bare = drawn(3, 4), filled(removed_layers.Highway(use_bias=False), drawn(3, 4))
    layer = filled(removed_layers.Highway(activation="tanh"), x)
    kernel, carry, bias, carry_bias = layer.get_weights()
    gate = 1 / (1 + np.exp(-(x @ carry + carry_bias)))
    np.testing.assert_allclose(layer(x), gate * np.tanh(x @ kernel + bias) + (1 - gate) * x, atol=1e-5)
    kernel, carry = bare.get_weights()
    gate = 1 / (1 + np.exp(-x @ carry))
    np.testing.assert_allclose(bare(x), gate * (x @ kernel) + (1 - gate) * x, atol=1e-5)
    check_kept(layer, x, tmp_path)


@pytest.mark.parametrize(("shared", "shape"), [(None, (3, 4, 2)), ([1, 2], (1, 1, 2)), (3, (3, 4, 1))])
def test_srelu(shared, shape, tmp_path):
    x = 3 * drawn(5, 3, 4, 2)
    layer = filled(removed_layers.SReLU(shared_axes=shared), x)
    assert [(w.name, w.shape) for w in layer.weights] == [
        (name, shape) for name in ("t_left", "a_left", "t_right", "a_right")
    ]
    left, left_slope, right, right_slope = layer.get_weights()
    right = left + np.abs(right)
    low, high = left + left_slope * (x - left), right + right_slope * (x - right)
    np.testing.assert_allclose(layer(x), np.where(x <= left, low, np.where(x >= right, high, x)), atol=1e-5)
    check_kept(layer, x, tmp_path)


def test_srelu_of_theano(tmp_path):
    """Where the left line falls towards the bend, it is cut at the height of the right one."""
    x = 3 * drawn(5, 8)
    layer = filled(removed_layers.SReLU(bounded=True), x)
    left, left_slope, right, right_slope = layer.get_weights()
    width = np.abs(right)
    past = x - left
    line = np.minimum(np.where(past > 0, past, left_slope * past), width)
    known = left + line + np.maximum(past - width, 0) * right_slope
    np.testing.assert_allclose(layer(x), known, atol=1e-5)
    check_kept(layer, x, tmp_path)


def test_cosine():
    a, b = drawn(5, 4), drawn(5, 4, seed=1)
    known = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    layer = removed_layers.Cosine()
    np.testing.assert_allclose(layer([a, b]), known[:, None, None], atol=1e-6)
    np.testing.assert_array_equal(layer([0 * a, b]), np.zeros((5, 1, 1)))
    assert layer.compute_output_shape([(None, 4), (None, 4)]) == (None, 1, 1)
    with pytest.raises(ValueError, match="Expected two vectors"):
        removed_layers.Cosine()([a[:, None], b[:, None]])


def test_parametric_softplus(tmp_path):
    x = drawn(5, 3, 2)
    start = removed_layers.ParametricSoftplus()
    np.testing.assert_allclose(start(x), 0.2 * np.log1p(np.exp(5 * x)), atol=1e-5)
    layer = filled(removed_layers.ParametricSoftplus(shared_axes=[1]), x)
    alphas, betas = layer.get_weights()
    assert alphas.shape == (1, 2)
    np.testing.assert_allclose(layer(x), alphas * np.log1p(np.exp(betas * x)), atol=1e-5)
    check_kept(layer, x, tmp_path)


def test_hard_sigmoid(tmp_path):
    x = np.linspace(-4, 4, 33, dtype="float32")[None]
    old = tf_keras.layers.Activation("hard_sigmoid")(x)
    np.testing.assert_allclose(removed_layers.keras2_hard_sigmoid(x), old, atol=1e-6)
    named = {"module": "builtins", "class_name": "function", "config": "turtlenet>keras2_hard_sigmoid"}
    layer = keras.layers.Activation.from_config({"activation": named})
    np.testing.assert_allclose(layer(x), old, atol=1e-6)
    check_kept(layer, x, tmp_path)
