"""Writes models with an old Keras, and beside each what that Keras computed.

Not run by the tests: it runs under the old Kerases themselves, on Python 3.6 to 3.9.

    KERAS_BACKEND=theano python make_old_files.py FOLDER              # keras of any version from 1.0.7 to 2.3
    KERAS_BACKEND=theano python make_old_files.py FOLDER --order th   # Keras 1 and Theano's order of dimensions
    python make_old_files.py FOLDER --tf                              # tf.keras
    python make_old_files.py FOLDER --only lstm

For a case `lstm` it writes `keras122-theano-lstm.h5` and, with the inputs x0, x1, ... and the predictions y0, y1, ...,
`keras122-theano-lstm.npz`. A case that this Keras cannot build is told and left out. Weights and inputs are random,
drawn from a seed that is the case's name.
"""

import argparse
import sys
import traceback
import zlib
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--tf", action="store_true")
parser.add_argument("--only", default="")
parser.add_argument("--order", choices=("th", "tf"), default="tf")
parser.add_argument("--verbose", action="store_true")
told = parser.parse_args()

if told.tf:
    import tensorflow as tf

    keras = tf.keras
    VERSION, BACKEND = tf.__version__, "tfkeras"
else:
    import keras

    VERSION, BACKEND = keras.__version__, keras.backend.backend()
    if BACKEND == "theano":
        import theano.ifelse  # noqa: F401  (Keras 1 uses it and does not import it)

L, K = keras.layers, keras.backend
Sequential, Model, Input = keras.models.Sequential, keras.models.Model, L.Input
OLD = VERSION.startswith("1.") and not told.tf
FIRST = told.order == "th"
if OLD:
    try:
        K.set_image_dim_ordering(told.order)
    except AttributeError:
        K._IMAGE_DIM_ORDERING = told.order
elif hasattr(K, "set_image_data_format"):
    K.set_image_data_format("channels_first" if FIRST else "channels_last")
AXIS = 1 if FIRST else -1
CASES = {}


def case(made):
    CASES[made.__name__] = made
    return made


def image(*shape):
    """A shape (rows, columns, channels) in the order of this run."""
    return (shape[-1],) + shape[:-1] if FIRST else tuple(shape)


def model_of(inputs, outputs):
    if OLD:
        return Model(input=inputs, output=outputs)
    return Model(inputs=inputs, outputs=outputs)


def fan(shape, *layers):
    """A model with each of the layers at one input; those that this Keras lacks are left out."""
    x = Input(shape=shape)
    outputs = []
    for make in layers:
        try:
            outputs.append(make()(x))
        except (AttributeError, NotImplementedError) as error:
            print("  without", str(error)[:90])
    return model_of(x, outputs)


def lazily(kind, *args, **settings):
    return lambda: getattr(L, kind)(*args, **settings)


# What is called otherwise in Keras 1 and 2.


def dense(units, **settings):
    return L.Dense(units, **settings)


def conv1(filters, size, **settings):
    if not OLD:
        return L.Conv1D(filters, size, **settings)
    settings = renamed(settings, strides="subsample_length", padding="border_mode", use_bias="bias")
    if "dilation_rate" in settings:
        return L.AtrousConvolution1D(filters, size, atrous_rate=settings.pop("dilation_rate"), **settings)
    return L.Convolution1D(filters, size, **settings)


def conv2(filters, rows, columns, kind="Conv2D", **settings):
    if not OLD:
        return getattr(L, kind)(filters, (rows, columns), **settings)
    settings = renamed(settings, strides="subsample", padding="border_mode", use_bias="bias")
    if "dilation_rate" in settings:
        return L.AtrousConvolution2D(filters, rows, columns, atrous_rate=settings.pop("dilation_rate"), **settings)
    kind = {"Conv2D": "Convolution2D", "SeparableConv2D": "SeparableConvolution2D"}.get(kind, kind)
    return getattr(L, kind)(filters, rows, columns, **settings)


def conv3(filters, size, **settings):
    if not OLD:
        return L.Conv3D(filters, size, **settings)
    return L.Convolution3D(filters, *size, **renamed(settings, strides="subsample", padding="border_mode"))


