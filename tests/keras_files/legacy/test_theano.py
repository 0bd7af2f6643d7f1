"""What Theano padded otherwise, against sums by hand; files that it wrote are under `test_old_files`."""

import itertools
import re

import keras
import numpy as np
import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.removed_layers.theano import HALF_PADDED
from turtlenet.keras_files.legacy.upgrade import upgrade

SAME = {"name": "it", "padding": "same"}
BIASED = [("Conv2D", 2), ("Conv3D", 2), ("SeparableConv2D", 3), ("DepthwiseConv2D", 2)]


def upgraded(class_name, version="2.2.4", backend="theano", **config):
    """One layer after the upgrade of a model that has it alone."""
    layer = {"class_name": class_name, "config": SAME | {"batch_input_shape": [None, 7, 8, 9, 2]} | config}
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
    return upgrade(model, KerasVersion.of(version, backend, otherwise=2)).config["config"]["layers"][1]


def name_of(layer):
    return layer.get("registered_name") or layer["class_name"]


@pytest.mark.parametrize(
    ("class_name", "config", "expected"),
    [
        ("Conv2D", {"kernel_size": [3, 3], "strides": [2, 2]}, "turtlenet>TheanoConv2D"),
        ("Conv2D", {"kernel_size": [2, 3], "strides": [1, 1]}, "turtlenet>TheanoConv2D"),
        ("Conv2D", {"kernel_size": [3, 3], "strides": [1, 1]}, "Conv2D"),
        ("Conv2D", {"kernel_size": [1, 1], "strides": [2, 2]}, "Conv2D"),
        ("Conv2D", {"kernel_size": [2, 2], "strides": [2, 2], "padding": "valid"}, "Conv2D"),
        ("Conv2D", {"kernel_size": [2, 2], "data_format": "channels_first"}, "turtlenet>TheanoChannelsFirstConv2D"),
        ("Conv1D", {"kernel_size": 2, "strides": 1}, "turtlenet>TheanoConv1D"),
        ("Conv3D", {"kernel_size": [2, 2, 2], "strides": [1, 1, 1]}, "turtlenet>TheanoConv3D"),
        ("Conv2DTranspose", {"kernel_size": [3, 3], "strides": [2, 2]}, "turtlenet>TheanoConv2DTranspose"),
        ("Conv2DTranspose", {"kernel_size": [3, 3], "strides": [1, 1]}, "Conv2DTranspose"),
        ("SeparableConv2D", {"kernel_size": [3, 3], "strides": [2, 2]}, "turtlenet>TheanoSeparableConv2D"),
        ("MaxPooling2D", {"pool_size": [2, 2], "strides": None}, "turtlenet>TheanoMaxPooling2D"),
        ("MaxPooling2D", {"pool_size": [3, 3], "strides": [1, 1]}, "MaxPooling2D"),
        ("MaxPooling2D", {"pool_size": [5, 5], "strides": [1, 1]}, "turtlenet>TheanoMaxPooling2D"),
        ("AveragePooling2D", {"pool_size": [3, 3], "strides": [1, 1]}, "AveragePooling2D"),
        ("AveragePooling3D", {"pool_size": [2, 2, 2]}, "turtlenet>TheanoAveragePooling3D"),
        ("ConvLSTM2D", {"kernel_size": [3, 3], "strides": [1, 1]}, "ConvLSTM2D"),
    ],
)
def test_what_is_padded_by_half(class_name, config, expected):
    assert name_of(upgraded(class_name, **config)) == expected
    assert name_of(upgraded(class_name, backend="tensorflow", **config)).endswith(class_name)
    assert "Theano" not in name_of(upgraded(class_name, backend="tensorflow", **config))


@pytest.mark.parametrize(
    ("class_name", "version", "config", "expected"),
    [
        ("ConvLSTM2D", "2.2.4", {"kernel_size": [2, 3], "padding": "valid"}, "an odd kernel and stride 1"),
        ("ConvLSTM2D", "2.2.4", {"kernel_size": [3, 3], "strides": [2, 2]}, "an odd kernel and stride 1"),
        ("Conv2DTranspose", "2.2.4", {"kernel_size": [3, 2]}, "an odd kernel and stride 1"),
        ("SeparableConv2D", "2.2.4", {"kernel_size": [2, 2]}, "an odd kernel and stride 1"),
        ("Conv3D", "1.2.2", {"kernel_size": [2, 2, 2]}, "an odd kernel and stride 1"),
        ("Conv2DTranspose", "2.2.4", {"kernel_size": [3, 3], "strides": [2, 2], "dilation_rate": 2}, "no dilation"),
    ],
)
def test_refused(class_name, version, config, expected):
    with pytest.raises(ModelError) as caught:
        upgraded(class_name, version, **config)
    assert str(caught.value) == f"Expected {expected} in {class_name} 'it', as Theano wrote it."


def test_srelu_is_bounded():
    assert upgraded("SReLU", "1.2.2")["config"]["bounded"] is True
    assert "bounded" not in upgraded("SReLU", "1.2.2", backend="tensorflow")["config"]


