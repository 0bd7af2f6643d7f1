"""Depthwise and separable convolutions with quantized weights: values, draws, gradients, files and training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.defences.test_binarized import filled, kernel_slope, keyed, signs
from turtlenet import defences as family
from turtlenet import gradient_mode, random
from turtlenet.defences import BinarizedDepthwiseConv2D, BinarizedSeparableConv2D, defences
from turtlenet.defences.quantized import UnitClip
from turtlenet.models import classifier, defences_of, load, save

DRAW = np.random.default_rng(3)
IMAGES = DRAW.uniform(size=(6, 8, 8, 2)).astype("float32")
CASES = [
    ("DepthwiseConv1D", (9, 4), {"kernel_size": 3, "depth_multiplier": 2}),
    ("DepthwiseConv1D", (9, 4), {"kernel_size": 2, "strides": 2, "padding": "same"}),
    ("DepthwiseConv2D", (8, 7, 3), {"kernel_size": (3, 2), "depth_multiplier": 2}),
    ("DepthwiseConv2D", (8, 7, 3), {"kernel_size": 3, "dilation_rate": 2, "use_bias": False}),
    ("DepthwiseConv2D", (8, 7, 3), {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}),
    ("SeparableConv1D", (9, 4), {"filters": 5, "kernel_size": 3, "depth_multiplier": 2}),
    ("SeparableConv2D", (8, 7, 3), {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("SeparableConv2D", (8, 7, 3), {"filters": 4, "kernel_size": (2, 3), "depth_multiplier": 3, "activation": "tanh"}),
]
cases = pytest.mark.parametrize(("name", "shape", "settings"), CASES)


def kernels_of(layer) -> list[np.ndarray]:
    return [ops.convert_to_numpy(getattr(layer, name)) for name in layer.kernels]


def pair(prefix: str, name: str, shape, settings, **more):
    """A quantized layer with weights around [-1, 1], and Keras's own."""
    layer, other = getattr(family, prefix + name)(name="drawn", **settings, **more), getattr(layers, name)(**settings)
    layer.build((None, *shape)), other.build((None, *shape))
    layer.set_weights([DRAW.uniform(-1.3, 1.3, value.shape) for value in layer.get_weights()])
    other.set_weights(layer.get_weights())
    return layer, other


def given(other, layer, kernels) -> None:
    """Puts kernels, and the layer's own bias, in a layer of Keras."""
    other.set_weights([*kernels, *layer.get_weights()[len(kernels) :]])


@cases
@pytest.mark.parametrize(
    ("prefix", "rounded"), [("Binarized", signs), ("LowBit", lambda w: np.clip(np.round(w * 2) / 2, -1, 1))]
)
def test_it_computes_with_the_quantized_weights(prefix, rounded, name, shape, settings) -> None:
    layer, other = pair(prefix, name, shape, settings)
    given(other, layer, [rounded(kernel) for kernel in kernels_of(layer)])
    x = DRAW.normal(size=(4, *shape)).astype("float32")
    assert np.allclose(layer(x), other(x), atol=1e-5)
    assert layer.compute_output_shape(x.shape) == layer(x).shape


def test_a_depthwise_convolution_by_hand() -> None:
    layer, _ = pair("Binarized", "DepthwiseConv2D", (5, 4, 3), {"kernel_size": 2, "depth_multiplier": 2})
    x = DRAW.normal(size=(2, 5, 4, 3)).astype("float32")
    (kernel,), bias = kernels_of(layer), ops.convert_to_numpy(layer.bias)
    expected = np.zeros((2, 4, 3, 6))
    for i in range(4):
        for j in range(3):
            patch = np.einsum("bhwc,hwcm->bcm", x[:, i : i + 2, j : j + 2], signs(kernel))
            expected[:, i, j] = patch.reshape(2, 6) + bias
    assert np.allclose(layer(x), expected, atol=1e-5)


@cases
def test_kernels_for_each_example_are_what_keras_computes_one_by_one(name, shape, settings) -> None:
    layer, other = pair("Binarized", name, shape, settings, stochastic=True)
    x = DRAW.normal(size=(4, *shape)).astype("float32")
    with gradient_mode.taken("adaptive", random.keys(5, np.arange(4))):
        result = ops.convert_to_numpy(layer(x))
        keys = [random.fold_in(layer.key(), number) if number else layer.key() for number in range(2)]
        draws = [
            ops.convert_to_numpy(random.uniform(key, kernel.shape))
            for key, kernel in zip(keys, kernels_of(layer), strict=False)
        ]
    chances = [np.clip((kernel + 1) / 2, 0, 1) for kernel in kernels_of(layer)]
    for number in range(4):
        drawn = [np.where(draw[number] < chance, 1.0, -1.0) for draw, chance in zip(draws, chances, strict=True)]
        given(other, layer, drawn)
        assert np.allclose(result[number], other(x[number : number + 1])[0], atol=1e-5)