def deconv2(filters, rows, columns, shape, **settings):
    """A transposed convolution; `shape` is that of the output, (rows, columns)."""
    if not OLD:
        return L.Conv2DTranspose(filters, (rows, columns), **settings)
    settings = renamed(settings, strides="subsample", padding="border_mode")
    return L.Deconvolution2D(filters, rows, columns, (BATCH,) + image(shape[0], shape[1], filters), **settings)


def pool(kind, size, **settings):
    if not OLD:
        return getattr(L, kind)(size, **settings)
    if kind.endswith("1D"):
        return getattr(L, kind)(size, **renamed(settings, strides="stride", padding="border_mode"))
    return getattr(L, kind)(size, **renamed(settings, padding="border_mode"))


def recurrent(kind, units, **settings):
    if OLD:
        settings = renamed(settings, recurrent_activation="inner_activation")
    return getattr(L, kind)(units, **settings)


def renamed(settings, **names):
    return {names.get(key, key): value for key, value in settings.items()}


def join(tensors, mode, **settings):
    if OLD:
        return L.merge(tensors, mode=mode, **settings)
    kinds = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate"}
    if mode in ("dot", "cos"):
        return L.Dot(settings.get("dot_axes", -1), normalize=mode == "cos")(tensors)
    if mode == "concat":
        return L.Concatenate(axis=settings.get("concat_axis", -1))(tensors)
    return getattr(L, kinds[mode])()(tensors)


BATCH = 3

# Dense layers.


@case
def mlp():
    model = Sequential()
    model.add(dense(8, activation="relu", input_shape=(6,)))
    model.add(L.BatchNormalization())
    model.add(L.Dropout(0.3))
    model.add(dense(7, activation="tanh"))
    model.add(dense(5, activation="hard_sigmoid"))
    model.add(dense(3, activation="softmax"))
    return model


@case
def activations():
    names = ("relu", "tanh", "sigmoid", "hard_sigmoid", "softplus", "softsign", "linear", "softmax", "elu", "selu")
    layers = []
    for name in names:
        if hasattr(keras.activations, name):
            # The layer of a linear one gave its input back, whose place in the graph was lost then.
            layers.append(lazily("Dense", 3) if name == "linear" else lazily("Activation", name))
    return fan((5,), *layers)


@case
def learned():
    return fan(
        (4, 5),
        lazily("PReLU"),
        lazily("ELU", 0.7),
        lazily("LeakyReLU", 0.2),
        lazily("ThresholdedReLU", 0.4),
        lazily("SReLU"),
        lazily("ParametricSoftplus"),
    )


@case
def learned_shared():
    layers = [lazily("PReLU", shared_axes=[1])]
    if OLD:
        layers += [lazily("SReLU", shared_axes=[1, 2]), lazily("ParametricSoftplus", shared_axes=[2])]
    return fan((4, 5, 2), *layers)


@case
def maxout_highway():
    model = Sequential()
    model.add(L.MaxoutDense(5, nb_feature=3, input_dim=4))
    model.add(L.Highway(activation="relu"))
    model.add(L.Highway(bias=False) if OLD else L.Highway())
    return model


@case
def reshaping():
    model = Sequential()
    model.add(dense(12, input_shape=(4,)))
    model.add(L.Reshape((3, 4)))
    model.add(L.Permute((2, 1)))
    model.add(L.Flatten())
    model.add(L.RepeatVector(2))
    model.add(L.GaussianNoise(0.1))
    model.add(L.GaussianDropout(0.1))
    model.add(L.ActivityRegularization(l1=0.01))
    return model


@case
def dense_of_sequences():
    if OLD:
        model = Sequential()
        model.add(L.TimeDistributedDense(5, input_shape=(4, 3)))
        model.add(L.TimeDistributed(dense(2, activation="tanh")))
        return model
    model = Sequential()
    model.add(dense(5, input_shape=(4, 3)))
    model.add(L.TimeDistributed(dense(2, activation="tanh")))
    return model