@pytest.mark.parametrize(
    ("version", "counts"), [("1.2.2", 0), ("2.0.3", 0), ("2.0.4", 1), ("2.1.4", 1), ("2.1.5", 0), ("2.3.1", 0)]
)
def test_padding_counted_in_averages_for_a_while(version, counts):
    layer = upgraded("AveragePooling2D", version, pool_size=[3, 3], strides=[1, 1])
    assert layer["config"].get("count_padding", False) is bool(counts)
    assert "count_padding" not in upgraded("AveragePooling3D", version, pool_size=[2, 2, 2])["config"]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(kind, **config):
    return keras.saving.get_registered_object(HALF_PADDED[kind])(padding="same", **config)


def filled(layer, x):
    layer.build(x.shape)
    layer.set_weights([drawn(*w.shape, seed=i + 1) for i, w in enumerate(layer.get_weights())])
    return layer


def windows(x, sizes, strides, before):
    """The numbers (rows, columns, channels) in each window and their places; what lies outside is left out."""
    for at in itertools.product(*(range(-(-n // step)) for n, step in zip(x.shape, strides, strict=False))):
        starts = [i * step - less for i, step, less in zip(at, strides, before, strict=True)]
        yield (
            at,
            [
                (tap, place)
                for tap in itertools.product(*map(range, sizes))
                if all(0 <= s + t < n for s, t, n in zip(starts, tap, x.shape, strict=False))
                for place in [tuple(s + t for s, t in zip(starts, tap, strict=True))]
            ],
        )


@pytest.mark.parametrize(("sizes", "strides"), [((2, 3), (1, 1)), ((3, 3), (2, 2)), ((4, 5), (3, 1))])
def test_convolution(sizes, strides):
    x = drawn(1, 8, 7, 2)
    layer = filled(made("Conv2D", filters=3, kernel_size=sizes, strides=strides), x)
    kernel, bias = layer.get_weights()
    outputs = np.asarray(layer(x))
    assert outputs.shape == layer.compute_output_shape(x.shape)
    for at, taps in windows(x[0], sizes, strides, [size // 2 for size in sizes]):
        known = sum(x[0][place] @ kernel[tap] for tap, place in taps) + bias
        np.testing.assert_allclose(outputs[0][at], known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("sizes", "strides"), [((3, 3), (2, 2)), ((5, 3), (3, 2)), ((3, 1), (4, 1))])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_transposed_convolution_is_the_gradient_of_one(sizes, strides, data_format):
    """Each number of the input goes where the convolution would have read it from."""
    x = drawn(1, 3, 4, 2)
    first = data_format == "channels_first"
    config = {"filters": 3, "kernel_size": sizes, "strides": strides, "data_format": data_format}
    given = x.transpose(0, 3, 1, 2) if first else x
    layer = filled(made("Conv2DTranspose", **config), given)
    kernel, bias = layer.get_weights()
    known = np.zeros((3 * strides[0], 4 * strides[1], 3), "float32") + bias
    for at, taps in windows(known, sizes, strides, [size // 2 for size in sizes]):
        for tap, place in taps:
            known[place] += kernel[tap] @ x[0][at]
    outputs = np.asarray(layer(given))[0]
    np.testing.assert_allclose(outputs.transpose(1, 2, 0) if first else outputs, known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "strides", "before"), [((2, 2), (2, 2), (1, 1)), ((3, 4), (2, 1), (1, 3)), ((5, 1), (2, 2), (3, 0))]
)
def test_pooling(sizes, strides, before):
    x = drawn(1, 8, 7, 2)
    config = {"pool_size": sizes, "strides": strides}
    largest, average = made("MaxPooling2D", **config)(x), made("AveragePooling2D", **config)(x)
    counting = made("AveragePooling2D", count_padding=True, **config)(x)
    for at, taps in windows(x[0], sizes, strides, before):
        values = np.stack([x[0][place] for _, place in taps])
        np.testing.assert_allclose(largest[0][at], values.max(axis=0), atol=1e-6)
        np.testing.assert_allclose(average[0][at], values.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(counting[0][at], values.sum(axis=0) / np.prod(sizes), rtol=1e-4, atol=1e-5)


def test_pooling_of_unknown_size():
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, made("MaxPooling2D", pool_size=2)(inputs))
    x = drawn(1, 5, 7, 2)
    known = made("MaxPooling2D", pool_size=2)(x)
    np.testing.assert_array_equal(model.predict_on_batch(x), known)


@pytest.mark.parametrize("name", HALF_PADDED)
def test_lasts(name, tmp_path):
    config: dict = {"data_format": "channels_first"} if "ChannelsFirst" in name else {}
    if "Pooling" in name:
        config |= {"pool_size": 2}
    else:
        config |= {"kernel_size": 3, "strides": 2} | ({} if "Depthwise" in name else {"filters": 2})
    x = drawn(2, 5, *[5] * int(re.search(r"(\d)D", name)[1]))
    model = keras.Sequential([keras.Input(x.shape[1:]), made(name, **config)])
    model.set_weights([drawn(*w.shape, seed=i + 1) for i, w in enumerate(model.get_weights())])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
    assert model.layers[0].get_config()["padding"] == "same"
    assert model.output_shape[1:] == tuple(model(x).shape[1:])
