"""Gradients at the input and at the weights: against the framework's own, and by hand where that one fails."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from turtlenet import backend


def gradients(layer: keras.Layer, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slope of a weighted sum of squares of a layer's outputs: compiled, and as the framework has it eagerly."""

    def slope(x: object) -> object:
        def loss(x: object) -> tuple[object, object]:
            return ops.sum(ops.square(layer(x)), axis=(1, 2, 3)), None

        return backend.input_gradient(loss, x)[2]

    layer.build(x.shape)
    x = ops.convert_to_tensor(x)
    fast = backend.compiled(slope, lambda: layer.variables)
    return ops.convert_to_numpy(fast(x)), ops.convert_to_numpy(slope(x))


# Gradients of our own are there for TensorFlow only.
@pytest.mark.tensorflow
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 5),
    filters=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.integers(1, 4),
    padding=st.sampled_from(["same", "valid"]),
    batch=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_thin_convolution(size, channels, filters, kernel, strides, padding, batch):
    if padding == "valid" and (kernel[0] > size[0] or kernel[1] > size[1]):
        return
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2D(filters, kernel, strides=strides, padding=padding)
    x = np.random.default_rng(1).normal(size=(batch, *size, channels)).astype("float32")
    fast, plain = gradients(layer, x)
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, 3, dilation_rate=2),
        keras.layers.Conv2D(4, 3, groups=2),
        keras.layers.Conv2D(3, (3, 5), strides=(2, 2), padding="same", use_bias=False),
        keras.layers.DepthwiseConv2D(3, padding="same"),
        keras.layers.Conv2DTranspose(2, 3, strides=2),
        keras.layers.SeparableConv2D(3, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_convolutions(layer):
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")
    fast, plain = gradients(layer, x)
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "strides"), [(60, 2), (7, 3), (8, (2, 1))])
def test_the_kernel_of_a_shortcut(padding, size, strides):
    # With 8 channels at 60x60 TensorFlow's own gradient ends the process.
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2D(16, 1, strides=strides, padding=padding)
    x = np.random.default_rng(1).normal(size=(4, size, size, 8)).astype("float32")
    layer.build(x.shape)

    def descend(x):
        def loss():
            return ops.sum(ops.square(layer(x))), None

        return backend.weight_gradients(loss, layer.trainable_variables)[2]

    kernel, bias = (ops.convert_to_numpy(each) for each in backend.compiled(descend)(ops.convert_to_tensor(x)))
    down, across = strides if isinstance(strides, tuple) else (strides, strides)
    taken, outputs = x[:, ::down, ::across], 2 * ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(kernel[0, 0], np.einsum("bijc,bijf->cf", taken, outputs), rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(bias, outputs.sum(axis=(0, 1, 2)), rtol=1e-3, atol=1e-2)


def test_any_batch_size():
    layer = keras.layers.Conv2D(2, 3)
    x = np.random.default_rng(1).normal(size=(4, 6, 6, 1)).astype("float32")
    layer.build(x.shape)

    def loss(x):
        return ops.sum(ops.square(layer(x)), axis=(1, 2, 3)), None

    graph = backend.compiled(lambda x: backend.input_gradient(loss, x)[2])
    whole = ops.convert_to_numpy(graph(ops.convert_to_tensor(x)))
    for size in (1, 2, 3):
        part = ops.convert_to_numpy(graph(ops.convert_to_tensor(x[:size])))
        np.testing.assert_allclose(part, whole[:size], rtol=1e-5, atol=1e-5)


def test_no_influence_is_zero():
    x = ops.ones((2, 3))
    graph = backend.compiled(lambda x: backend.input_gradient(lambda x: (ops.ones((2,)), x), x)[2])
    assert not ops.convert_to_numpy(graph(x)).any()