@case
def regularized():
    model = Sequential()
    if OLD:
        from keras.constraints import maxnorm
        from keras.regularizers import activity_l2, l1, l1l2, l2

        settings = {"W_regularizer": l2(0.01), "b_regularizer": l1(0.02), "W_constraint": maxnorm(2)}
        # Keras 1 summed this one over the batch, and Keras 3 averages it.
        model.add(dense(5, input_shape=(4,), init="he_normal", activity_regularizer=activity_l2(0.0), **settings))
        model.add(dense(3, W_regularizer=l1l2(0.01, 0.03), init="uniform", b_constraint="nonneg"))
    else:
        settings = {"kernel_regularizer": keras.regularizers.l2(0.01), "bias_regularizer": keras.regularizers.l1(0.02)}
        settings["kernel_constraint"] = keras.constraints.max_norm(2)
        model.add(dense(5, input_shape=(4,), kernel_initializer="he_normal", **settings))
        both = keras.regularizers.l1_l2(0.01, 0.03)
        model.add(dense(3, kernel_regularizer=both, bias_constraint="non_neg"))
    model.compile(optimizer="sgd", loss="mse")
    return model


@case
def lambda_refused():
    model = Sequential()
    model.add(dense(3, input_shape=(4,)))
    model.add(L.Lambda(lambda x: x * 2))
    return model


# Images.


@case
def cnn():
    model = Sequential()
    model.add(conv2(4, 3, 3, padding="same", activation="relu", input_shape=image(8, 9, 3)))
    model.add(L.BatchNormalization(axis=AXIS))
    model.add(pool("MaxPooling2D", (2, 2)))
    model.add(L.ZeroPadding2D((1, 2)))
    model.add(conv2(5, 2, 3, activation="relu"))
    model.add(L.Flatten())
    model.add(dense(3, activation="softmax"))
    return model


@case
def conv2d():
    return fan(
        image(9, 8, 2),
        lambda: conv2(3, 3, 3),
        lambda: conv2(3, 2, 3, strides=(2, 1)),
        lambda: conv2(3, 3, 3, strides=(2, 2), use_bias=False),
        lambda: conv2(3, 3, 5, padding="same"),
        lambda: conv2(3, 1, 1, padding="same"),
    )


@case
def conv2d_same_even():
    return fan(image(9, 8, 2), lambda: conv2(3, 2, 4, padding="same"))


@case
def conv2d_same_stride():
    return fan(image(9, 9, 2), lambda: conv2(3, 3, 3, padding="same", strides=(2, 2)))


@case
def conv2d_same_stride_on_even():
    return fan(image(8, 8, 2), lambda: conv2(3, 3, 3, padding="same", strides=(2, 2)))


@case
def conv2d_same_point_stride():
    return fan(image(8, 9, 2), lambda: conv2(3, 1, 1, padding="same", strides=(2, 2)))


@case
def conv2d_full():
    if not OLD:
        raise NotImplementedError("border_mode full is of Keras 1")
    return fan(image(6, 6, 2), lambda: conv2(3, 3, 3, padding="full"))


@case
def conv2d_atrous():
    return fan(image(9, 8, 2), lambda: conv2(3, 3, 2, dilation_rate=(2, 2)))


@case
def conv2d_atrous_same():
    return fan(image(9, 8, 2), lambda: conv2(3, 3, 3, padding="same", dilation_rate=(2, 2)))


@case
def conv1d():
    return fan(
        (9, 3),
        lambda: conv1(4, 3),
        lambda: conv1(4, 2, strides=2),
        lambda: conv1(4, 3, padding="same", activation="relu"),
    )


@case
def conv1d_same_even():
    return fan((9, 3), lambda: conv1(4, 4, padding="same"))


@case
def conv1d_same_stride():
    return fan((8, 3), lambda: conv1(4, 3, padding="same", strides=2))


@case
def conv1d_causal():
    return fan((9, 3), lambda: L.Conv1D(4, 3, padding="causal"), lambda: L.Conv1D(4, 2, padding="causal"))


@case
def conv1d_atrous():
    return fan((9, 3), lambda: conv1(4, 3, dilation_rate=2))


