"""Rules for Keras 1: what each layer of Keras 1 is called in Keras 2, checked against a table and against tf_keras."""

import copy
import importlib

import numpy as np
import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy import keras1
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.rules import RULES

OURS = [each for each in RULES if each.apply.__module__ == keras1.__name__]
KERAS1 = KerasVersion.of("1.2.2", None, otherwise=1)
THEANO = KerasVersion.of("1.2.2", "theano", otherwise=1)
L2_OLD = {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}
L2_NEW = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}
NORM_OLD = {"name": "MaxNorm", "m": 2, "axis": 0}
NORM_NEW = {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}
NORMAL = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.05}}
UNIFORM = {"class_name": "RandomUniform", "config": {"minval": -0.05, "maxval": 0.05}}
ORTHOGONAL = {"class_name": "Orthogonal", "config": {"gain": 1.1}}


def upgraded(layer, era=KERAS1):
    """What the rules make of one layer, in their order."""
    for each in OURS:
        layer = each(layer, era) or layer
    return layer


def described(class_name, **config):
    return {"class_name": class_name, "config": config}


def constant(value):
    return {"class_name": "Constant", "config": {"value": value}}


DENSE = {"activation": "relu", "W_regularizer": L2_OLD, "W_constraint": NORM_OLD, "b_regularizer": None}
DENSE_NEW = {
    "activation": "relu",
    "kernel_regularizer": L2_NEW,
    "kernel_constraint": NORM_NEW,
    "bias_regularizer": None,
}
LAYERS = {
    "dense": (
        described("Dense", output_dim=3, init="normal", bias=True, input_dim=5, input_dtype="float32", **DENSE),
        described("Dense", units=3, kernel_initializer=NORMAL, use_bias=True, **DENSE_NEW),
    ),
    "dense over time": (
        described("TimeDistributedDense", output_dim=3, init="zero", input_dim=5, input_length=7),
        described("Dense", units=3, kernel_initializer="zeros"),
    ),
    "maxout": (
        described("MaxoutDense", output_dim=3, nb_feature=2, init="one", bias=False, input_dim=5),
        described("MaxoutDense", units=3, num_features=2, kernel_initializer="ones", use_bias=False),
    ),
    "highway": (
        described("Highway", init="uniform", transform_bias=-2, bias=True, input_dim=5, **DENSE),
        described("Highway", kernel_initializer=UNIFORM, transform_bias=-2, use_bias=True, **DENSE_NEW),
    ),
    "conv 1d": (
        described(
            "Convolution1D",
            nb_filter=4,
            filter_length=3,
            subsample_length=2,
            border_mode="same",
            init="he_normal",
            bias=False,
            input_dim=5,
            input_length=None,
        ),
        described(
            "Conv1D",
            filters=4,
            kernel_size=[3],
            strides=[2],
            padding="same",
            kernel_initializer="he_normal",
            use_bias=False,
            data_format="channels_last",
        ),
    ),
    "atrous conv 1d": (
        described("AtrousConvolution1D", nb_filter=4, filter_length=3, atrous_rate=2, border_mode="valid"),
        described(
            "Conv1D", filters=4, kernel_size=[3], dilation_rate=[2], padding="valid", data_format="channels_last"
        ),
    ),
    "conv 2d": (
        described("Convolution2D", nb_filter=4, nb_row=3, nb_col=2, subsample=[2, 1], dim_ordering="th", **DENSE),
        described("Conv2D", filters=4, kernel_size=[3, 2], strides=[2, 1], data_format="channels_first", **DENSE_NEW),
    ),
    "atrous conv 2d": (
        described("AtrousConvolution2D", nb_filter=4, nb_row=3, nb_col=3, atrous_rate=[2, 2], dim_ordering="tf"),
        described("Conv2D", filters=4, kernel_size=[3, 3], dilation_rate=[2, 2], data_format="channels_last"),
    ),
    "conv 3d": (
        described("Convolution3D", nb_filter=4, kernel_dim1=1, kernel_dim2=2, kernel_dim3=3, dim_ordering="tf"),
        described("Conv3D", filters=4, kernel_size=[1, 2, 3], data_format="channels_last"),
    ),
    "separable": (
        described(
            "SeparableConvolution2D",
            nb_filter=4,
            nb_row=3,
            nb_col=3,
            depth_multiplier=2,
            init="orthogonal",
            bias=True,
            depthwise_regularizer=L2_OLD,
            pointwise_constraint={"name": "NonNeg"},
            dim_ordering="tf",
        ),
        described(
            "SeparableConv2D",
            filters=4,
            kernel_size=[3, 3],
            depth_multiplier=2,
            use_bias=True,
            depthwise_initializer=ORTHOGONAL,
            pointwise_initializer=ORTHOGONAL,
            depthwise_regularizer=L2_NEW,
            pointwise_constraint={"class_name": "NonNeg", "config": {}},
            data_format="channels_last",
        ),
    ),
    "deconv": (
        described(
            "Deconvolution2D",
            nb_filter=4,
            nb_row=3,
            nb_col=3,
            output_shape=[None, 14, 15, 4],
            subsample=[2, 2],
            border_mode="valid",
            dim_ordering="tf",
        ),
        described(
            "Conv2DTranspose",
            filters=4,
            kernel_size=[3, 3],
            strides=[2, 2],
            padding="valid",
            output_padding=[1, 0],
            data_format="channels_last",
        ),
    ),
    "local 1d": (
        described("LocallyConnected1D", nb_filter=4, filter_length=3, subsample_length=1, border_mode="valid"),
        described(
            "LocallyConnected1D",
            filters=4,
            kernel_size=[3],
            strides=[1],
            padding="valid",
            data_format="channels_last",
        ),
    ),
    "local 2d": (
        described("LocallyConnected2D", nb_filter=4, nb_row=3, nb_col=2, subsample=[1, 1], dim_ordering="tf"),
        described("LocallyConnected2D", filters=4, kernel_size=[3, 2], strides=[1, 1], data_format="channels_last"),
    ),
    "conv lstm": (
        described(
            "ConvLSTM2D",
            nb_filter=4,
            nb_row=3,
            nb_col=3,
            inner_init="orthogonal",
            forget_bias_init="one",
            border_mode="same",
            inner_activation="hard_sigmoid",
            dim_ordering="tf",
        ),
        described(
            "ConvLSTM2D",
            filters=4,
            kernel_size=[3, 3],
            recurrent_initializer=ORTHOGONAL,
            unit_forget_bias=True,
            padding="same",
            recurrent_activation="hard_sigmoid",
            data_format="channels_last",
        ),
    ),
    "lstm": (
        described(
            "LSTM",
            output_dim=4,
            init="glorot_uniform",
            inner_init="identity",
            forget_bias_init="zero",
            inner_activation="hard_sigmoid",
            U_regularizer=L2_OLD,
            dropout_W=0.1,
            dropout_U=0.2,
            consume_less="gpu",
            input_dim=5,
            input_length=7,
            stateful=False,
            unroll=False,
            return_sequences=True,
            go_backwards=False,
            batch_input_shape=[None, 7, 5],
        ),
        described(
            "LSTM",
            units=4,
            kernel_initializer="glorot_uniform",
            recurrent_initializer="identity",
            recurrent_activation="hard_sigmoid",
            recurrent_regularizer=L2_NEW,
            dropout=0.1,
            recurrent_dropout=0.2,
            unit_forget_bias=False,
            stateful=False,
            unroll=False,
            return_sequences=True,
            go_backwards=False,
            batch_input_shape=[None, 7, 5],
        ),
    ),
    "gru": (
        described("GRU", output_dim=4, inner_activation="sigmoid", consume_less="cpu"),
        described("GRU", units=4, recurrent_activation="sigmoid", reset_after=False),
    ),
    "simple rnn": (
        described("SimpleRNN", output_dim=4, dropout_U=0.5),
        described("SimpleRNN", units=4, recurrent_dropout=0.5),
    ),
    "embedding": (
        described(
            "Embedding",
            input_dim=9,
            output_dim=3,
            init="uniform",
            W_regularizer={"name": "l2", "l": 0.5},
            W_constraint="unitnorm",
            mask_zero=True,
            dropout=0.3,
            input_length=5,
            weights=None,
            input_dtype="int32",
            batch_input_shape=[None, 5],
        ),
        described(
            "Embedding",
            input_dim=9,
            output_dim=3,
            embeddings_initializer=UNIFORM,
            embeddings_regularizer={"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}},
            embeddings_constraint={"class_name": "UnitNorm", "config": {}},
            mask_zero=True,
            input_length=5,
            batch_input_shape=[None, 5],
        ),
    ),
    "normalization": (
        described(
            "BatchNormalization",
            mode=0,
            axis=1,
            epsilon=1e-5,
            momentum=0.9,
            beta_init="zero",
            gamma_init="one",
            gamma_regularizer={"name": "L1L2Regularizer", "l1": 0.25},
        ),
        described(
            "BatchNormalization",
            axis=1,
            epsilon=1e-5,
            momentum=0.9,
            beta_initializer="zeros",
            gamma_initializer="ones",
            gamma_regularizer={"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.0}},
        ),
    ),
    "max 1d": (
        described("MaxPooling1D", pool_length=3, stride=2, border_mode="same"),
        described("MaxPooling1D", pool_size=3, strides=2, padding="same", data_format="channels_last"),
    ),
    "max 2d": (
        described("MaxPooling2D", pool_size=[2, 3], strides=[1, 2], border_mode="valid", dim_ordering="th"),
        described("MaxPooling2D", pool_size=[2, 3], strides=[1, 2], padding="valid", data_format="channels_first"),
    ),
    "average 3d": (
        described("AveragePooling3D", pool_size=[2, 2, 2], strides=None, dim_ordering="tf"),
        described("AveragePooling3D", pool_size=[2, 2, 2], strides=None, data_format="channels_last"),
    ),
    "global 1d": (described("GlobalMaxPooling1D"), described("GlobalMaxPooling1D", data_format="channels_last")),
    "global 2d": (
        described("GlobalAveragePooling2D", dim_ordering="th"),
        described("GlobalAveragePooling2D", data_format="channels_first"),
    ),
    "upsampling 1d": (described("UpSampling1D", length=3), described("UpSampling1D", size=3)),
    "upsampling 2d": (
        described("UpSampling2D", size=[2, 3]),
        described("UpSampling2D", size=[2, 3], data_format="channels_last"),
    ),
    "padding 1d": (
        described("ZeroPadding1D", padding={"right_pad": 2}),
        described("ZeroPadding1D", padding=[0, 2]),
    ),
    "padding 2d by name": (
        described("ZeroPadding2D", padding={"top_pad": 1, "left_pad": 2, "right_pad": 3}, dim_ordering="tf"),
        described("ZeroPadding2D", padding=[[1, 0], [2, 3]], data_format="channels_last"),
    ),
    "padding 2d by four": (
        described("ZeroPadding2D", padding=[1, 2, 3, 4], dim_ordering="th"),
        described("ZeroPadding2D", padding=[[1, 2], [3, 4]], data_format="channels_first"),
    ),
    "padding 2d by two": (
        described("ZeroPadding2D", padding=[1, 2], dim_ordering="default"),
        described("ZeroPadding2D", padding=[1, 2], data_format="channels_last"),
    ),
    "padding 3d": (
        described("ZeroPadding3D", padding=[1, 2, 3]),
        described("ZeroPadding3D", padding=[1, 2, 3], data_format="channels_last"),
    ),
    "cropping 1d": (
        described("Cropping1D", cropping=[1, 2], input_dtype="float32"),
        described("Cropping1D", cropping=[1, 2]),
    ),
    "cropping 2d": (
        described("Cropping2D", cropping=[[1, 2], [3, 4]], dim_ordering="th"),
        described("Cropping2D", cropping=[[1, 2], [3, 4]], data_format="channels_first"),
    ),
    "dropout": (described("Dropout", p=0.3), described("Dropout", rate=0.3)),
    "gaussian dropout": (described("GaussianDropout", p=0.3), described("GaussianDropout", rate=0.3)),
    "gaussian noise": (described("GaussianNoise", sigma=0.3), described("GaussianNoise", stddev=0.3)),
    "spatial dropout 1d": (described("SpatialDropout1D", p=0.3), described("SpatialDropout1D", rate=0.3)),
    "spatial dropout 2d": (
        described("SpatialDropout2D", p=0.3, dim_ordering="th"),
        described("SpatialDropout2D", rate=0.3, data_format="channels_first"),
    ),
    "prelu": (
        described("PReLU", init="zero", shared_axes=[None]),
        described("PReLU", alpha_initializer="zeros", shared_axes=None),
    ),
    "srelu": (
        described(
            "SReLU", t_left_init="zero", a_left_init="glorot_uniform", t_right_init="normal", a_right_init="one"
        ),
        described(
            "SReLU",
            t_left_initializer="zeros",
            a_left_initializer="glorot_uniform",
            t_right_initializer=NORMAL,
            a_right_initializer="ones",
        ),
    ),
    "softplus": (
        described("ParametricSoftplus", alpha_init=0.25, beta_init=4.0),
        described("ParametricSoftplus", alphas_initializer=constant(0.25), betas_initializer=constant(4.0)),
    ),
    "flatten": (described("Flatten"), described("Flatten", data_format="channels_last")),
    "input": (
        described("InputLayer", batch_input_shape=[None, 5], input_dtype="int32", sparse=False, name="x"),
        described("InputLayer", batch_input_shape=[None, 5], dtype="int32", sparse=False, name="x"),
    ),
    "first of all": (
        described("Activation", activation="relu", input_dtype="float32", create_input_layer=True),
        described("Activation", activation="relu"),
    ),
    "activity": (
        described("Dense", output_dim=1, activity_regularizer={"name": "ActivityRegularizer", "l1": 0.5, "l2": 0.25}),
        described("Dense", units=1, activity_regularizer={"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.25}}),
    ),
    "l1 and l2 by name": (
        described("Dense", output_dim=1, W_regularizer="l1l2", activity_regularizer={"name": "activity_l1", "l": 0.5}),
        described(
            "Dense",
            units=1,
            kernel_regularizer={"class_name": "L1L2", "config": {"l1": 0.01, "l2": 0.01}},
            activity_regularizer={"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.0}},
        ),
    ),
    "constraints": (
        described(
            "Dense", output_dim=1, W_constraint={"name": "MinMaxNorm", "low": 0.5, "high": 1, "rate": 1, "axis": 0}
        ),
        described(
            "Dense",
            units=1,
            kernel_constraint={
                "class_name": "MinMaxNorm",
                "config": {"min_value": 0.5, "max_value": 1, "rate": 1, "axis": 0},
            },
        ),
    ),
    "a strange regularizer": (
        described("Dense", output_dim=1, W_regularizer={"name": "EigenvalueRegularizer", "k": 0.1}),
        described("Dense", units=1, kernel_regularizer={"class_name": "EigenvalueRegularizer", "config": {"k": 0.1}}),
    ),
    **{
        f"merge {mode}": (
            described(
                "Merge", name="m", mode=mode, mode_type="raw", concat_axis=1, dot_axes=[1, 1], output_shape=None
            ),
            described(new, name="m", **settings),
        )
        for mode, new, settings in [
            ("sum", "Add", {}),
            ("mul", "Multiply", {}),
            ("ave", "Average", {}),
            ("max", "Maximum", {}),
            ("concat", "Concatenate", {"axis": 1}),
            ("dot", "Dot", {"axes": [1, 1], "normalize": False}),
            ("cos", "turtlenet>Cosine", {}),
        ]
    },
}
SAME = {
    "reshape": described("Reshape", target_shape=[2, 3]),
    "permute": described("Permute", dims=[2, 1]),
    "repeat": described("RepeatVector", n=3),
    "masking": described("Masking", mask_value=0.5),
    "leaky": described("LeakyReLU", alpha=0.1),
    "elu": described("ELU", alpha=1.0),
    "thresholded": described("ThresholdedReLU", theta=1.0),
    "regularization": described("ActivityRegularization", l1=0.1, l2=0.2),
    "lambda": described("Lambda", function=["code", None, None], function_type="lambda", arguments={}),
    "bidirectional": described("Bidirectional", merge_mode="ave", layer=described("LSTM", output_dim=3)),
    "merge by code": described("Merge", mode="code", mode_type="lambda"),
    "merge by function": described("Merge", mode="sum", mode_type="function"),
    "cosine of matrices": described("Merge", mode="cos", mode_type="raw", dot_axes=[2, 2]),
    "list": {"class_name": "Sequential", "config": [described("Dense", output_dim=3)]},
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    old, new = LAYERS[name]
    given = copy.deepcopy(old) | {"name": "it", "inbound_nodes": [[["x", 0, 0]]]}
    result = upgraded(given)
    assert result == new | {"name": "it", "inbound_nodes": [[["x", 0, 0]]]}
    assert given == old | {"name": "it", "inbound_nodes": [[["x", 0, 0]]]}, "a rule changed what it was given"
    assert upgraded(result) == result, "what is upgraded already changed again"


@pytest.mark.parametrize("name", SAME)
def test_what_stays(name):
    assert upgraded(SAME[name]) == SAME[name]


@pytest.mark.parametrize("mode", [1, 2])
def test_normalization_by_sample_or_batch(mode):
    with pytest.raises(ModelError) as caught:
        upgraded(described("BatchNormalization", name="it", mode=mode, axis=-1))
    assert str(caught.value) == f"Expected mode 0 in BatchNormalization 'it'; got {mode}."


@pytest.mark.parametrize("class_name", ["Convolution1D", "Convolution2D", "ConvLSTM2D"])
def test_full_padding(class_name):
    with pytest.raises(ModelError) as caught:
        upgraded(described(class_name, name="it", nb_filter=1, nb_row=2, nb_col=2, border_mode="full"))
    assert str(caught.value) == f"Expected valid or same padding in {class_name} 'it'; got full."


@pytest.mark.parametrize("version", ["2.2.4", "2.15.0-tf", "3.0.0"])
def test_later_files_are_left_alone(version):
    era = KerasVersion.of(version, "theano", otherwise=2)
    for name, (old, new) in LAYERS.items():
        if old["class_name"] not in ("Merge", "MaxoutDense", "Highway"):
            assert upgraded(old, era) == old, name
            assert upgraded(new, era) == new, name


@pytest.mark.parametrize("class_name", ["Merge", "MaxoutDense", "Highway"])
def test_keras_2_kept_some_for_a_while(class_name):
    old, new = next(pair for pair in LAYERS.values() if pair[0]["class_name"] == class_name)
    assert upgraded(old, KerasVersion.of("2.0.9", None, otherwise=2))["config"].keys() == new["config"].keys()
    assert upgraded(old, KerasVersion.of("3.0.0", None, otherwise=3)) == old


@pytest.mark.parametrize(
    ("dim_ordering", "era", "expected"),
    [
        ("th", KERAS1, "channels_first"),
        ("tf", THEANO, "channels_last"),
        ("default", KERAS1, "channels_last"),
        ("default", THEANO, "channels_first"),
        (None, KERAS1, "channels_last"),
        (None, THEANO, "channels_first"),
        ([], KERAS1, "channels_last"),
    ],
)
def test_order_of_dimensions(dim_ordering, era, expected):
    assert keras1.data_format({"dim_ordering": dim_ordering}, era) == expected
    assert upgraded(described("UpSampling2D", dim_ordering=dim_ordering), era)["config"]["data_format"] == expected


def test_cosine_of_keras_2_has_no_axis_more():
    old = described("Merge", name="m", mode="cos", mode_type="raw", dot_axes=-1)
    new = upgraded(old, KerasVersion.of("2.0.8", None, otherwise=2))
    assert new == described("Dot", name="m", axes=-1, normalize=True)


def test_merge_with_branches_waits_for_its_model():
    old = merged("m", "sum", dense("a", 3, 4), dense("b", 3, 4))
    assert upgraded(old) == old


def test_flat_layers_have_their_channels_last_on_theano_too():
    for name in ("MaxPooling1D", "GlobalAveragePooling1D", "Convolution1D"):
        assert upgraded(described(name), THEANO)["config"]["data_format"] == "channels_last"


def model(*layers):
    return {"class_name": "Sequential", "config": list(layers)}


def conv(order):
    return described("Convolution2D", nb_filter=1, nb_row=1, nb_col=1, dim_ordering=order)


@pytest.mark.parametrize(
    ("orders", "expected"), [(["th"], "th"), (["tf"], "tf"), (["th", "th"], "th"), ([], None), (["th", "tf"], None)]
)
def test_untold_order_is_that_of_the_rest(orders, expected):
    old = model(*map(conv, orders), model(described("ZeroPadding2D", padding=[1, 1]), described("Flatten")))
    inner = upgraded(old)["config"][-1]["config"]
    assert inner[0]["config"].get("dim_ordering") == expected
    assert "dim_ordering" not in inner[1]["config"]


# tf_keras knows the arguments of Keras 2.

UNKNOWN_TO_TF_KERAS = ("turtlenet>Cosine", "MaxoutDense", "Highway", "SReLU", "ParametricSoftplus")


@pytest.fixture(scope="module")
def tf_keras():
    pytest.importorskip("tf_keras")
    return importlib.import_module("tf_keras")


@pytest.mark.parametrize("name", [name for name in LAYERS if "strange" not in name])
def test_tf_keras_takes_them(tf_keras, name):
    old, _ = LAYERS[name]
    new = upgraded(old)
    if new["class_name"] in UNKNOWN_TO_TF_KERAS:
        return
    # An argument that Keras 2 did not know is an error there.
    assert type(tf_keras.layers.deserialize(new)).__name__ == new["class_name"]


@pytest.mark.parametrize(
    ("mode", "kernel", "stride", "side", "wanted"),
    [
        ("valid", 3, 2, 7, 15),
        ("valid", 3, 2, 7, 16),
        ("valid", 2, 3, 5, 15),
        ("valid", 2, 3, 5, 14),
        ("same", 3, 2, 7, 14),
        ("same", 3, 2, 7, 13),
        ("same", 4, 3, 5, 13),
        ("same", 4, 3, 5, 15),
        ("same", 3, 1, 7, 7),
    ],
)
@pytest.mark.parametrize("order", ["th", "tf"])
def test_deconvolution_keeps_its_output_shape(tf_keras, mode, kernel, stride, side, wanted, order):
    config = {"nb_filter": 2, "nb_row": kernel, "nb_col": kernel, "subsample": [stride] * 2, "border_mode": mode}
    shape = [None, 2, wanted, wanted] if order == "th" else [None, wanted, wanted, 2]
    new = upgraded(described("Deconvolution2D", output_shape=shape, dim_ordering=order, **config))
    layer = tf_keras.layers.deserialize(new)
    given = (1, 3, side, side) if order == "th" else (1, side, side, 3)
    assert list(layer.compute_output_shape(given))[1:] == shape[1:]


@pytest.mark.parametrize("version", ["1.0.8", "1.1.1", None])
def test_deconvolution_whose_shape_was_not_written(version):
    config = {"name": "it", "nb_filter": 2, "nb_row": 3, "nb_col": 3, "subsample": [2, 2], "border_mode": "same"}
    era = KerasVersion.of(version, None, otherwise=1)
    with pytest.raises(ModelError) as caught:
        upgraded(described("Deconvolution2D", output_shape=[None, 13, 15, 2], dim_ordering="tf", **config), era)
    assert str(caught.value) == f"Expected stride 1 in Deconvolution2D 'it' of {era}; got [2, 2]."
    upgraded(described("Deconvolution2D", output_shape=[None, 7, 8, 2], **config | {"subsample": [1, 1]}), era)


def test_deconvolution_that_cannot_be_said():
    config = {"nb_filter": 2, "nb_row": 4, "nb_col": 4, "subsample": [3, 3], "border_mode": "same"}
    old = described("Deconvolution2D", output_shape=[None, 13, 15, 2], dim_ordering="tf", **config)
    assert upgraded(old) == old


# Branches.


def dense(name, units, width=None, **config):
    first = {"batch_input_shape": [None, width], "input_dtype": "float32"} if width else {}
    return described("Dense", name=name, output_dim=units, activation="linear", bias=False, **first, **config)


def merged(name, mode, *branches, **config):
    settings = {"mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1} | config
    return described("Merge", name=name, layers=list(branches), **settings)


def deeply(item, era=KERAS1):
    """All of a model, from the outside in."""
    item = upgraded(item, era)
    config = item["config"]
    if isinstance(config, list):
        return item | {"config": [deeply(each, era) for each in config]}
    if "layers" in config:
        return item | {"config": config | {"layers": [deeply(each, era) for each in config["layers"]]}}
    return item


def test_branches_become_a_graph():
    old = model(merged("m", "sum", model(dense("a", 3, 4)), dense("b", 3, 5)), dense("c", 2))
    given = copy.deepcopy(old)
    assert deeply(old) == {
        "class_name": "Model",
        "config": {
            "name": "sequential",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "config": {
                        "batch_input_shape": [None, width],
                        "dtype": "float32",
                        "sparse": False,
                        "name": f"{name}_input",
                    },
                    "name": f"{name}_input",
                    "inbound_nodes": [],
                }
                for name, width in (("m_branch_1", 4), ("b", 5))
            ]
            + [
                {
                    "class_name": "Sequential",
                    "config": {
                        "layers": [
                            described(
                                "Dense",
                                name="a",
                                batch_input_shape=[None, 4],
                                units=3,
                                activation="linear",
                                use_bias=False,
                            )
                        ],
                        "name": "m_branch_1",
                    },
                    "name": "m_branch_1",
                    "inbound_nodes": [[["m_branch_1_input", 0, 0, {}]]],
                },
                {
                    "class_name": "Dense",
                    "config": {"name": "b", "units": 3, "activation": "linear", "use_bias": False},
                    "name": "b",
                    "inbound_nodes": [[["b_input", 0, 0, {}]]],
                },
                {
                    "class_name": "Add",
                    "config": {"name": "m"},
                    "name": "m",
                    "inbound_nodes": [[["m_branch_1", 1, 0, {}], ["b", 0, 0, {}]]],
                },
                {
                    "class_name": "Dense",
                    "config": {"name": "c", "units": 2, "activation": "linear", "use_bias": False},
                    "name": "c",
                    "inbound_nodes": [[["m", 0, 0, {}]]],
                },
            ],
            "input_layers": [["m_branch_1_input", 0, 0], ["b_input", 0, 0]],
            "output_layers": [["c", 0, 0]],
        },
    }
    assert old == given


def functional(name):
    """A functional model of two inputs, as Keras 1 wrote it: the difference of one dense layer at both."""
    inputs = [
        described("InputLayer", name=f"{name}_x{i}", batch_input_shape=[None, 4], input_dtype="float32")
        for i in (1, 2)
    ]
    layers = [item | {"name": item["config"]["name"], "inbound_nodes": []} for item in inputs]
    shared = [[[f"{name}_x1", 0, 0]], [[f"{name}_x2", 0, 0]]]
    layers.append(dense(f"{name}_d", 3) | {"name": f"{name}_d", "inbound_nodes": shared})
    add = described("Merge", name=f"{name}_m", mode="mul", mode_type="raw")
    layers.append(add | {"name": f"{name}_m", "inbound_nodes": [[[f"{name}_d", 0, 0], [f"{name}_d", 1, 0]]]})
    ends = {"input_layers": [[f"{name}_x1", 0, 0], [f"{name}_x2", 0, 0]], "output_layers": [[f"{name}_m", 0, 0]]}
    return described("Model", name=name, layers=layers, **ends)


def test_tf_keras_builds_nested_branches(tf_keras):
    inner = model(merged("m1", "concat", model(dense("a", 2, 4)), model(dense("b", 1, 5))), dense("c", 3))
    old = model(merged("m2", "sum", inner, functional("f")), model(dense("e", 2, 3)), dense("g", 2))
    built = tf_keras.Model.from_config(deeply(old)["config"])
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(6, width)).astype("float32") for width in (4, 5, 4, 4)]
    kernels = {}
    waiting = [built]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tf_keras.Model):
            waiting += item.layers
        elif item.weights:
            kernels[item.name] = item.get_weights()[0]
    assert sorted(kernels) == ["a", "b", "c", "e", "f_d", "g"]
    first = np.concatenate([x[0] @ kernels["a"], x[1] @ kernels["b"]], axis=1) @ kernels["c"]
    second = (x[2] @ kernels["f_d"]) * (x[3] @ kernels["f_d"])
    expected = (first + second) @ kernels["e"] @ kernels["g"]
    np.testing.assert_allclose(built([*x]).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "old",
    [
        model(merged("m", "sum", model(dense("a", 3)), model(dense("b", 3, 5)))),
        model(merged("m", "sum", dense("a", 3, 4), dense("a", 3, 4))),
        model(merged("m", "sum", model(), model(dense("b", 3, 5)))),
        model(merged("m", "sum", "a", "b")),
        model(merged("m", "sum", {"class_name": "Model", "config": [dense("a", 3, 4)]}, dense("b", 3, 5))),
        model(described("Merge", name="m", mode="sum", mode_type="raw", layers="none")),
    ],
    ids=["no shape", "twice", "nothing in it", "no layers", "no inputs", "no list"],
)
def test_branches_that_cannot_be_read_stay(old):
    assert upgraded(old) == old
