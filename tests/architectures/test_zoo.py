"""The architectures have the sizes that the papers give."""

import math

import numpy as np
import pytest

from turtlenet.errors import SettingError, SpecError
from turtlenet.models import architectures, build

MNIST, CIFAR = (28, 28, 1), (32, 32, 3)

# Name, input shape, weights that an optimizer moves.
SIZES = [
    ("cleverhans", MNIST, 710_218),
    ("cleverhans", CIFAR, 722_250),
    ("lenet", MNIST, 61_706),
    ("turtlenet-mnist", MNIST, 887_530),
    # Convolutions and dense layer, then a scale and a shift for each of the 448 normalized channels.
    ("turtlenet-cifar", CIFAR, 307_498 + 2 * 448),
    ("carlini-mnist", MNIST, 312_202),
    ("carlini-cifar", CIFAR, 1_147_978),
    ("tramer-a", MNIST, 924_746),
    ("tramer-b", MNIST, 710_218),
    ("madry-mnist", MNIST, 3_274_634),
    ("wong-mnist", MNIST, 166_406),
    ("mlp", (40,), 41 * 128 + 129 * 128 + 129 * 10),
    ("mlp:units=3,depth=1", (5, 2), 11 * 3 + 4 * 10),
    ("resnet18", CIFAR, 11_173_962),
    # Kernels and biases, then a scale and a shift for each of the 1,024 normalized channels.
    ("cnn7", MNIST, 13_257_290 + 2 * 1024),
    ("cnn7:width=3", MNIST, 29_440 + 2 * 48),
]
SMALLEST = {"cleverhans": 27, "lenet": 12, "turtlenet-mnist": 4, "turtlenet-cifar": 8}
SMALLEST |= {"tramer-a": 10, "tramer-b": 27, "carlini-mnist": 16, "carlini-cifar": 16}


@pytest.mark.parametrize(("name", "shape", "size"), SIZES)
def test_size(name, shape, size):
    model = build(name, shape)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == size
    assert model.input_shape == (None, *shape)
    assert not model.compiled


def test_every_architecture_is_measured():
    assert {name.partition(":")[0] for name, _, _ in SIZES} == set(architectures.names())


@pytest.mark.parametrize("name", architectures.names())
def test_ends_in_probabilities(name):
    model = build(name, (29, 33, 2), num_classes=7)
    images = np.random.default_rng(0).uniform(size=(2, 29, 33, 2)).astype("float32")
    chances = np.asarray(model(images, training=False))
    assert chances.shape == (2, 7)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("name", "side"), SMALLEST.items())
def test_the_smallest_image(name, side):
    assert build(name, (side, side, 1)).output_shape == (None, 10)
    with pytest.raises(SettingError, match=rf"at least {side}x{side} pixels for '{name}'; got {side}x{side - 1}\."):
        build(name, (side, side - 1, 1))


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 0), (None, 28, 1), (28.5, 28, 1)])
def test_refuses_what_is_no_image(shape):
    with pytest.raises(SettingError, match="Expected an input shape"):
        build("lenet", shape)


def test_an_mlp_takes_any_shape_but_one_left_open():
    with pytest.raises(SettingError, match="Expected an input shape of positive whole numbers for 'mlp'; got"):
        build("mlp", (None, 3))
    with pytest.raises(SettingError, match="Expected depth >= 1; got 0"):
        build("mlp:depth=0", (3,))


@pytest.mark.parametrize("classes", [1, 0, -3, 2.5, True])
def test_refuses_too_few_classes(classes):
    with pytest.raises(SettingError, match="at least 2 classes"):
        build("lenet", MNIST, classes)


def test_unknown_name():
    with pytest.raises(SpecError, match="Did you mean 'resnet18'"):
        build("resnet-18")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cnn7:width=0", r"Expected width >= 1 for 'cnn7'; got 0\."),
        ("cnn7:width=wide", "Setting 'width' of model 'cnn7' must be int; got 'wide'"),
        ("cnn7:init=ipb", "Unknown init 'ipb' of 'cnn7'. Did you mean 'ibp'"),
        ("lenet:width=3", "Unknown setting 'width' of model 'lenet'"),
    ],
)
def test_bad_settings_of_an_architecture(spec, words):
    with pytest.raises((SettingError, SpecError), match=words):
        build(spec)


def test_the_initialization_keeps_the_width_of_intervals():
    """Through each layer, normalization aside: |W| of a box, and half of it through a ReLU."""
    model = build("cnn7:width=8", (14, 14, 1))
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel = np.asarray(layer.kernel, "float64")
        kept = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0).mean() / 2
        assert kept == pytest.approx(1, abs=0.12)