@case
def conv3d():
    return fan(
        image(5, 6, 7, 2),
        lambda: conv3(3, (2, 3, 3)),
        lambda: conv3(3, (3, 3, 3), padding="same"),
        lambda: conv3(3, (2, 2, 2), strides=(2, 1, 2)),
    )


@case
def conv3d_same_even():
    return fan(image(5, 6, 7, 2), lambda: conv3(3, (2, 2, 2), padding="same"))


@case
def deconv2d():
    x = Input(batch_shape=(BATCH,) + image(4, 5, 2))
    outputs = [
        deconv2(3, 3, 3, (6, 7))(x),
        deconv2(3, 3, 2, (9, 10), strides=(2, 2))(x),
    ]
    return model_of(x, outputs)


@case
def deconv2d_same():
    x = Input(batch_shape=(BATCH,) + image(4, 5, 2))
    return model_of(x, deconv2(3, 3, 3, (4, 5), padding="same")(x))


@case
def deconv2d_same_stride():
    if VERSION.startswith("1.0"):
        raise NotImplementedError("its file does not have the shape that is asked for here")
    x = Input(batch_shape=(BATCH,) + image(4, 5, 2))
    return model_of(x, deconv2(3, 3, 3, (8, 10), padding="same", strides=(2, 2))(x))


@case
def deconv2d_same_even():
    x = Input(batch_shape=(BATCH,) + image(4, 5, 2))
    return model_of(x, deconv2(3, 4, 4, (8, 10), padding="same", strides=(2, 2))(x))


@case
def deconv3d():
    x = Input(shape=image(3, 4, 3, 2))
    return model_of(x, L.Conv3DTranspose(3, (2, 3, 2), strides=(1, 2, 2))(x))


@case
def separable():
    return fan(
        image(8, 7, 3),
        lambda: conv2(4, 3, 2, kind="SeparableConv2D", depth_multiplier=2),
        lambda: conv2(4, 3, 3, kind="SeparableConv2D", padding="same"),
    )


@case
def separable1d():
    return fan((9, 3), lambda: L.SeparableConv1D(4, 3, depth_multiplier=2), lazily("SeparableConv1D", 4, 2, strides=2))


@case
def depthwise():
    return fan(
        image(8, 7, 3),
        lazily("DepthwiseConv2D", (3, 2), depth_multiplier=2),
        lazily("DepthwiseConv2D", (3, 3), padding="same"),
    )


@case
def local():
    return fan(
        image(6, 5, 2),
        lambda: conv2(3, 2, 3, kind="LocallyConnected2D", activation="tanh"),
        lambda: conv2(2, 3, 2, kind="LocallyConnected2D", strides=(2, 1)),
        lambda: conv2(2, 3, 2, kind="LocallyConnected2D", use_bias=False),
    )


@case
def local1d():
    if OLD:
        return fan((7, 3), lazily("LocallyConnected1D", 4, 3), lazily("LocallyConnected1D", 2, 2, subsample_length=2))
    return fan((7, 3), lazily("LocallyConnected1D", 4, 3), lazily("LocallyConnected1D", 2, 2, strides=2))


@case
def local_implementations():
    layers = []
    for number in (1, 2, 3):
        padding = "valid" if number == 1 else "same"
        for strides in (1, 2):
            settings = {"implementation": number, "padding": padding, "strides": strides}
            layers.append(lazily("LocallyConnected2D", 2, (2, 3), **settings))
    return fan(image(5, 4, 2), *layers)


@case
def pooling2d():
    layers = []
    for kind in ("MaxPooling2D", "AveragePooling2D"):
        layers.append(lambda kind=kind: pool(kind, (2, 2)))
        layers.append(lambda kind=kind: pool(kind, (3, 2), strides=(1, 2)))
    layers += [lazily("GlobalMaxPooling2D"), lazily("GlobalAveragePooling2D")]
    return fan(image(7, 8, 2), *layers)


@case
def pooling2d_same_max():
    return fan(
        image(7, 8, 2),
        lambda: pool("MaxPooling2D", (3, 3), strides=(1, 1), padding="same"),
    )


@case
def pooling2d_same_max_stride():
    return fan(image(7, 8, 2), lambda: pool("MaxPooling2D", (3, 3), strides=(2, 2), padding="same"))


