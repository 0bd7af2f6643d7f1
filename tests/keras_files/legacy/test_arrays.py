"""Arrays of older Kerases in the layers of Keras 3: against the equations that wrote them, and against tf_keras."""

import importlib
import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.arrays import convert
from turtlenet.keras_files.legacy.keras_version import KerasVersion

KERAS1 = KerasVersion.of("1.2.2", None, otherwise=1)
KERAS1_THEANO = KerasVersion.of("1.2.2", "theano", otherwise=1)
KERAS2 = KerasVersion.of("2.2.4", "tensorflow", otherwise=2)
KERAS2_THEANO = KerasVersion.of("2.2.4", "theano", otherwise=2)
KERAS3 = KerasVersion.of("3.0.0", "theano", otherwise=3)


def drawn(*shapes):
    rng = np.random.default_rng(sum(map(len, shapes)))
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def filled(layer, class_name, config, arrays, era, shape):
    """The layer of Keras 3, built for inputs of a shape, with the arrays of the file."""
    layer.build((None, *shape))
    layer.set_weights(convert(class_name, config, arrays, era, [tuple(each.shape) for each in layer.weights]))
    return layer


def hard_sigmoid(x):
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def gate(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


# Recurrent layers, by the equations of Keras 1.


def gates(names, width, units):
    """For each gate W, U and b, as the file lists them."""
    arrays = drawn(*[shape for _ in names for shape in ((width, units), (units, units), (units,))])
    return arrays, {name: arrays[3 * index : 3 * index + 3] for index, name in enumerate(names)}


def test_lstm_of_keras_1():
    arrays, by = gates("icfo", 3, 4)
    (x,) = drawn((2, 5, 3))
    h = c = np.zeros((2, 4))
    for step in range(5):
        i, new, f, o = (x[:, step] @ by[name][0] + h @ by[name][1] + by[name][2] for name in "icfo")
        c = gate(f) * c + gate(i) * np.tanh(new)
        h = gate(o) * np.tanh(c)
    layer = filled(layers.LSTM(4, recurrent_activation=hard_sigmoid), "LSTM", {}, arrays, KERAS1, (5, 3))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), h, atol=1e-5)


def test_gru_of_keras_1():
    arrays, by = gates("zrh", 3, 4)
    (x,) = drawn((2, 5, 3))
    h = np.zeros((2, 4))
    for step in range(5):
        z, r = (gate(x[:, step] @ by[name][0] + h @ by[name][1] + by[name][2]) for name in "zr")
        new = np.tanh(x[:, step] @ by["h"][0] + (r * h) @ by["h"][1] + by["h"][2])
        h = z * h + (1 - z) * new
    layer = layers.GRU(4, recurrent_activation=hard_sigmoid, reset_after=False)
    filled(layer, "GRU", {}, arrays, KERAS1, (5, 3))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), h, atol=1e-5)


