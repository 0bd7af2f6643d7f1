"""Every layer of Keras 2, written by Keras 2 itself and loaded into Keras 3: the answers stay the same."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers as L  # noqa: N812

from tests.conftest import marked
from turtlenet.errors import ModelError
from turtlenet.models import load

from .keras2 import agrees, draw, each, outputs_of, randomize, save

Input, Model, Sequential = tf_keras.Input, tf_keras.Model, tf_keras.Sequential
IMAGE, SERIES, VOLUME = (7, 8, 3), (6, 3), (5, 6, 4, 2)


def joined(layer, *shapes):
    """A model of several inputs that one layer reads."""
    inputs = [Input(shape) for shape in shapes]
    return Model(inputs, layer(inputs))


def kernels(kind, shape, *more, **fixed):
    """A convolution in every way that all convolutions have."""
    return each(
        shape,
        kind(**fixed, kernel_size=3),
        kind(**fixed, kernel_size=2, padding="same", activation="relu"),
        kind(**fixed, kernel_size=3, strides=2, padding="same", use_bias=False),
        kind(**fixed, kernel_size=2, strides=2, activation="tanh"),
        kind(**fixed, kernel_size=2, dilation_rate=2, activation="hard_sigmoid"),
        *[kind(**{**fixed, **settings}) for settings in more],
    )


def pools(kind, shape, **two):
    return each(
        shape, kind(), kind(2, 1), kind(3, 2, padding="same"), kind(2, 2, padding="same"), kind(2, padding="valid")
    )


def recurrent(kind, shape, *more, **fixed):
    """A recurrent layer with each of its flags."""
    flags = (
        {},
        {"return_sequences": True},
        {"go_backwards": True},
        {"return_sequences": True, "go_backwards": True},
        {"return_state": True},
        {"use_bias": False, "activation": "relu"},
        {"unroll": True},
        {"dropout": 0.3, "recurrent_dropout": 0.2},
        {"activation": "hard_sigmoid", "kernel_regularizer": "l2"},
    )
    return each(shape, *[kind(**{**fixed, **settings}) for settings in (*flags, *more)])


def around(wrapper, kind, *modes, **settings):
    return each(SERIES, *[wrapper(kind(3, **settings), merge_mode=mode) for mode in modes])


def stateful(kind):
    inputs = Input(batch_shape=(3, 6, 3))
    return Model(inputs, kind(4, stateful=True)(inputs))


def with_states(kind, count):
    inputs, states = Input(SERIES), [Input((4,)) for _ in range(count)]
    return Model([inputs, *states], kind(4, return_sequences=True)(inputs, initial_state=states))


def encoder_decoder():
    source, target = Input(SERIES), Input((5, 2))
    _, *state = L.LSTM(4, return_state=True)(source)
    seen = L.LSTM(4, return_sequences=True)(target, initial_state=state)
    return Model([source, target], L.TimeDistributed(L.Dense(3, activation="softmax"))(seen))


def attention(layer, *shapes, **how):
    inputs = [Input(shape) for shape in shapes]
    return Model(inputs, layer(inputs, **how))


def heads(*settings, shapes=((6, 4), (5, 4)), **how):
    query, value = (Input(shape) for shape in shapes)
    return Model([query, value], [L.MultiHeadAttention(2, 3, **each)(query, value, **how) for each in settings])


def masked(*after, **embedding):
    words = Input((6,), dtype="int32")
    x = L.Embedding(5, 4, mask_zero=True, **embedding)(words)
    return Model(words, [layer(x) for layer in after])


def masking(*after):
    inputs = Input(SERIES)
    seen = L.Masking(0.5)(inputs)
    return Model(inputs, [layer(seen) for layer in after])


def normalized(kind, *settings, shape=IMAGE):
    return each(shape, *[kind(**each) for each in settings])


def adapted(layer, shape, scale=2.0):
    layer.adapt(np.random.default_rng(0).normal(size=(20, *shape)).astype("float32") * scale + 1)
    return each(shape, layer)


def cells():
    inputs = Input(SERIES)
    stack = [L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(2, activation="relu")]
    return Model(
        inputs,
        [
            L.RNN(L.LSTMCell(4))(inputs),
            L.RNN(L.GRUCell(4, reset_after=False), return_sequences=True)(inputs),
            L.RNN(L.SimpleRNNCell(4), go_backwards=True)(inputs),
            L.RNN(L.StackedRNNCells(stack))(inputs),
            L.RNN([L.LSTMCell(3), L.LSTMCell(2)], return_sequences=True)(inputs),
            L.Bidirectional(L.RNN(L.GRUCell(3)))(inputs),
        ],
    )


def shared():
    """One layer called three times, one of these on its own output."""
    first, second = Input((4,)), Input((4,))
    layer = L.Dense(4, activation="tanh")
    once = layer(first)
    return Model([first, second], [L.Concatenate()([layer(once), layer(second)]), L.Subtract()([once, second])])


def conv_block(name, trainable=True, depth=0):
    inputs = Input((7, 8, 2))
    x = L.Conv2D(2, 3, padding="same", name=f"conv{depth}")(inputs)
    x = L.BatchNormalization(name=f"norm{depth}")(x)
    if depth:
        x = conv_block(f"inner{depth}", trainable, depth - 1)(x)
    x = L.Add()([inputs, L.ReLU(6.0)(x)])
    block = Model(inputs, x, name=name)
    block.trainable = trainable
    return block


def nested(depth, trainable):
    inputs = Input(IMAGE)
    x = L.Conv2D(2, 1)(inputs)
    x = conv_block("outer", trainable, depth)(x)
    x = Sequential([L.DepthwiseConv2D(3), L.BatchNormalization(trainable=False), L.Flatten()], name="tail")(x)
    return Model(inputs, L.Dense(3, activation="softmax")(x))


def sequential_of_models():
    base = conv_block("base", trainable=False)
    top = Sequential([L.GlobalAveragePooling2D(), Sequential([L.Dense(4), L.PReLU()]), L.Dense(2)])
    return Sequential([Input(IMAGE), L.Conv2D(2, 3, padding="same"), base, top])


def called_twice():
    first, second = Input((7, 8, 2)), Input((7, 8, 2))
    block = conv_block("twin")
    return Model([first, second], L.Concatenate()([block(first), block(block(second))]))


def several_ends():
    left, right = Input((4,), name="left"), Input((3, 2), name="right")
    x = L.Concatenate()([left, L.Flatten()(right)])
    return Model({"left": left, "right": right}, {"one": L.Dense(2, name="one")(x), "two": L.Dense(3, name="two")(x)})


def model_of_several_ends():
    left, right = Input((4,)), Input((4,))
    inner = Model([left, right], [L.Add()([left, L.Dense(4)(right)]), L.Dense(2)(left)], name="inner")
    first, second = Input((4,)), Input((4,))
    both, other = inner([first, second])
    return Model([first, second], [L.Dense(3)(both), other])


def slashes():
    inputs = Input((4,), name="the/input")
    x = L.Dense(3, name="block/one/dense")(inputs)
    x = Sequential([L.Dense(2, name="in/side"), L.BatchNormalization(name="in/norm")], name="a/model")(x)
    return Model(inputs, L.Activation("softmax", name="out/put")(x), name="my/model")


def half():
    with_policy = {"dtype": tf_keras.mixed_precision.Policy("mixed_float16")}
    inputs = Input((7, 8, 3))
    x = L.Conv2D(4, 3, activation="relu", **with_policy)(inputs)
    x = L.BatchNormalization(**with_policy)(x)
    x = L.GlobalAveragePooling2D(**with_policy)(x)
    return Model(inputs, L.Dense(3, activation="softmax", dtype="float32")(x))


def double():
    return Sequential(
        [Input((4,), dtype="float64"), L.Dense(3, dtype="float64"), L.LayerNormalization(dtype="float64")]
    )


def every_initializer():
    kinds = tf_keras.initializers
    made = [
        kinds.Constant(0.3),
        kinds.GlorotNormal(1),
        kinds.GlorotUniform(),
        kinds.HeNormal(),
        kinds.HeUniform(),
        kinds.LecunNormal(),
        kinds.LecunUniform(),
        kinds.Ones(),
        kinds.Zeros(),
        kinds.Orthogonal(0.5),
        kinds.RandomNormal(0.1, 0.2),
        kinds.RandomUniform(-1, 1),
        kinds.TruncatedNormal(stddev=0.1),
        kinds.VarianceScaling(2.0, "fan_out", "uniform"),
        kinds.Identity(0.9),
        "he_normal",
        "random_uniform",
    ]
    return each((4,), *[L.Dense(4, kernel_initializer=each) for each in made])


def every_penalty():
    r, c = tf_keras.regularizers, tf_keras.constraints
    return each(
        (4,),
        L.Dense(3, kernel_regularizer=r.L1(0.1), kernel_constraint=c.MaxNorm(2, axis=0)),
        L.Dense(3, kernel_regularizer=r.L2(0.1), bias_regularizer="l1", kernel_constraint=c.NonNeg()),
        L.Dense(3, kernel_regularizer=r.L1L2(0.1, 0.2), kernel_constraint=c.UnitNorm()),
        L.Dense(3, kernel_regularizer=r.OrthogonalRegularizer(0.1), bias_constraint="non_neg"),
        L.Dense(3, kernel_constraint=c.MinMaxNorm(0.1, 1.0, 0.5), activity_regularizer="l2"),
        L.ActivityRegularization(0.1, 0.2),
    )


def radial():
    return each((6, 6, 1), L.Conv2D(2, 3, kernel_constraint=tf_keras.constraints.RadialConstraint()))


ACTIVATIONS = "elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh"
OUT = {"filters": 4}

CASES = {
    # Core
    "Dense": lambda: each(
        (5,),
        L.Dense(3),
        L.Dense(3, use_bias=False),
        L.Dense(2, "hard_sigmoid"),
        L.Dense(2, tf_keras.activations.swish),
    ),
    "Dense of a sequence": lambda: each(SERIES, L.Dense(3), L.Dense(2, "softmax")),
    "activations": lambda: each((5,), *[L.Dense(3, activation=name) for name in ACTIVATIONS.split()]),
    "Activation": lambda: each((5,), *[L.Activation(name) for name in ACTIVATIONS.split()]),
    "a layer as activation": lambda: each(
        IMAGE,
        L.Dense(3, activation=L.LeakyReLU(0.2)),
        L.Conv2D(3, 2, activation=L.ReLU(6.0, 0.1)),
        L.Conv2D(3, 2, activation=L.ELU(0.7)),
        L.Dense(3, activation=L.Softmax()),
    ),
    "EinsumDense": lambda: each(
        SERIES,
        L.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d"),
        L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 4), bias_axes="de", activation="hard_sigmoid"),
        L.EinsumDense("...x,xy->...y", output_shape=4),
    ),
    "Embedding": lambda: each((6,), L.Embedding(5, 4), L.Embedding(7, 2, input_length=6), dtype="int32"),
    "Embedding of floats": lambda: Sequential([L.Embedding(9, 4, input_length=6), L.Flatten(), L.Dense(2)]),
    "Embedding with a mask": lambda: masked(
        L.LSTM(3),
        L.GRU(3, return_sequences=True),
        L.SimpleRNN(3, go_backwards=True),
        L.Bidirectional(L.LSTM(3)),
        L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
        L.GlobalAveragePooling1D(),
        L.TimeDistributed(L.Dense(2)),
        L.RNN(L.LSTMCell(3)),
    ),
    "Masking": lambda: masking(L.LSTM(3), L.GRU(3, reset_after=False), L.GlobalAveragePooling1D(), L.Dense(2)),
    "Flatten": lambda: each(IMAGE, L.Flatten(), L.Flatten("channels_first")),
    "Reshape": lambda: each(IMAGE, L.Reshape((8, 21)), L.Reshape((-1, 3)), L.Reshape((7, 8, 3, 1))),
    "Permute": lambda: each(IMAGE, L.Permute((3, 1, 2)), L.Permute((2, 1, 3))),
    "RepeatVector": lambda: each((5,), L.RepeatVector(3)),
    "Identity": lambda: each((5,), L.Identity()),
    # Activations
    "ReLU": lambda: each((5,), L.ReLU(), L.ReLU(0.5), L.ReLU(1.0, 0.1), L.ReLU(0.9, 0.2, 0.3), L.ReLU(threshold=0.4)),
    "LeakyReLU": lambda: each((5,), L.LeakyReLU(), L.LeakyReLU(0.01)),
    "ELU": lambda: each((5,), L.ELU(), L.ELU(0.4)),
    "PReLU": lambda: each(IMAGE, L.PReLU(), L.PReLU(shared_axes=[1, 2]), L.PReLU(shared_axes=3), L.PReLU("ones")),
    "ThresholdedReLU": lambda: each((5,), L.ThresholdedReLU(), L.ThresholdedReLU(0.3)),
    "Softmax": lambda: each(SERIES, L.Softmax(), L.Softmax(1), L.Softmax([1, 2])),
    # Convolutions
    "Conv1D": lambda: kernels(
        L.Conv1D,
        SERIES,
        {"kernel_size": 3, "padding": "causal"},
        {"kernel_size": 2, "padding": "causal", "dilation_rate": 2},
        {"filters": 6, "kernel_size": 2, "groups": 3},
        **OUT,
    ),
    "Conv2D": lambda: kernels(
        L.Conv2D,
        IMAGE,
        {"kernel_size": (2, 3), "strides": (1, 2), "padding": "same"},
        {"filters": 6, "kernel_size": 3, "groups": 3},
        {"kernel_size": (3, 2), "dilation_rate": (1, 2), "padding": "same"},
        **OUT,
    ),
    "Conv3D": lambda: kernels(
        L.Conv3D, VOLUME, {"kernel_size": (1, 3, 2), "strides": (1, 2, 1), "padding": "same"}, **OUT
    ),
    "Conv1DTranspose": lambda: each(
        SERIES,
        L.Conv1DTranspose(4, 3),
        L.Conv1DTranspose(4, 3, strides=2, padding="same", activation="hard_sigmoid"),
        L.Conv1DTranspose(4, 3, strides=2, use_bias=False),
        L.Conv1DTranspose(4, 2, strides=3),
        L.Conv1DTranspose(4, 3, strides=2, output_padding=0),
        L.Conv1DTranspose(4, 3, strides=2, padding="same", output_padding=1),
        L.Conv1DTranspose(4, 3, strides=2, padding="same", output_padding=0),
    ),
    "Conv2DTranspose": lambda: each(
        IMAGE,
        L.Conv2DTranspose(4, 3),
        L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        L.Conv2DTranspose(4, (2, 3), strides=(3, 2)),
        L.Conv2DTranspose(4, 4, strides=2, padding="same", use_bias=False),
        L.Conv2DTranspose(4, 3, strides=2, output_padding=0),
        L.Conv2DTranspose(4, 3, strides=2, output_padding=1),
        L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1),
        L.Conv2DTranspose(4, 3, strides=(3, 2), padding="same", output_padding=(2, 0)),
        L.Conv2DTranspose(4, 1, strides=2),
        L.Conv2DTranspose(4, 1, strides=2, padding="same"),
    ),
    "Conv3DTranspose": lambda: each(
        VOLUME,
        L.Conv3DTranspose(4, 2),
        L.Conv3DTranspose(4, 3, strides=2, padding="same"),
        L.Conv3DTranspose(4, (1, 2, 3), strides=(2, 1, 2), activation="tanh"),
        L.Conv3DTranspose(4, 3, strides=2, padding="same", output_padding=1),
        L.Conv3DTranspose(4, 3, strides=2, output_padding=0),
    ),
    "DepthwiseConv1D": lambda: each(
        SERIES,
        L.DepthwiseConv1D(3),
        L.DepthwiseConv1D(2, 2, padding="same", depth_multiplier=2, activation="relu"),
        L.DepthwiseConv1D(3, dilation_rate=2, use_bias=False),
    ),
    "DepthwiseConv2D": lambda: each(
        IMAGE,
        L.DepthwiseConv2D(3),
        L.DepthwiseConv2D((2, 3), strides=2, padding="same", depth_multiplier=2, activation="hard_sigmoid"),
        L.DepthwiseConv2D(2, dilation_rate=2, use_bias=False),
        L.DepthwiseConv2D(3, strides=2, depthwise_regularizer="l2", depthwise_constraint="non_neg"),
    ),
    "SeparableConv1D": lambda: each(
        SERIES,
        L.SeparableConv1D(4, 3),
        L.SeparableConv1D(4, 2, 2, padding="same", depth_multiplier=2, activation="relu"),
        L.SeparableConv1D(4, 2, dilation_rate=2, use_bias=False),
    ),
    "SeparableConv2D": lambda: each(
        IMAGE,
        L.SeparableConv2D(4, 3),
        L.SeparableConv2D(4, 2, 2, padding="same", depth_multiplier=2, activation="relu"),
        L.SeparableConv2D(4, 2, dilation_rate=2, use_bias=False, pointwise_regularizer="l2"),
    ),
    "LocallyConnected1D": lambda: each(
        SERIES,
        L.LocallyConnected1D(4, 3),
        L.LocallyConnected1D(4, 2, 2, activation="relu", use_bias=False),
        L.LocallyConnected1D(4, 3, implementation=2, padding="same"),
        L.LocallyConnected1D(4, 3, 2, implementation=3),
        L.LocallyConnected1D(4, 3, implementation=3, padding="same"),
        L.LocallyConnected1D(4, 2, data_format="channels_first"),
    ),
    "LocallyConnected2D": lambda: each(
        (5, 6, 2),
        L.LocallyConnected2D(3, 3),
        L.LocallyConnected2D(3, (2, 3), (1, 2), activation="hard_sigmoid"),
        L.LocallyConnected2D(3, 2, implementation=2, padding="same"),
        L.LocallyConnected2D(3, 3, 2, implementation=3, padding="same", use_bias=False),
        L.LocallyConnected2D(3, 2, data_format="channels_first"),
        L.LocallyConnected2D(3, 2, implementation=2, data_format="channels_first"),
    ),
    # Pooling and sizes
    "MaxPooling1D": lambda: pools(L.MaxPooling1D, SERIES),
    "MaxPooling2D": lambda: pools(L.MaxPooling2D, IMAGE),
    "MaxPooling3D": lambda: pools(L.MaxPooling3D, VOLUME),
    "AveragePooling1D": lambda: pools(L.AveragePooling1D, SERIES),
    "AveragePooling2D": lambda: pools(L.AveragePooling2D, IMAGE),
    "AveragePooling3D": lambda: pools(L.AveragePooling3D, VOLUME),
    "global pooling with the channels first": lambda: each(
        (3, 6, 8), L.GlobalMaxPooling2D("channels_first"), L.GlobalAveragePooling2D("channels_first", keepdims=True)
    ),
    "pooling 1D with the channels first": lambda: each(
        (3, 6),
        L.MaxPooling1D(2, data_format="channels_first"),
        L.AveragePooling1D(3, 2, "same", data_format="channels_first"),
        L.GlobalMaxPooling1D("channels_first"),
        L.GlobalAveragePooling1D("channels_first"),
    ),
    "global pooling 1D": lambda: each(
        SERIES, *[k(keepdims=keep) for k in (L.GlobalMaxPooling1D, L.GlobalAveragePooling1D) for keep in (0, 1)]
    ),
    "global pooling 2D": lambda: each(
        IMAGE, *[k(keepdims=keep) for k in (L.GlobalMaxPooling2D, L.GlobalAveragePooling2D) for keep in (0, 1)]
    ),
    "global pooling 3D": lambda: each(
        VOLUME, *[k(keepdims=keep) for k in (L.GlobalMaxPooling3D, L.GlobalAveragePooling3D) for keep in (0, 1)]
    ),
    "Cropping1D": lambda: each(SERIES, L.Cropping1D(), L.Cropping1D(1), L.Cropping1D((2, 0))),
    "Cropping2D": lambda: each(
        IMAGE, L.Cropping2D(1), L.Cropping2D((1, 2)), L.Cropping2D(((0, 1), (2, 0))), L.Cropping2D(1, "channels_first")
    ),
    "Cropping3D": lambda: each(
        VOLUME, L.Cropping3D(1), L.Cropping3D((1, 2, 0)), L.Cropping3D(((1, 0), (0, 2), (1, 1)))
    ),
    "ZeroPadding1D": lambda: each(SERIES, L.ZeroPadding1D(), L.ZeroPadding1D(2), L.ZeroPadding1D((0, 3))),
    "ZeroPadding2D": lambda: each(
        IMAGE,
        L.ZeroPadding2D(),
        L.ZeroPadding2D((1, 2)),
        L.ZeroPadding2D(((0, 1), (2, 0))),
        L.ZeroPadding2D(1, "channels_first"),
    ),
    "ZeroPadding3D": lambda: each(VOLUME, L.ZeroPadding3D(), L.ZeroPadding3D(((1, 0), (0, 2), (1, 1)))),
    "UpSampling1D": lambda: each(SERIES, L.UpSampling1D(), L.UpSampling1D(3)),
    "UpSampling2D": lambda: each(
        IMAGE,
        L.UpSampling2D(),
        L.UpSampling2D((1, 3)),
        *[L.UpSampling2D(2, interpolation=how) for how in ("bilinear", "bicubic", "lanczos3", "lanczos5")],
        L.UpSampling2D((3, 2), data_format="channels_first"),
        L.UpSampling2D((3, 2), data_format="channels_first", interpolation="bilinear"),
    ),
    "UpSampling2D area": lambda: each(IMAGE, L.UpSampling2D(2, interpolation="area")),
    "UpSampling3D": lambda: each(
        VOLUME, L.UpSampling3D(), L.UpSampling3D((1, 2, 3)), L.UpSampling3D(2, "channels_first")
    ),
    # Merging
    **{
        kind.__name__: (lambda kind=kind: joined(kind(), SERIES, SERIES, SERIES))
        for kind in (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate)
    },
    "Subtract": lambda: joined(L.Subtract(), SERIES, SERIES),
    "merging with broadcasting": lambda: joined(L.Add(), SERIES, (1, 3), (3,)),
    "Multiply with broadcasting": lambda: joined(L.Multiply(), IMAGE, (1, 1, 3)),
    "Concatenate along an axis": lambda: joined(L.Concatenate(axis=1), SERIES, (2, 3)),
    "Dot": lambda: joined(L.Dot(1), (4,), (4,)),
    "Dot of sequences": lambda: joined(L.Dot((1, 2)), (6, 3), (4, 6)),
    "Dot along the last": lambda: joined(L.Dot(-1, normalize=True), (6, 3), (4, 3)),
    "Dot normalized": lambda: joined(L.Dot(1, normalize=True), (4,), (4,)),
    # Recurrent layers
    "LSTM": lambda: recurrent(
        L.LSTM,
        SERIES,
        {"recurrent_activation": "hard_sigmoid"},
        {"unit_forget_bias": False},
        {"implementation": 1},
        units=4,
    ),
    "GRU": lambda: recurrent(
        L.GRU, SERIES, {"recurrent_activation": "hard_sigmoid"}, {"reset_after": False}, {"implementation": 1}, units=4
    ),
    "SimpleRNN": lambda: recurrent(L.SimpleRNN, SERIES, units=4),
    "LSTM, time first": lambda: each((6, 3), L.LSTM(3, return_sequences=True, time_major=False)),
    "LSTM with states": lambda: with_states(L.LSTM, 2),
    "GRU with states": lambda: with_states(L.GRU, 1),
    "SimpleRNN with states": lambda: with_states(L.SimpleRNN, 1),
    "encoder and decoder": encoder_decoder,
    "Bidirectional LSTM": lambda: around(L.Bidirectional, L.LSTM, "concat", "sum", "mul", "ave", None),
    "Bidirectional GRU": lambda: around(
        L.Bidirectional, L.GRU, "concat", "sum", "mul", "ave", None, return_sequences=True
    ),
    "Bidirectional SimpleRNN": lambda: around(L.Bidirectional, L.SimpleRNN, "concat", "ave", return_state=True),
    "Bidirectional of two": lambda: each(
        SERIES,
        L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(3, go_backwards=True)),
        L.Bidirectional(
            L.LSTM(3, return_sequences=True), backward_layer=L.LSTM(3, return_sequences=True, go_backwards=True)
        ),
        L.Bidirectional(L.GRU(2, go_backwards=True)),
    ),
    "RNN": cells,
    "ConvLSTM1D": lambda: each(
        (4, 6, 2),
        L.ConvLSTM1D(3, 3),
        L.ConvLSTM1D(3, 2, 2, padding="same", return_sequences=True, activation="relu"),
        L.ConvLSTM1D(3, 2, go_backwards=True, recurrent_activation="sigmoid", use_bias=False),
    ),
    "ConvLSTM2D": lambda: each(
        (3, 6, 5, 2),
        L.ConvLSTM2D(3, 3),
        L.ConvLSTM2D(3, (2, 3), 2, padding="same", return_sequences=True, activation="relu"),
        L.ConvLSTM2D(3, 2, go_backwards=True, recurrent_activation="sigmoid", use_bias=False, return_state=True),
    ),
    "ConvLSTM3D": lambda: each(
        (2, 4, 5, 4, 2),
        L.ConvLSTM3D(3, 3),
        L.ConvLSTM3D(3, 2, padding="same", return_sequences=True, recurrent_activation="sigmoid"),
    ),
    "Bidirectional ConvLSTM2D": lambda: each((3, 6, 5, 2), L.Bidirectional(L.ConvLSTM2D(2, 3))),
    "TimeDistributed": lambda: each(
        (3, 6, 5, 2),
        L.TimeDistributed(L.Conv2D(3, 3, activation="relu")),
        L.TimeDistributed(L.BatchNormalization()),
        L.TimeDistributed(L.Flatten()),
        L.TimeDistributed(
            Sequential([Input((6, 5, 2)), L.Conv2D(2, 3), L.BatchNormalization(), L.Flatten(), L.Dense(2)])
        ),
        L.TimeDistributed(conv_small()),
        L.TimeDistributed(L.TimeDistributed(L.LSTM(3))),
    ),
    # Attention
    "Attention": lambda: attention(L.Attention(), (6, 3), (5, 3)),
    "Attention with scale": lambda: attention(L.Attention(use_scale=True), (6, 3), (5, 3), (5, 3)),
    "Attention by sums": lambda: attention(L.Attention(score_mode="concat"), (6, 3), (5, 3)),
    "Attention by sums with scale": lambda: attention(L.Attention(True, score_mode="concat"), (6, 3), (5, 3)),
    "Attention with scores": lambda: attention(L.Attention(dropout=0.2), (6, 3), (5, 3), return_attention_scores=True),
    "causal Attention": lambda: attention(L.Attention(), (6, 3), (6, 3), use_causal_mask=True),
    "AdditiveAttention": lambda: attention(L.AdditiveAttention(), (6, 3), (5, 3)),
    "AdditiveAttention without scale": lambda: attention(L.AdditiveAttention(use_scale=False), (6, 3), (5, 3), (5, 3)),
    "MultiHeadAttention": lambda: heads(
        {}, {"use_bias": False}, {"output_shape": 5}, {"dropout": 0.2, "kernel_regularizer": "l2"}
    ),
    "MultiHeadAttention to other values": lambda: heads({"value_dim": 2}),
    "MultiHeadAttention on images": lambda: heads({"attention_axes": (1, 2)}, shapes=((4, 3, 2), (5, 2, 2))),
    "MultiHeadAttention with scores": lambda: heads({}, return_attention_scores=True),
    "causal MultiHeadAttention": lambda: heads({}, shapes=((6, 4), (6, 4)), use_causal_mask=True),
    "MultiHeadAttention of key and mask": lambda: mha_masked(),
    # Normalization
    "BatchNormalization": lambda: normalized(
        L.BatchNormalization,
        {},
        {"epsilon": 0.1, "momentum": 0.5},
        {"center": False},
        {"scale": False},
        {"axis": 1},
        {"axis": 2, "scale": False, "center": False},
        {"synchronized": True},
        {"trainable": False},
    ),
    "BatchNormalization of vectors": lambda: normalized(L.BatchNormalization, {}, {"axis": 1}, shape=(5,)),
    "LayerNormalization": lambda: normalized(
        L.LayerNormalization,
        {},
        {"axis": 1},
        {"axis": [1, 2]},
        {"axis": [1, 2, 3], "epsilon": 0.1},
        {"axis": [-1], "center": False},
        {"scale": False},
    ),
    "GroupNormalization": lambda: normalized(
        L.GroupNormalization,
        {"groups": 2},
        {"groups": -1},
        {"groups": 4, "axis": -1, "epsilon": 0.1},
        {"groups": 3, "axis": 1, "center": False},
        {"groups": 1, "scale": False},
        shape=(3, 5, 4),
    ),
    "UnitNormalization": lambda: normalized(L.UnitNormalization, {}, {"axis": 1}, {"axis": [1, 2]}),
    "SpectralNormalization": lambda: each(IMAGE, spectral(L.Conv2D(3, 2)), spectral(L.Dense(3), power_iterations=2)),
    "SyncBatchNormalization": lambda: each(IMAGE, L.experimental.SyncBatchNormalization()),
    # Noise
    "noise": lambda: each(
        SERIES,
        L.Dropout(0.5),
        L.Dropout(0.5, noise_shape=(None, 1, 3), seed=3),
        L.SpatialDropout1D(0.3),
        L.GaussianNoise(0.3),
        L.GaussianDropout(0.3),
        L.AlphaDropout(0.3),
        L.AlphaDropout(0.3, noise_shape=(None, 1, 3)),
        L.AlphaDropout(0.3, seed=1),
    ),
    "SpatialDropout2D": lambda: each(IMAGE, L.SpatialDropout2D(0.3), L.SpatialDropout2D(0.3, "channels_first")),
    "SpatialDropout3D": lambda: each(VOLUME, L.SpatialDropout3D(0.3)),
    # Preprocessing
    "Rescaling": lambda: each(
        IMAGE, L.Rescaling(1 / 255), L.Rescaling(2.0, -1.0), L.Rescaling([1.0, 2.0, 3.0], [0, 1, 2.0])
    ),
    "Resizing": lambda: each(
        IMAGE,
        L.Resizing(4, 5),
        L.Resizing(9, 11, "nearest"),
        L.Resizing(12, 12, "lanczos3"),
        L.Resizing(12, 12, "lanczos5"),
        L.Resizing(4, 4, crop_to_aspect_ratio=True),
        L.Resizing(9, 3, crop_to_aspect_ratio=True),
    ),
    "Resizing bicubic": lambda: each(IMAGE, L.Resizing(9, 11, "bicubic")),
    "Resizing area": lambda: each(IMAGE, L.Resizing(4, 5, "area")),
    "CenterCrop": lambda: each(IMAGE, L.CenterCrop(4, 5), L.CenterCrop(3, 3), L.CenterCrop(7, 8)),
    "CenterCrop upward": lambda: each(IMAGE, L.CenterCrop(10, 9), L.CenterCrop(5, 12), L.CenterCrop(4, 8)),
    "RandomCrop": lambda: each(IMAGE, L.RandomCrop(4, 5), L.RandomCrop(7, 8), L.RandomCrop(4, 4)),
    "Normalization": lambda: adapted(L.Normalization(), (3,)),
    "Normalization along axes": lambda: adapted(L.Normalization(axis=(1, 3)), IMAGE),
    "Normalization of a scalar": lambda: adapted(L.Normalization(axis=None), SERIES),
    "Normalization as given": lambda: each(
        (3,),
        L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]),
        L.Normalization(mean=0.5, variance=2.0, axis=None),
        L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 0.0], invert=True),
    ),
    "augmentation": lambda: each(
        IMAGE,
        L.RandomFlip("horizontal"),
        L.RandomFlip(seed=3),
        L.RandomRotation(0.2, "nearest"),
        L.RandomZoom(0.2, fill_mode="constant", fill_value=1.0),
        L.RandomZoom((-0.2, 0.3), (-0.1, 0.1)),
        L.RandomTranslation(0.1, (-0.2, 0.3)),
        L.RandomContrast(0.2),
        L.RandomBrightness(0.2),
        L.RandomHeight(0.2),
        L.RandomWidth((0.1, 0.3)),
    ),
    "Discretization": lambda: each(
        (4,),
        L.Discretization([-1.0, 0.0, 0.5]),
        L.Discretization([0.0]),
        L.Discretization([-1.0, 0.0], output_mode="multi_hot"),
        L.Discretization([-1.0, 0.0], output_mode="count"),
    ),
    "CategoryEncoding": lambda: each(
        (4,),
        L.CategoryEncoding(6),
        L.CategoryEncoding(6, output_mode="count"),
        dtype="int32",
    ),
    "CategoryEncoding of one": lambda: each((1,), L.CategoryEncoding(6, output_mode="one_hot"), dtype="int32"),
    "Hashing": lambda: each((4,), L.Hashing(5), L.Hashing(7, salt=3), L.Hashing(7, salt=[3, 4]), dtype="int32"),
    "Hashing with a mask": lambda: each(
        (4,), L.Hashing(5, mask_value=2), L.Hashing(5, output_mode="multi_hot"), dtype="int64"
    ),
    "Hashing of words": lambda: each((4,), L.Hashing(5), dtype="string"),
    "IntegerLookup": lambda: each((4,), L.IntegerLookup(vocabulary=[3, 1, 4]), dtype="int64"),
    "StringLookup": lambda: each((4,), L.StringLookup(vocabulary=["turtle", "net", "a"]), dtype="string"),
    "RandomFourierFeatures": lambda: each((4,), L.experimental.RandomFourierFeatures(5)),
    # Models
    "shared layer": shared,
    "nested once": lambda: nested(0, True),
    "nested deep": lambda: nested(2, True),
    "nested and frozen": lambda: nested(2, False),
    "Sequential of models": sequential_of_models,
    "a model called twice": called_twice,
    "several ends by name": several_ends,
    "a model of several ends inside": model_of_several_ends,
    "slashes in names": slashes,
    "mixed_float16": half,
    "float64": double,
    "initializers": every_initializer,
    "regularizers and constraints": every_penalty,
    "RadialConstraint": radial,
}


def spectral(layer, **settings):
    """This one takes an `InputSpec` from the Keras of TensorFlow, which is Keras 3 by now."""
    with mock.patch.object(tf.keras.layers, "InputSpec", L.InputSpec):
        wrapped = L.SpectralNormalization(layer, **settings)
        wrapped.build((None, *IMAGE))
    return wrapped


def conv_small():
    inputs = Input((6, 5, 2))
    return Model(inputs, L.GlobalAveragePooling2D()(L.BatchNormalization()(L.Conv2D(2, 3)(inputs))))


def mha_masked():
    query, value, key, mask = Input((6, 4)), Input((5, 4)), Input((5, 4)), Input((6, 5), dtype="bool")
    seen = L.MultiHeadAttention(2, 3)(query, value, key, attention_mask=mask)
    return Model([query, value, key, mask], seen)


# What a model takes where random numbers would not do, and how close it can come.
INPUTS = {
    "Embedding of floats": [np.arange(18, dtype="float32").reshape(3, 6) % 9],
    "several ends by name": [{"left": np.ones((3, 4), "float32"), "right": np.full((3, 3, 2), 0.5, "float32")}],
}
# Half precision rounds elsewhere where other operations are fused.
TOLERANCE = {"mixed_float16": 3e-3}


# Refused as `.keras`: there, one goes by a class name that is gone, the other holds a kernel twice.
HDF5_ONLY = {"SyncBatchNormalization", "SpectralNormalization"}

# What Keras 3 itself computes on TensorFlow only: on JAX it fails, or resizes by other weights. JAX has no words, and
# no numbers of 64 bits unless it is told to.
TENSORFLOW_ONLY = {
    "UpSampling2D area",
    "MultiHeadAttention to other values",
    "SyncBatchNormalization",
    "Resizing bicubic",
    "Resizing area",
    "Hashing with a mask",
    "Hashing of words",
    "IntegerLookup",
    "StringLookup",
    "float64",
}


# A layer is described alike in both formats: these few are read out of both in `make test`, all in `make test-slow`.
BOTH = ("Conv2D", "BatchNormalization", "shared layer", "nested deep", "Masking")


def check_layer(name, path):
    model = randomize(CASES[name]())
    agrees(save(model, path), model, INPUTS.get(name), TOLERANCE.get(name, 1e-5))


@pytest.mark.parametrize("name", marked(CASES, TENSORFLOW_ONLY))
def test_layer(name, tmp_path):
    check_layer(name, tmp_path / "model.h5")


@pytest.mark.parametrize("name", BOTH)
def test_layer_in_the_keras_format(name, tmp_path):
    check_layer(name, tmp_path / "model.keras")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", marked([each for each in CASES if each not in HDF5_ONLY and each not in BOTH], TENSORFLOW_ONLY)
)
def test_every_layer_in_the_keras_format(name, tmp_path):
    check_layer(name, tmp_path / "model.keras")


@pytest.mark.parametrize("name", BOTH)
def test_saved_model(name, tmp_path):
    model = randomize(CASES[name]())
    agrees(save(model, tmp_path / "folder"), model)


# Keras 2 cannot compute these on a processor; with the channels last, the same weights say the same. As many channels
# as columns come out of most: Keras 3 would mistake these for those.
FIRST = {
    "Conv1D": (SERIES, lambda form: L.Conv1D(3, 3, strides=2, padding="same", data_format=form)),
    "Conv2D": ((9, 9, 3), lambda form: L.Conv2D(4, 3, strides=2, data_format=form, activation="hard_sigmoid")),
    "Conv2D as wide": (IMAGE, lambda form: L.Conv2D(8, 3, padding="same", data_format=form, activation=L.LeakyReLU())),
    "Conv3D": (VOLUME, lambda form: L.Conv3D(3, 2, data_format=form)),
    "Conv2DTranspose": (IMAGE, lambda form: L.Conv2DTranspose(16, 3, strides=2, padding="same", data_format=form)),
    "DepthwiseConv2D": (IMAGE, lambda form: L.DepthwiseConv2D(3, depth_multiplier=2, data_format=form)),
    "SeparableConv2D": (IMAGE, lambda form: L.SeparableConv2D(8, 3, padding="same", data_format=form)),
    "MaxPooling2D": (IMAGE, lambda form: L.MaxPooling2D(2, data_format=form)),
    "AveragePooling2D": (IMAGE, lambda form: L.AveragePooling2D(3, 2, "same", data_format=form)),
    "MaxPooling3D": (VOLUME, lambda form: L.MaxPooling3D(2, data_format=form)),
}


@pytest.mark.parametrize("name", FIRST)
def test_channels_first(name, tmp_path):
    shape, make = FIRST[name]
    last = randomize(each(shape, make("channels_last")))
    first = each((shape[-1], *shape[:-1]), make("channels_first"))
    first.set_weights(last.get_weights())
    x = draw(last)
    (wanted,) = outputs_of(last, x)
    for ending in ("h5", "keras"):
        (found,) = outputs_of(load(save(first, tmp_path / f"model.{ending}")), [np.moveaxis(x[0], -1, 1)])
        np.testing.assert_allclose(np.moveaxis(found, 1, -1), wanted, atol=1e-5)


def residual(x):
    return L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(1, 4)(x, x)]))


# From a sequence whose end is masked to another: what each layer does with the mask shows in what follows.
MASKED = {
    **{
        kind.__name__: (lambda x, kind=kind: kind()(x))
        for kind in (L.ReLU, L.PReLU, L.LayerNormalization, L.BatchNormalization, L.UnitNormalization, L.Identity)
        + (L.MaxPooling1D, L.AveragePooling1D, L.ZeroPadding1D, L.UpSampling1D, L.Cropping1D)
    },
    "Dense": lambda x: L.Dense(4)(x),
    "Conv1D": lambda x: L.Conv1D(4, 1)(x),
    "Dropout": lambda x: L.Dropout(0.5)(x),
    "Rescaling": lambda x: L.Rescaling(2.0)(x),
    "Normalization": lambda x: L.Normalization(mean=1.0, variance=2.0, axis=None)(x),
    "Reshape": lambda x: L.Reshape((6, 4))(L.Reshape((6, 2, 2))(x)),
    "Permute": lambda x: L.Permute((2, 1))(x),
    "LSTM": lambda x: L.LSTM(4, return_sequences=True)(x),
    "LSTM backward": lambda x: L.LSTM(4, return_sequences=True, go_backwards=True)(x),
    "Bidirectional": lambda x: L.Bidirectional(L.GRU(4, return_sequences=True))(x),
    "TimeDistributed": lambda x: L.TimeDistributed(L.Dense(4))(x),
    "Sequential": lambda x: Sequential([L.Dense(4), L.ReLU()])(x),
    "Attention": lambda x: L.Attention()([x, L.Dense(4)(x)]),
    "causal Attention": lambda x: L.Attention()([x, x], use_causal_mask=True),
    "AdditiveAttention": lambda x: L.AdditiveAttention()([x, x]),
    "MultiHeadAttention": lambda x: L.MultiHeadAttention(2, 3)(x, x),
    "residual": residual,
    "beside MultiHeadAttention": lambda x: L.Concatenate()(
        [L.MultiHeadAttention(2, 3)(x, x), L.ReLU()(x), L.Dense(2)(x)]
    ),
    "MultiHeadAttention of another mask": lambda x: L.MultiHeadAttention(2, 3)(
        x, *[L.Masking(0.0)(L.ReLU(threshold=0.5)(x))] * 2
    ),
    "operations": lambda x: tf.nn.relu(x * 2.0) + x,
    **{
        f"{kind.__name__} {what}": (lambda x, kind=kind, other=other: kind()([x, other(x)]))
        for kind in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate)
        for what, other in (
            ("of the same mask", lambda x: L.Dense(4)(x)),
            ("of no mask", lambda x: L.Conv1D(4, 1)(x)),
            ("of another mask", lambda x: L.Masking(0.0)(L.ReLU(threshold=0.5)(x))),
        )
    },
    "Concatenate in time": lambda x: L.Concatenate(axis=1)([x, L.Dense(4)(x)]),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks(name, tmp_path):
    words = Input((6,), dtype="int32")
    x = MASKED[name](L.Embedding(5, 4, mask_zero=True)(words))
    model = randomize(Model(words, [L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x), L.SimpleRNN(2)(x)]))
    inputs = [np.array([[1, 2, 3, 0, 0, 0], [0, 0, 4, 2, 1, 0], [1, 0, 2, 0, 3, 0], [0, 0, 0, 1, 0, 0]], "int32")]
    agrees(save(model, tmp_path / "model.h5"), model, inputs)


@pytest.mark.parametrize("kind", [L.LSTM, L.GRU, L.SimpleRNN])
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_stateful(kind, ending, tmp_path):
    model = stateful(kind)
    again = load(save(model, tmp_path / f"model.{ending}"))
    x = np.random.default_rng(0).normal(size=model.input_shape).astype("float32")
    # Each batch begins where the last one ended; `predict` of Keras 3 forgets that under JAX.
    for _ in range(3):
        np.testing.assert_allclose(again(x), model(x), atol=1e-5)


REFUSED = {
    "Discretization adapted": (lambda: adapted(L.Discretization(num_bins=4), (4,)), "Expected 0"),
    "causal SeparableConv1D": (lambda: each(SERIES, L.SeparableConv1D(4, 3, padding="causal")), "padding"),
    "UpSampling2D": (
        lambda: each(IMAGE, L.UpSampling2D(2, interpolation="gaussian")),
        "interpolation in UpSampling2D",
    ),
    "Resizing": (lambda: each(IMAGE, L.Resizing(4, 4, "mitchellcubic")), "interpolation in Resizing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    """What Keras 3 cannot compute is refused when it is loaded, not when it is called."""
    make, word = REFUSED[name]
    model = make()
    for ending in ("h5", "keras"):
        with pytest.raises(ModelError, match=word) as caught:
            load(save(model, tmp_path / f"model.{ending}"))
        assert "\n" not in str(caught.value)