@case
def pooling2d_same_max_even():
    return fan(image(7, 8, 2), lambda: pool("MaxPooling2D", (2, 2), strides=(2, 2), padding="same"))


@case
def pooling2d_same_average():
    return fan(image(7, 7, 2), lambda: pool("AveragePooling2D", (3, 3), strides=(1, 1), padding="same"))


@case
def pooling2d_same_average_stride():
    return fan(image(7, 8, 2), lambda: pool("AveragePooling2D", (2, 2), strides=(2, 2), padding="same"))


@case
def pooling1d():
    return fan(
        (8, 3),
        lambda: pool("MaxPooling1D", 2),
        lambda: pool("MaxPooling1D", 3, strides=1),
        lambda: pool("AveragePooling1D", 3, strides=2),
        lazily("GlobalMaxPooling1D"),
        lazily("GlobalAveragePooling1D"),
    )


@case
def pooling1d_same():
    return fan((8, 3), lambda: pool("MaxPooling1D", 3, strides=1, padding="same"))


@case
def pooling1d_same_average():
    return fan((7, 3), lambda: pool("AveragePooling1D", 3, strides=1, padding="same"))


@case
def pooling3d():
    return fan(
        image(4, 5, 6, 2),
        lambda: pool("MaxPooling3D", (2, 2, 2)),
        lambda: pool("AveragePooling3D", (2, 2, 3), strides=(1, 2, 2)),
        lazily("GlobalMaxPooling3D"),
        lazily("GlobalAveragePooling3D"),
    )


@case
def sides():
    """The order of these is not in the files of Keras 1: a convolution tells it."""
    x = Input(shape=image(5, 6, 2))
    y = conv2(3, 1, 1)(x)
    layers = [lazily("ZeroPadding2D", (1, 2)), lazily("UpSampling2D", (2, 3))]
    layers += [lazily("Cropping2D", ((1, 0), (2, 1)))] if hasattr(L, "Cropping2D") else []
    if OLD and VERSION >= "1.1":
        layers += [lazily("ZeroPadding2D", {"top_pad": 1, "left_pad": 2}), lazily("ZeroPadding2D", (1, 0, 2, 3))]
    if not OLD:
        layers += [lazily("ZeroPadding2D", ((1, 0), (2, 3))), lazily("SpatialDropout2D", 0.2)]
    return model_of(x, [make()(y) for make in layers])


@case
def sides3d():
    x = Input(shape=image(3, 4, 5, 2))
    y = conv3(3, (1, 1, 1))(x)
    layers = [lazily("ZeroPadding3D", (1, 2, 1)), lazily("UpSampling3D", (2, 1, 3))]
    layers += [lazily("Cropping3D", ((1, 0), (2, 1), (0, 1)))] if hasattr(L, "Cropping3D") else []
    return model_of(x, [make()(y) for make in layers])


@case
def sides1d():
    layers = [lazily("ZeroPadding1D", 2)]
    layers += [lazily("UpSampling1D", length=3) if OLD else lazily("UpSampling1D", 3)]
    layers += [lazily("Cropping1D", (1, 2))] if hasattr(L, "Cropping1D") else []
    layers += [] if OLD else [lazily("SpatialDropout1D", 0.2)]
    if OLD and VERSION >= "1.1":
        layers += [lazily("ZeroPadding1D", {"left_pad": 1}), lazily("ZeroPadding1D", (1, 2))]
    return fan((6, 3), *layers)


@case
def normalized():
    layers = [lazily("BatchNormalization", axis=1), lazily("BatchNormalization", epsilon=0.01)]
    if not OLD:
        layers.append(lazily("BatchNormalization", scale=False))
        layers.append(lazily("BatchNormalization", center=False))
    return fan((3, 4, 5), *layers)


@case
def normalized_by_sample():
    if not OLD:
        raise NotImplementedError("mode is of Keras 1")
    return fan((4,), lazily("BatchNormalization", mode=1))


# Sequences.