def test_recurrent_layers_for_a_gpu_and_simple_ones_stay():
    for name, count in (("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)):
        arrays = drawn((3, 4 * count), (4, 4 * count), (4 * count,))
        result = convert(name, {}, arrays, KERAS1, [each.shape for each in arrays])
        assert all(map(np.array_equal, result, arrays))


def same(x, kernel):
    """Correlates images (batch, rows, columns, input) with a kernel (rows, columns, input, filters), padded."""
    high, wide = kernel.shape[:2]
    padded = np.pad(x, ((0, 0), (high // 2, high // 2), (wide // 2, wide // 2), (0, 0)))
    return correlated(padded, kernel)


def correlated(x, kernel):
    """Correlates (batch, space ..., input) with (space ..., input, filters), by the sum over all offsets."""
    size = kernel.shape[:-2]
    out = [whole - part + 1 for whole, part in zip(x.shape[1:-1], size, strict=True)]
    total = 0
    for at in itertools.product(*map(range, size)):
        window = tuple(slice(start, start + length) for start, length in zip(at, out, strict=True))
        total = total + x[(slice(None), *window)] @ kernel[at]
    return total


def convolved(x, kernel):
    """What Theano does: the kernel goes backwards through space."""
    size = kernel.shape[:-2]
    backwards = np.empty_like(kernel)
    for at in itertools.product(*map(range, size)):
        backwards[tuple(part - 1 - start for part, start in zip(size, at, strict=True))] = kernel[at]
    return correlated(x, backwards)


@pytest.mark.parametrize("dim_ordering", ["th", "tf"])
@pytest.mark.parametrize("era", [KERAS1, KERAS1_THEANO], ids=str)
def test_conv_lstm_of_keras_1(dim_ordering, era):
    arrays = drawn(*[(3, 3, 2, 4), (3, 3, 4, 4), (4,)] * 4)
    by = {name: arrays[3 * index : 3 * index + 3] for index, name in enumerate("icfo")}
    (x,) = drawn((2, 3, 5, 6, 2))
    turn = (slice(None, None, -1),) * 2 if era.backend else ()
    h = c = np.zeros((2, 5, 6, 4))
    for step in range(3):
        i, new, f, o = (
            same(x[:, step], by[name][0][turn]) + same(h, by[name][1][turn]) + by[name][2] for name in "icfo"
        )
        c = gate(f) * c + gate(i) * np.tanh(new)
        h = gate(o) * np.tanh(c)
    if dim_ordering == "th":
        arrays = [each.transpose(3, 2, 0, 1) if each.ndim == 4 else each for each in arrays]
    layer = layers.ConvLSTM2D(4, 3, padding="same", recurrent_activation=hard_sigmoid)
    filled(layer, "ConvLSTM2D", {"dim_ordering": dim_ordering}, arrays, era, (3, 5, 6, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), h, atol=1e-4)


# Convolutions.

SIZES = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}
SPACES = {1: (7,), 2: (6, 5), 3: (4, 5, 3)}
CLASSES = {
    1: ("Convolution1D", "AtrousConvolution1D", layers.Conv1D),
    2: ("Convolution2D", "AtrousConvolution2D", layers.Conv2D),
    3: ("Convolution3D", "Conv3D", layers.Conv3D),
}


def as_keras_1(kernel, form):
    """A kernel (space ..., input, filters) as Keras 1 stored it."""
    if form == "th":
        return np.transpose(kernel, (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2)))
    if form == "1.1":
        return kernel[:, None]
    if form == "1.0":
        return np.transpose(kernel, (2, 1, 0))[..., None]
    return kernel


@pytest.mark.parametrize(
    ("rank", "form"), [(1, "1.0"), (1, "1.1"), (2, "th"), (2, "tf"), (3, "th"), (3, "tf")], ids=str
)
@pytest.mark.parametrize("era", [KERAS1, KERAS1_THEANO], ids=str)
def test_convolutions_of_keras_1(rank, form, era):
    kernel, bias, x = drawn((*SIZES[rank], 2, 4), (4,), (2, *SPACES[rank], 2))
    expected = (convolved if era.backend else correlated)(x, kernel) + bias
    for class_name in CLASSES[rank][:2]:
        arrays = [as_keras_1(kernel, form), bias]
        layer = CLASSES[rank][2](4, SIZES[rank])
        filled(layer, class_name, {"dim_ordering": form}, arrays, era, (*SPACES[rank], 2))
        np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("era", [KERAS2, KERAS2_THEANO, KERAS3], ids=str)
def test_convolutions_of_keras_2(rank, era):
    kernel, bias, x = drawn((*SIZES[rank], 2, 4), (4,), (2, *SPACES[rank], 2))
    expected = (convolved if era == KERAS2_THEANO else correlated)(x, kernel) + bias
    layer = filled(CLASSES[rank][2](4, SIZES[rank]), f"Conv{rank}D", {}, [kernel, bias], era, (*SPACES[rank], 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-4)


def spread(x, kernel):
    """The transpose of `correlated` with a kernel (space ..., filters, input): each pixel adds a kernel."""
    size, space = kernel.shape[:-2], x.shape[1:-1]
    out = np.zeros((len(x), *(whole + part - 1 for whole, part in zip(space, size, strict=True)), kernel.shape[-2]))
    for at in itertools.product(*map(range, size)):
        window = tuple(slice(start, start + length) for start, length in zip(at, space, strict=True))
        out[(slice(None), *window)] += x @ kernel[at].T
    return out


@pytest.mark.parametrize("form", ["th", "tf", "2", "3d"])
@pytest.mark.parametrize("theano", [False, True])
def test_deconvolutions(form, theano):
    rank = 3 if form == "3d" else 2
    kernel, bias, x = drawn((*SIZES[rank], 4, 2), (4,), (2, *SPACES[rank], 2))
    turned = kernel[(slice(None, None, -1),) * rank] if theano else kernel
    expected = spread(x, turned) + bias
    # Keras 1 said (rows, columns, input, filters) of the deconvolution, or (filters, input, rows, columns).
    stored = {"th": kernel.transpose(2, 3, 0, 1), "tf": kernel.swapaxes(2, 3)} if rank == 2 else {}
    name = "Deconvolution2D" if form in stored else f"Conv{rank}DTranspose"
    eras = (KERAS1, KERAS1_THEANO) if form in stored else (KERAS2, KERAS2_THEANO)
    layer = (layers.Conv2DTranspose if rank == 2 else layers.Conv3DTranspose)(4, SIZES[rank])
    arrays = [stored.get(form, kernel), bias]
    filled(layer, name, {"dim_ordering": form}, arrays, eras[theano], (*SPACES[rank], 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-4)


@pytest.mark.parametrize("era", [KERAS2, KERAS2_THEANO, KERAS1], ids=str)
def test_separable_convolutions_are_not_turned(era):
    depthwise, pointwise, bias, x = drawn((3, 2, 2, 3), (1, 1, 6, 4), (4,), (2, 6, 5, 2))
    middle = np.stack(
        [correlated(x[..., [i]], depthwise[:, :, [i], :]) for i in range(2)], axis=-2
    )  # (batch, rows, columns, input, multiplier)
    expected = middle.reshape(*middle.shape[:3], 6) @ pointwise[0, 0] + bias
    arrays = [depthwise, pointwise, bias]
    name, config = "SeparableConv2D", {}
    if era == KERAS1:
        arrays = [each.transpose(3, 2, 0, 1) for each in arrays[:2]] + [bias]
        name, config = "SeparableConvolution2D", {"dim_ordering": "th"}
    layer = filled(layers.SeparableConv2D(4, (3, 2), depth_multiplier=3), name, config, arrays, era, (6, 5, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["DepthwiseConv2D", "LocallyConnected2D", "Dense", "SeparableConv2D"])
def test_theano_did_not_turn_these(name):
    (array,) = drawn((3, 3, 2, 2))
    (result,) = convert(name, {}, [array], KERAS2_THEANO, [array.shape])
    np.testing.assert_array_equal(result, array)


# cuDNN.


def cudnn(kernels, recurrents, biases):
    """What CuDNNLSTM and CuDNNGRU kept: the numbers of each gate's `W` of `W x` in a row, as (input, units)."""
    kernel = np.concatenate([each.T.ravel().reshape(each.shape) for each in kernels], axis=1)
    return [kernel, np.concatenate([each.T for each in recurrents], axis=1), np.concatenate(biases)]


def test_cudnn_lstm():
    kernels, recurrents = drawn(*[(3, 4)] * 4), drawn(*[(4, 4)] * 4)
    biases = drawn(*[(4,)] * 8)
    arrays = cudnn(kernels, recurrents, biases)
    kernel, recurrent, bias = convert("CuDNNLSTM", {}, arrays, KERAS2, [(3, 16), (4, 16), (16,)])
    np.testing.assert_array_equal(kernel, np.concatenate(kernels, axis=1))
    np.testing.assert_array_equal(recurrent, np.concatenate(recurrents, axis=1))
    np.testing.assert_allclose(bias, np.concatenate(biases[:4]) + np.concatenate(biases[4:]))


def test_cudnn_gru():
    kernels, recurrents = drawn(*[(3, 4)] * 3), drawn(*[(4, 4)] * 3)
    biases = drawn(*[(4,)] * 6)
    arrays = cudnn(kernels, recurrents, biases)
    kernel, recurrent, bias = convert("CuDNNGRU", {}, arrays, KERAS2, [(3, 12), (4, 12), (2, 12)])
    np.testing.assert_array_equal(kernel, np.concatenate(kernels, axis=1))
    np.testing.assert_array_equal(recurrent, np.concatenate(recurrents, axis=1))
    np.testing.assert_array_equal(bias, [np.concatenate(biases[:3]), np.concatenate(biases[3:])])


# The loader of tf_keras, where it is right.


@pytest.fixture(scope="module")
def oracle():
    pytest.importorskip("tf_keras")
    tf_keras = importlib.import_module("tf_keras")
    preprocess = importlib.import_module("tf_keras.src.saving.legacy.hdf5_format").preprocess_weights_for_loading
    return tf_keras, preprocess


ORACLE = {
    "conv 1d": ("Convolution1D", "Conv1D", {"filters": 4, "kernel_size": 3}, (7, 2), [(3, 1, 2, 4), (4,)]),
    "conv 1d, 1.0": ("Convolution1D", "Conv1D", {"filters": 4, "kernel_size": 3}, (7, 2), [(4, 2, 3, 1), (4,)]),
    "conv 2d": ("Convolution2D", "Conv2D", {"filters": 4, "kernel_size": (3, 2)}, (6, 5, 2), [(4, 2, 3, 2), (4,)]),
    "conv 3d": (
        "Convolution3D",
        "Conv3D",
        {"filters": 4, "kernel_size": (3, 2, 1)},
        (6, 5, 4, 2),
        [(4, 2, 3, 2, 1), (4,)],
    ),
    "deconv": (
        "Deconvolution2D",
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": (3, 2)},
        (6, 5, 2),
        [(4, 2, 3, 2), (4,)],
    ),
    "lstm": ("LSTM", "LSTM", {"units": 4}, (5, 3), [(3, 4), (4, 4), (4,)] * 4),
    "gru": ("GRU", "GRU", {"units": 4, "reset_after": False}, (5, 3), [(3, 4), (4, 4), (4,)] * 3),
    "conv lstm": (
        "ConvLSTM2D",
        "ConvLSTM2D",
        {"filters": 4, "kernel_size": 3},
        (3, 6, 5, 2),
        [(3, 3, 2, 4), (3, 3, 4, 4), (4,)] * 4,
    ),
    "cudnn lstm": ("CuDNNLSTM", "LSTM", {"units": 4}, (5, 3), [(3, 16), (4, 16), (32,)]),
    "cudnn gru": ("CuDNNGRU", "GRU", {"units": 4, "reset_after": True}, (5, 3), [(3, 12), (4, 12), (24,)]),
}


@pytest.mark.parametrize("name", ORACLE)
def test_agrees_with_tf_keras(oracle, name):
    tf_keras, preprocess = oracle
    old, new, config, shape, forms = ORACLE[name]
    first = new in ("Conv2D", "Conv3D", "Conv2DTranspose")
    arrays = drawn(*forms)
    layer = getattr(tf_keras.layers, new)(**config, **({"data_format": "channels_first"} if first else {}))
    layer.build((None, shape[-1], *shape[:-1]) if first else (None, *shape))
    era = KERAS2 if "cudnn" in name else KERAS1
    expected = preprocess(layer, list(arrays), str(era.major), "tensorflow")
    shapes = [tuple(each.shape) for each in layer.weights]
    result = convert(old, {"dim_ordering": "th"} if first else {"dim_ordering": "tf"}, arrays, era, shapes)
    assert len(result) == len(expected)
    for mine, theirs in zip(result, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


# The rest.


def test_highway_of_either_order():
    w, carry = drawn((3, 3), (3, 3))
    b, b_carry = drawn((3,), (3,))
    shapes = [(3, 3), (3, 3), (3,), (3,)]
    for arrays in ([w, carry, b, b_carry], [w, b, carry, b_carry]):
        for mine, expected in zip(convert("Highway", {}, arrays, KERAS1, shapes), [w, carry, b, b_carry], strict=True):
            assert mine is expected
    assert convert("Highway", {}, [w, carry], KERAS1, shapes[:2]) == [w, carry]


def test_shared_axes_are_repeated():
    (alpha,) = drawn((1, 1, 3))
    (result,) = convert("PReLU", {}, [alpha], KERAS1, [(4, 5, 3)])
    np.testing.assert_array_equal(result, np.ones((4, 5, 1), "float32") * alpha)
    with pytest.raises(ModelError):
        convert("PReLU", {}, [alpha], KERAS1, [(4, 5, 2)])


@pytest.mark.parametrize(
    ("class_name", "forms"),
    [
        ("TimeDistributedDense", [(3, 4), (4,)]),
        ("BatchNormalization", [(4,)] * 4),
        ("MaxoutDense", [(2, 3, 4), (2, 4)]),
        ("SReLU", [(5, 4)] * 4),
        ("ParametricSoftplus", [(5, 4)] * 2),
        ("Embedding", [(9, 4)]),
        ("LocallyConnected1D", [(5, 6, 4), (5, 4)]),
        ("SomethingElse", [(2, 3), (3, 2)]),
    ],
)
def test_the_rest_stays(class_name, forms):
    arrays = drawn(*forms)
    result = convert(class_name, {}, arrays, KERAS1_THEANO, forms)
    assert all(map(np.array_equal, result, arrays)) and len(result) == len(arrays)


def test_wrappers():
    arrays, _ = gates("icfo", 3, 4)
    inner = {"class_name": "LSTM", "config": {"output_dim": 4}}
    shapes = [(3, 16), (4, 16), (16,)]
    alone = convert("LSTM", {}, arrays, KERAS1, shapes)
    backward = [each + 1 for each in arrays]
    both = convert("Bidirectional", {"layer": inner}, arrays + backward, KERAS1, shapes * 2)
    assert all(map(np.array_equal, both, alone + [each + 1 for each in alone])) and len(both) == 6
    (kernel,) = drawn((4, 2, 3, 3))
    inner = {"class_name": "Convolution2D", "config": {"dim_ordering": "th"}}
    (result,) = convert("TimeDistributed", {"layer": inner}, [kernel], KERAS1, [(3, 3, 2, 4)])
    np.testing.assert_array_equal(result, kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("class_name", "given", "wanted"),
    [
        ("LSTM", [(3, 4)] * 11, [(3, 16), (4, 16), (16,)]),
        ("LSTM", [(3, 4), (4, 4), (4,)] * 4, [(5, 16), (4, 16), (16,)]),
        ("GRU", [(3, 12), (4, 12), (12,)], [(3, 12), (4, 12), (2, 12)]),
        ("CuDNNGRU", [(3, 12), (4, 12), (24,)], [(3, 12), (4, 12), (12,)]),
        ("Convolution1D", [(4, 2)], [(3, 2, 4)]),
        ("Convolution2D", [(4, 2, 3, 3)], [(3, 3, 3, 4)]),
        ("Convolution2D", [], [(3, 3, 3, 4)]),
        ("ConvLSTM2D", [(3, 3, 2, 4)], [(3, 3, 2, 16), (3, 3, 4, 16), (16,)]),
        ("SeparableConvolution2D", [(2, 3)], [(3, 3, 2, 1), (1, 1, 2, 4)]),
        ("Dense", [(3, 4)], [(3, 4), (4,)]),
        ("Dense", [(3, 4), (5,)], [(3, 4), (4,)]),
        ("PReLU", [], [(4,)]),
    ],
)
def test_arrays_that_do_not_fit(class_name, given, wanted):
    with pytest.raises(ModelError) as caught:
        convert(class_name, {"name": "x", "dim_ordering": "th"}, drawn(*given), KERAS1, wanted)
    listed = ", ".join(map(str, given)) or "none"
    expected = ", ".join(map(str, wanted))
    assert str(caught.value) == (
        f"Expected arrays of shapes {expected} for the {class_name} 'x'; the file has {listed}."
    )


def test_a_whole_model_of_keras_1_predicts():
    """Several kinds at once, by Keras 3 only: the order and the turn do not depend on the neighbors."""
    kernel, bias, dense, x = drawn((2, 2, 1, 3), (3,), (3, 2), (4, 3, 3, 1))
    model = keras.Sequential(
        [keras.Input((3, 3, 1)), layers.Conv2D(3, 2), layers.GlobalMaxPooling2D(), layers.Dense(2, use_bias=False)]
    )
    files = [("Convolution2D", [as_keras_1(kernel, "th"), bias]), ("Dense", [dense])]
    for layer, (name, arrays) in zip([model.layers[0], model.layers[2]], files, strict=True):
        wanted = [tuple(each.shape) for each in layer.weights]
        layer.set_weights(convert(name, {"dim_ordering": "th"}, arrays, KERAS1_THEANO, wanted))
    expected = (convolved(x, kernel) + bias).max(axis=(1, 2)) @ dense
    np.testing.assert_allclose(ops.convert_to_numpy(model(x)), expected, atol=1e-5)