@pytest.mark.parametrize("kind", [BinarizedDepthwiseConv2D, BinarizedSeparableConv2D])
def test_channels_come_first_where_they_should(kind) -> None:
    settings = {"kernel_size": 3, "stochastic": True, "name": "drawn"}
    settings |= {"filters": 3} if kind is BinarizedSeparableConv2D else {}
    last, first = kind(**settings), kind(**settings, data_format="channels_first")
    x = IMAGES[:4]
    last.build(x.shape), first.build(x.transpose(0, 3, 1, 2).shape)
    for layer in (last, first):
        layer.set_weights([np.random.default_rng(0).normal(0, 0.5, value.shape) for value in last.get_weights()])
    assert np.allclose(keyed(first, x.transpose(0, 3, 1, 2)), keyed(last, x).transpose(0, 3, 1, 2), atol=1e-5)


def test_real_weights_have_the_slope_of_their_signs_up_to_one() -> None:
    layer, _ = pair("Binarized", "DepthwiseConv1D", (6, 2), {"kernel_size": 1})
    real = np.array([0.3, -1.2]).reshape(1, 2, 1)
    layer.kernel.assign(real)
    x, upstream = (DRAW.normal(size=(4, 6, 2)).astype("float32") for _ in range(2))
    expected = (x * upstream).sum(axis=(0, 1)) * [1, 0]
    assert np.allclose(kernel_slope(layer, x, upstream)[0, :, 0], expected, atol=1e-5) and expected[0] != 0


def test_each_kernel_is_clipped_but_where_the_caller_said_otherwise() -> None:
    layer = BinarizedSeparableConv2D(3, 2, pointwise_constraint=keras.constraints.MaxNorm(2))
    assert isinstance(layer.depthwise_constraint, UnitClip)
    assert isinstance(layer.pointwise_constraint, keras.constraints.MaxNorm)
    again = BinarizedSeparableConv2D.from_config(layer.get_config())
    assert isinstance(again.pointwise_constraint, keras.constraints.MaxNorm)


def mobile() -> keras.Model:
    """What a small MobileNet is made of."""
    parts = [
        keras.Input((8, 8, 2)),
        layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.Conv2D(6, 1),
        layers.SeparableConv2D(6, 3, activation="relu", name="separable"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4, activation="softmax"),
    ]
    model = keras.Sequential(parts)
    kept = [isinstance(layer, layers.BatchNormalization) for layer in model.layers]
    for layer, whole in zip(model.layers, kept, strict=True):
        if not whole and layer.weights:
            filled(keras.Sequential([keras.Input(layer.input.shape[1:]), layer]))
    return model


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("spec", ["binarized", "binarized:stochastic=true,activations=true", "k-bit:bits=3"])
def test_a_small_mobile_net_converts_trains_and_saves(spec, suffix, tmp_path) -> None:
    model = mobile()
    made = defences.build(spec).convert(model)
    names = [type(each).__name__ for each in made.layers if hasattr(each, "kernels")]
    assert [name.removeprefix("Binarized").removeprefix("LowBit") for name in names] == [
        "Conv2D", "DepthwiseConv2D", "Conv2D", "SeparableConv2D", "Dense",
    ]  # fmt: skip
    before = [kernel for each in made.layers if hasattr(each, "kernels") for kernel in kernels_of(each)]
    made.compile(keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy")
    made.fit(IMAGES, np.arange(6) % 4, epochs=4, batch_size=6, verbose=0)
    after = [kernel for each in made.layers if hasattr(each, "kernels") for kernel in kernels_of(each)]
    assert len(after) == 6 and all(np.abs(kernel).max() <= 1 for kernel in after)
    assert all(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    save(made, tmp_path / f"model{suffix}")
    loaded = load(tmp_path / f"model{suffix}")
    assert np.array_equal(keyed(loaded, IMAGES), keyed(made, IMAGES))
    assert len(defences_of(loaded)) >= 5 and np.isfinite(classifier(loaded, draws=2).predict(IMAGES)).all()


def test_transposed_convolutions_stay_real() -> None:
    parts = [keras.Input((4, 4, 2)), layers.Conv2DTranspose(2, 3), layers.Flatten(), layers.Dense(3)]
    made = defences.build("binarized").convert(keras.Sequential(parts))
    assert type(made.layers[0]) is layers.Conv2DTranspose and hasattr(made.layers[-1], "kernels")