def recurrents(kind):
    settings = [
        {},
        {"return_sequences": True, "activation": "relu", "recurrent_activation": "sigmoid"},
        {"go_backwards": True, "return_sequences": True},
    ]
    if OLD:
        settings += [{"consume_less": "gpu", "unroll": True}]
    else:
        settings += [{"implementation": 2}, {"unroll": True}, {"use_bias": False}]
    if kind == "SimpleRNN":
        for each in settings:
            each.pop("recurrent_activation", None)
    return fan((5, 3), *[lambda each=each: recurrent(kind, 4, **each) for each in settings])


@case
def lstm():
    return recurrents("LSTM")


@case
def gru():
    return recurrents("GRU")


@case
def simple_rnn():
    return recurrents("SimpleRNN")


@case
def gru_reset_after():
    return fan((5, 3), lazily("GRU", 4, reset_after=True), lazily("GRU", 4, reset_after=False))


@case
def stateful():
    x = Input(batch_shape=(BATCH, 5, 3))
    return model_of(x, recurrent("LSTM", 4, stateful=True)(x))


@case
def bidirectional():
    def both(mode, kind="LSTM", **settings):
        return lambda: L.Bidirectional(recurrent(kind, 3, **settings), merge_mode=mode)

    return fan(
        (5, 3),
        both("concat"),
        both("ave", kind="GRU"),
        both("mul", kind="SimpleRNN", return_sequences=True),
    )


@case
def over_time():
    model = Sequential()
    model.add(L.TimeDistributed(conv2(3, 3, 3, activation="relu"), input_shape=(4,) + image(6, 5, 2)))
    model.add(L.TimeDistributed(L.Flatten()))
    model.add(L.TimeDistributed(L.BatchNormalization()))
    model.add(recurrent("GRU", 4))
    return model


@case
def models_over_time():
    inner = Sequential()
    inner.add(conv2(3, 3, 3, activation="relu", input_shape=image(6, 5, 2)))
    inner.add(L.Flatten())
    inner.add(dense(3))
    model = Sequential()
    model.add(L.TimeDistributed(inner, input_shape=(4,) + image(6, 5, 2)))
    model.add(recurrent("GRU", 4))
    return model


@case
def embedded():
    model = Sequential()
    model.add(L.Embedding(11, 4, mask_zero=True, input_length=6))
    model.add(recurrent("LSTM", 5, return_sequences=True))
    model.add(recurrent("GRU", 4))
    model.add(dense(2, activation="softmax"))
    return model, [words(11, 6)]


@case
def embedded_plainly():
    model = Sequential()
    model.add(L.Embedding(11, 4, input_length=6))
    model.add(L.Flatten())
    model.add(dense(2))
    return model, [words(11, 6)]


@case
def masked():
    model = Sequential()
    model.add(L.Masking(0.0, input_shape=(6, 3)))
    model.add(recurrent("SimpleRNN", 5, return_sequences=True))
    model.add(recurrent("LSTM", 4, go_backwards=True))
    x = random("masked").normal(size=(BATCH, 6, 3)).astype("float32")
    x[0, 4:] = 0
    x[1, :2] = 0
    return model, [x]


@case
def masked_merges():
    a, b = Input(shape=(6,), dtype="int32"), Input(shape=(6,), dtype="int32")
    first, second = L.Embedding(11, 4, mask_zero=True)(a), L.Embedding(11, 4, mask_zero=True)(b)
    outputs = [recurrent("LSTM", 3)(join([first, second], mode)) for mode in ("sum", "concat")]
    return model_of([a, b], outputs), [words(11, 6), words(11, 6, seed="b")]


@case
def masked_over_time():
    x = Input(shape=(6, 3))
    y = L.Masking(0.0)(x)
    outputs = [recurrent("LSTM", 3)(L.TimeDistributed(dense(4))(y)), recurrent("GRU", 3)(L.Dropout(0.5)(y))]
    outputs.append(L.Bidirectional(recurrent("LSTM", 3))(y))
    given = random("masked").normal(size=(BATCH, 6, 3)).astype("float32")
    given[0, 4:] = 0
    given[1, :2] = 0
    return model_of(x, outputs), [given]


@case
def conv_lstm():
    shape = (3,) + image(5, 4, 2)
    return fan(
        shape,
        lambda: convolutional("ConvLSTM2D", 2, 3, padding="same"),
        lambda: convolutional("ConvLSTM2D", 2, 3, padding="same", return_sequences=True),
    )


@case
def conv_lstm_valid():
    shape = (3,) + image(5, 6, 2)
    return fan(shape, lambda: convolutional("ConvLSTM2D", 2, 3, padding="valid"))


@case
def conv_lstm_even():
    shape = (3,) + image(5, 6, 2)
    return fan(shape, lambda: convolutional("ConvLSTM2D", 2, 2, padding="valid"))


def convolutional(kind, filters, size, **settings):
    if OLD:
        return getattr(L, kind)(filters, size, size, **renamed(settings, padding="border_mode"))
    return getattr(L, kind)(filters, (size, size), **settings)


# Graphs.


@case
def merges():
    a, b = Input(shape=(4,)), Input(shape=(4,))
    c, d = dense(3)(a), dense(3, activation="tanh")(b)
    outputs = [join([c, d], mode) for mode in ("sum", "mul", "ave", "max", "concat", "dot", "cos")]
    outputs.append(join([c, d, a], "concat"))
    return model_of([a, b], outputs)


@case
def merges_of_matrices():
    a, b = Input(shape=(4, 3)), Input(shape=(5, 3))
    outputs = [join([a, b], "dot", dot_axes=(2, 2)), join([a, b], "concat", concat_axis=1)]
    return model_of([a, b], outputs)


@case
def cosine_of_matrices():
    a, b = Input(shape=(4, 3)), Input(shape=(5, 3))
    return model_of([a, b], join([a, b], "cos", dot_axes=(2, 2)))


def branches(mode, **settings):
    made = []
    for _ in range(2):
        branch = Sequential()
        branch.add(dense(5, activation="tanh", input_shape=(4,)))
        branch.add(dense(3))
        made.append(branch)
    model = Sequential()
    model.add(L.Merge(made, mode=mode, **settings))
    model.add(dense(2))
    return model


for _mode in ("sum", "mul", "ave", "max", "concat", "dot", "cos"):
    CASES["branches_" + _mode] = lambda mode=_mode: branches(mode)


@case
def branches_deep():
    inner = branches("concat")
    right = Sequential()
    right.add(dense(2, input_shape=(3,)))
    model = Sequential()
    model.add(L.Merge([inner, right], mode="sum"))
    model.add(L.BatchNormalization())
    model.add(dense(2))
    return model


@case
def merge_by_code():
    a, b = Input(shape=(4,)), Input(shape=(4,))
    return model_of([a, b], L.merge([a, b], mode=lambda x: x[0] - x[1], output_shape=(4,)))


@case
def nested():
    inner = Sequential()
    inner.add(dense(5, activation="relu", input_shape=(4,)))
    inner.add(L.BatchNormalization())
    inner.add(dense(3))
    x = Input(shape=(3,))
    graph = model_of(x, join([dense(3, activation="tanh")(x), L.BatchNormalization()(x)], "sum"))
    model = Sequential()
    again = Sequential()
    again.add(dense(3, input_shape=(3,)))
    model.add(inner)
    model.add(graph)
    model.add(again)
    model.add(dense(2))
    return model


@case
def shared():
    a, b = Input(shape=(4,)), Input(shape=(4,))
    both = dense(3, activation="tanh")
    inner = Sequential()
    inner.add(dense(3, input_shape=(3,)))
    inner.add(L.BatchNormalization())
    c, d = inner(both(a)), inner(both(b))
    return model_of([a, b], [join([c, d], "mul"), c, d])


@case
def ends():
    a, b = Input(shape=(4,), name="left"), Input(shape=image(5, 6, 2), name="right")
    c = L.Flatten()(conv2(3, 3, 3, activation="relu")(b))
    joined = join([dense(3)(a), c], "concat")
    return model_of([a, b], [dense(2, name="first")(joined), dense(1, activation="sigmoid", name="second")(joined)])


# Compiled states.

OPTIMIZERS = ("sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam")
LOSSES = ("mse", "mae", "mape", "msle", "squared_hinge", "hinge", "categorical_crossentropy", "binary_crossentropy")
LOSSES += ("kullback_leibler_divergence", "poisson", "cosine_proximity", "logcosh", "categorical_hinge")


def trained(optimizer, loss):
    # Keras 3 takes the logits of a softmax for those of a sigmoid.
    last = "sigmoid" if loss == "binary_crossentropy" else "softmax"
    model = Sequential()
    model.add(dense(4, activation="relu", input_shape=(4,)))
    model.add(dense(3, activation=last))
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    rng = random("train")
    model.train_on_batch(rng.normal(size=(8, 4)), np.eye(3)[rng.randint(0, 3, 8)])
    return model


for _name in OPTIMIZERS:
    CASES["optimizer_" + _name] = lambda name=_name: trained(name, "categorical_crossentropy")
for _name in LOSSES:
    CASES["loss_" + _name] = lambda name=_name: trained("sgd", name)


@case
def optimizer_decay():
    rate = "learning_rate" if told.tf and VERSION >= "2.3" else "lr"
    made = keras.optimizers.SGD(decay=0.01, momentum=0.9, nesterov=True, **{rate: 0.05})
    return trained(made, "mse")


@case
def losses_of_ends():
    model = ends()
    losses = {"first": "mse", "second": "binary_crossentropy"}
    model.compile(optimizer="adam", loss=losses, loss_weights={"first": 1.0, "second": 0.5})
    return model


# Writing.


def random(name):
    return np.random.RandomState(zlib.crc32(name.encode()) % 2**31)


def words(count, length, seed="words"):
    given = random(seed).randint(1, count, size=(BATCH, length))
    given[0, length - 2 :] = 0
    return given.astype("int32")


def weigh(model, rng):
    """Random weights, where a variance is positive."""
    for variable in model.weights:
        shape = K.get_value(variable).shape
        positive = "running_std" in variable.name or "variance" in variable.name
        value = rng.uniform(0.5, 2, size=shape) if positive else rng.normal(0, 0.5, size=shape)
        K.set_value(variable, value.astype("float32"))


def inputs_of(model, rng):
    shapes = [K.int_shape(each) if hasattr(K, "int_shape") else each._keras_shape for each in model.inputs]
    return [rng.normal(size=(BATCH,) + tuple(shape[1:])).astype("float32") for shape in shapes]


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def make(name):
    made = CASES[name]()
    model, given = made if isinstance(made, tuple) else (made, None)
    rng = random(name)
    weigh(model, rng)
    given = given or inputs_of(model, rng)
    arrays = {f"x{i}": value for i, value in enumerate(given)}
    predicted = listed(model.predict(given if len(given) > 1 else given[0], batch_size=BATCH))
    arrays.update({f"y{i}": value for i, value in enumerate(predicted)})
    if getattr(model, "optimizer", None) is not None and len(predicted) == 1:
        target = np.eye(3, dtype="float32")[rng.randint(0, 3, BATCH)]
        # Later Kerases bring 0 and 1 to -1 and 1 by themselves.
        target = 2 * target - 1 if "hinge" in name else target
        arrays["target"] = target
        arrays["loss"] = np.asarray(listed(model.test_on_batch(given[0], target))[0])
    stem = ("tf" + VERSION if told.tf else "keras" + VERSION).replace(".", "")
    stem += "" if told.tf else "-" + BACKEND
    stem += "-" + name + ("-th" if FIRST else "")
    path = str(Path(told.folder) / stem)
    settings = {"save_format": "h5"} if told.tf and VERSION >= "2." else {}
    model.save(path + ".h5", **settings)
    np.savez_compressed(path + ".npz", **arrays)


def main():
    Path(told.folder).mkdir(parents=True, exist_ok=True)
    done = 0
    for name in sorted(CASES):
        if told.only and told.only not in name:
            continue
        if hasattr(K, "clear_session"):
            K.clear_session()
        try:
            make(name)
            done += 1
        except Exception as error:
            print("left out", name, type(error).__name__, str(error).replace("\n", " ")[:160])
            if told.verbose:
                traceback.print_exc()
    print(VERSION, BACKEND, told.order, "wrote", done, "of", len(CASES))
    sys.stdout.flush()


main()
