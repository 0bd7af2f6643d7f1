"""Files of older Kerases: genuine ones of Keras 2.21, whose descriptions are rewritten into the documented older form.

The weights and the answers stay those of the model that was saved.
"""

import json

import keras
import numpy as np
import pytest
import tf_keras
from tf_keras import layers as L  # noqa: N812

from turtlenet import attacks, balls, random
from turtlenet.errors import ModelError
from turtlenet.models import classifier, load

from .keras2 import agrees, each, randomize, rewrite, save

Input, Model, Sequential = tf_keras.Input, tf_keras.Model, tf_keras.Sequential
IMAGE, SERIES = (8, 8, 3), (6, 3)


def edited(change, *classes):
    """A change of the settings of all layers of some classes (of all layers if none is named), however deep."""

    def walk(node):
        if isinstance(node, dict):
            for value in node.values():
                walk(value)
            named = isinstance(node.get("config"), dict) and "name" in node["config"] and "class_name" in node
            if named and (not classes or node["class_name"] in classes):
                change(node["config"])
        elif isinstance(node, list):
            for value in node:
                walk(value)
        return node

    return walk


def with_settings(*classes, **settings):
    return edited(lambda config: config.update(settings), *classes)


def without(*keys, classes=()):
    return edited(lambda config: [config.pop(key, None) for key in keys], *classes)


def nodes_of(config):
    """Every class with a config, layers and what they are made of."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def convolutional(*more, ending="softmax"):
    return Sequential(
        [
            Input(IMAGE),
            L.Conv2D(4, 3, activation="relu"),
            L.BatchNormalization(),
            *more,
            L.Flatten(),
            L.Dense(3, activation=ending),
        ]
    )


def teachable():
    """As Teachable Machine makes them: a Sequential of two Sequentials, a functional net in the first."""
    inputs = Input(IMAGE)
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    x = L.Conv2D(4, 3, strides=2, use_bias=False)(x)
    x = L.ReLU(6.0)(L.BatchNormalization()(x))
    y = L.ReLU(6.0)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    net = Model(inputs, L.Add()([x, y]), name="model1")
    first = Sequential([net, L.GlobalAveragePooling2D()], name="sequential_1")
    # Named by hand: a number of its own would depend on what was made before.
    last = Sequential([Input((4,)), L.Dense(5, activation="relu"), L.Dense(3, "softmax", use_bias=False)], name="last")
    return Sequential([first, last])


def as_teachable(config):
    """In the way of TensorFlow.js: the shapes on the first layers, and a list more around the only output."""
    for node in nodes_of(config):
        if node["class_name"] == "Functional":
            node["class_name"] = "Model"
            node["config"]["output_layers"] = [node["config"]["output_layers"]]
            node["config"]["input_layers"] = [node["config"]["input_layers"]]
        if node["class_name"] == "Sequential":
            node["config"]["layers"] = [
                each for each in node["config"]["layers"] if each["class_name"] != "InputLayer"
            ]
    config["config"]["layers"][0]["config"]["layers"][0]["config"]["batch_input_shape"] = [None, *IMAGE]
    return config


def bare_list(config):
    return config | {"config": config["config"]["layers"]}


def first_layer_tells(config):
    """Keras 2.0 to 2.2: the shape on the first layer, no layer for the input."""
    listed = config["config"]["layers"]
    shape = listed[0]["config"]["batch_input_shape"]
    listed[1]["config"]["batch_input_shape"] = shape
    return config | {"config": config["config"] | {"layers": listed[1:]}}


def one_rank_too_many(config):
    """Keras 2.3.1 copied `batch_input_shape` into `input_shape`."""
    config = first_layer_tells(config)
    first = config["config"]["layers"][0]["config"]
    first["input_shape"] = first["batch_input_shape"]
    return config


def plain_names(config):
    """Before 2.13: no module and no registered name anywhere."""
    for node in nodes_of(config):
        for key in ("module", "registered_name", "build_config"):
            node.pop(key, None)
    return config


def as_of_2_0(config):
    config = plain_names(first_layer_tells(config))
    for node in nodes_of(config):
        inner = node["config"]
        if node["class_name"] in ("GlorotUniform", "Zeros", "Ones", "Orthogonal"):
            inner["dtype"] = "float32"
        inner.pop("keepdims", None)
        inner.pop("groups", None)
    return config


def initializer_dtypes(config):
    for node in nodes_of(config):
        if node["class_name"] in ("GlorotUniform", "Zeros", "Ones", "Orthogonal", "RandomUniform"):
            node["config"]["dtype"] = "float32"
    return config


def hard_sigmoid_recurrent():
    return each(
        SERIES,
        L.LSTM(3, recurrent_activation="hard_sigmoid"),
        L.GRU(3, recurrent_activation="hard_sigmoid", reset_after=False, return_sequences=True),
        L.Bidirectional(L.LSTM(3, recurrent_activation="hard_sigmoid")),
        L.TimeDistributed(L.Dense(2, activation="hard_sigmoid")),
        L.RNN([L.LSTMCell(2, recurrent_activation="hard_sigmoid"), L.GRUCell(2, recurrent_activation="hard_sigmoid")]),
        L.Activation("hard_sigmoid"),
    )


def images_in():
    return Sequential(
        [
            Input(IMAGE),
            L.RandomFlip("horizontal"),
            L.RandomRotation(0.1),
            L.Rescaling(1 / 127.5, -1.0),
            L.Conv2D(3, 3),
            L.LeakyReLU(0.3),
            L.SpatialDropout2D(0.2),
            L.GlobalAveragePooling2D(),
            L.Dropout(0.1),
            L.Dense(3, activation="softmax"),
        ]
    )


def attending():
    query, value = Input(SERIES), Input((5, 3))
    return Model([query, value], [L.Attention()([query, value]), L.AdditiveAttention()([query, value])])


def grouped(*classes):
    base = {"groups": 1, "kernel_initializer": None, "kernel_regularizer": None, "kernel_constraint": None}
    glorot = {"class_name": "GlorotUniform", "config": {"seed": None}}
    return with_settings(*classes, **(base | {"kernel_initializer": glorot}))


def convolutions():
    return each(
        IMAGE,
        L.DepthwiseConv2D(3),
        L.SeparableConv2D(4, 3),
        L.DepthwiseConv2D(2, depth_multiplier=2, padding="same"),
    )


def recurrent():
    return each(
        SERIES,
        L.LSTM(3),
        L.GRU(3),
        L.SimpleRNN(3),
        L.GRU(3, reset_after=False),
        L.Bidirectional(L.LSTM(2, return_sequences=True)),
    )


NORMAL = ("BatchNormalization",)

# Name: the model, and what its description was then.
FORMS = {
    "hard_sigmoid": (hard_sigmoid_recurrent, plain_names),
    "hard_sigmoid as function": (
        hard_sigmoid_recurrent,
        with_settings("Activation", activation={"class_name": "function", "config": "hard_sigmoid"}),
    ),
    "hard_sigmoid with module": (
        hard_sigmoid_recurrent,
        with_settings("Activation", activation="keras.activations.hard_sigmoid"),
    ),
    "first layer tells": (convolutional, first_layer_tells),
    "one rank too many": (convolutional, one_rank_too_many),
    "bare list": (convolutional, bare_list),
    "bare list, first layer tells": (convolutional, lambda config: bare_list(first_layer_tells(config))),
    "tf.keras 2.0": (convolutional, as_of_2_0),
    "initializers with dtype": (convolutional, initializer_dtypes),
    "time_major": (recurrent, with_settings("LSTM", "GRU", "SimpleRNN", time_major=False)),
    "implementation": (recurrent, with_settings("LSTM", "GRU", "SimpleRNN", implementation=1)),
    "GRU without reset_after": (
        lambda: each(SERIES, L.GRU(3, reset_after=False), L.Bidirectional(L.GRU(2, reset_after=False))),
        without("reset_after"),
    ),
    "no modules": (recurrent, plain_names),
    "TimeDistributed without module": (
        lambda: each((4, *IMAGE), L.TimeDistributed(L.Conv2D(2, 3)), L.TimeDistributed(convolutional())),
        plain_names,
    ),
    "SpatialDropout": (images_in, with_settings("SpatialDropout2D", trainable=True, noise_shape=None)),
    "rng_type": (images_in, with_settings("RandomFlip", "RandomRotation", "Dropout", rng_type="stateful")),
    "LeakyReLU as an array": (images_in, with_settings("LeakyReLU", alpha={"type": "ndarray", "value": 0.3})),
    "LeakyReLU as float32": (images_in, with_settings("LeakyReLU", alpha=0.30000001192092896)),
    "groups": (convolutions, grouped("DepthwiseConv2D", "SeparableConv2D")),
    "groups of a transpose": (
        lambda: each(IMAGE, L.Conv2DTranspose(3, 3, strides=2, padding="same"), L.Conv2DTranspose(2, 2)),
        with_settings("Conv2DTranspose", groups=1),
    ),
    "Teachable Machine": (teachable, as_teachable),
    "score_mode": (attending, with_settings("Attention", score_mode="dot")),
    "Attention before 2.10": (
        attending,
        edited(lambda c: (c.pop("score_mode", 0), c.update(causal=False)), "Attention"),
    ),
    "axis as a list": (convolutional, with_settings(*NORMAL, axis=[3])),
    "axis as a tuple of 2.0": (convolutional, with_settings(*NORMAL, axis=[-1])),
    "ways of TensorFlow 1": (
        convolutional,
        with_settings(*NORMAL, axis=[3], fused=True, renorm=False, virtual_batch_size=None, adjustment=None),
    ),
    "BatchNormalizationV1": (
        convolutional,
        lambda config: json.loads(json.dumps(config).replace('"BatchNormalization"', '"BatchNormalizationV1"')),
    ),
    "dtype policies": (
        convolutional,
        edited(lambda c: c.update(dtype={"class_name": "Policy", "config": {"name": "float32"}})),
    ),
    "PolicyV1": (
        convolutional,
        edited(lambda c: c.update(dtype={"class_name": "PolicyV1", "config": {"name": "infer"}})),
    ),
    "Model": (
        lambda: each(SERIES, L.LSTM(3)),
        lambda config: json.loads(json.dumps(plain_names(config)).replace('"Functional"', '"Model"')),
    ),
    "softmax_v2": (convolutional, with_settings("Dense", activation="softmax_v2")),
    "sparse and ragged": (recurrent, with_settings("InputLayer", sparse=False, ragged=False)),
}
VERSIONS = ["2.21.0", "2.2.4-tf", "2.3.0-tf", "2.1.6", "2.0.0", None]


@pytest.mark.parametrize("name", FORMS)
def test_form(name, tmp_path):
    make, change = FORMS[name]
    model = randomize(make())
    agrees(rewrite(save(model, tmp_path / "model.h5"), change), model)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_version(version, tmp_path):
    model = randomize(convolutional())
    path = save(model, tmp_path / "model.h5")
    agrees(rewrite(path, one_rank_too_many, version=version), model)
    agrees(rewrite(path, version=version, backend=None), model)


def test_attention_used_no_masks_before_2_10(tmp_path):
    """Multi-head attention of TensorFlow 2.4 to 2.9 neither used nor passed on the mask of an Embedding."""

    def made(masks):
        words = Input((6,), dtype="int32")
        x = L.Embedding(5, 4, mask_zero=masks)(words)
        x = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(x, x))
        return Model(words, L.GlobalAveragePooling1D()(x))

    plain = randomize(made(False))
    path = save(plain, tmp_path / "model.h5")
    inputs = [np.array([[1, 2, 3, 0, 0, 0], [4, 0, 1, 2, 0, 0]], "int32")]
    rewrite(path, with_settings("Embedding", mask_zero=True), version="2.9.0")
    agrees(path, plain, inputs)
    masking = made(True)
    masking.set_weights(plain.get_weights())
    agrees(rewrite(path, version="2.10.0"), masking, inputs)


REFUSED = {
    "renorm": (convolutional, with_settings(*NORMAL, renorm=True), "renorm"),
    "two axes": (convolutional, with_settings(*NORMAL, axis=[2, 3]), "one axis"),
    "time_major": (recurrent, with_settings("LSTM", time_major=True), "time_major=False"),
    "groups": (convolutions, with_settings("DepthwiseConv2D", groups=3), "one group"),
    "ragged": (recurrent, with_settings("InputLayer", ragged=True), "ragged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    make, change, words = REFUSED[name]
    path = rewrite(save(make(), tmp_path / "model.h5"), change)
    with pytest.raises(ModelError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)


# What follows is about the compiled state.

ADAM = {"lr": 0.002, "beta_1": 0.8, "beta_2": 0.99, "decay": 0.0, "epsilon": 1e-7, "amsgrad": False}
STATES = {
    "Adam of 2.2": {"optimizer_config": {"class_name": "Adam", "config": ADAM}},
    "Adam of tf.keras": {"optimizer_config": {"class_name": "Adam", "config": ADAM | {"name": "Adam"}}},
    "Adam with decay": {"optimizer_config": {"class_name": "Adam", "config": ADAM | {"decay": 1e-3}}},
    "Adam without epsilon": {"optimizer_config": {"class_name": "Adam", "config": ADAM | {"epsilon": None}}},
    "Custom>Adam": {
        "optimizer_config": {"class_name": "Custom>Adam", "config": {"name": "Adam", "learning_rate": 0.002}}
    },
    "a rate in an array": {
        "optimizer_config": {"class_name": "Adam", "config": ADAM | {"lr": {"type": "ndarray", "value": 0.002}}}
    },
    "SGD": {
        "optimizer_config": {
            "class_name": "SGD",
            "config": {"lr": 0.002, "momentum": 0.9, "decay": 0.0, "nesterov": True},
        }
    },
    "RMSprop": {"optimizer_config": {"class_name": "RMSprop", "config": {"lr": 0.002, "rho": 0.9, "decay": 0.0}}},
    "Adadelta": {"optimizer_config": {"class_name": "Adadelta", "config": {"lr": 0.002, "rho": 0.9, "decay": 0.0}}},
    "Nadam": {
        "optimizer_config": {
            "class_name": "Nadam",
            "config": {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7, "schedule_decay": 0.004},
        }
    },
    "LossScaleOptimizer": {
        "optimizer_config": {
            "class_name": "LossScaleOptimizer",
            "config": {
                "inner_optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.002, "decay": 0.0}},
                "dynamic": True,
                "initial_scale": 32768.0,
                "dynamic_growth_steps": 2000,
            },
        }
    },
    "reduction of 2.1": {
        "loss": {
            "class_name": "CategoricalCrossentropy",
            "config": {"reduction": "auto", "name": "categorical_crossentropy", "from_logits": False},
        }
    },
    **{
        f"loss {name}": {"loss": name}
        for name in ("kullback_leibler_divergence", "logcosh", "mse", "categorical_crossentropy")
    },
    "loss in a list": {"loss": ["categorical_crossentropy"]},
    **{
        f"metric {name}": {"metrics": [name]}
        for name in ("acc", "accuracy", "kullback_leibler_divergence", "cosine_proximity", "categorical_accuracy")
    },
    "metric in lists": {"metrics": [["acc"]]},
    "metric as an object": {
        "metrics": [
            [
                {
                    "class_name": "MeanMetricWrapper",
                    "config": {"name": "acc", "dtype": "float32", "fn": "categorical_accuracy"},
                }
            ]
        ]
    },
    "other keys": {"sample_weight_mode": None, "weighted_metrics": None, "loss_weights": None},
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    model = randomize(convolutional())
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    path = save(model, tmp_path_factory.mktemp("compiled") / "model.h5")
    return model, path


@pytest.fixture(scope="module")
def batch():
    draw = np.random.default_rng(0)
    return draw.uniform(size=(6, *IMAGE)).astype("float32"), np.eye(3, dtype="float32")[np.arange(6) % 3]


@pytest.mark.parametrize("name", STATES)
def test_compiled(name, compiled, batch, tmp_path):
    model, written = compiled
    path = tmp_path / "model.h5"
    path.write_bytes(written.read_bytes())
    rewrite(path, plain_names, training=lambda state: state | STATES[name], version="2.2.4-tf")
    loaded = agrees(path, model)
    assert loaded.compiled, "the compiled state has to come back"
    optimizer = getattr(loaded.optimizer, "inner_optimizer", loaded.optimizer)
    if "optimizer_config" in STATES[name]:
        assert float(optimizer.learning_rate) == pytest.approx(0.002)
    before = loaded.get_weights()
    loaded.run_eagerly = True
    loaded.fit(*batch, verbose=0)
    assert any(np.any(old != new) for old, new in zip(before, loaded.get_weights(), strict=True))
    assert all(np.isfinite(each).all() for each in loaded.get_weights())


def test_an_unreadable_state_leaves_the_model_uncompiled(compiled, tmp_path):
    model, written = compiled
    path = tmp_path / "model.h5"
    path.write_bytes(written.read_bytes())
    rewrite(path, training=lambda state: state | {"loss": "a_loss_of_my_own"})
    assert not agrees(path, model).compiled


def test_decay(compiled, tmp_path):
    """Keras 2 divided the rate by 1 + decay * step."""
    _, written = compiled
    path = tmp_path / "model.h5"
    path.write_bytes(written.read_bytes())
    rewrite(path, training=lambda state: state | STATES["Adam with decay"])
    optimizer = load(path).optimizer
    assert float(optimizer.learning_rate) == pytest.approx(0.002)
    optimizer.iterations.assign(1000)
    assert float(optimizer.learning_rate) == pytest.approx(0.001)


CLASSIFIERS = {
    "2.3.1": (convolutional, one_rank_too_many),
    "2.2.2": (lambda: convolutional(ending="sigmoid"), lambda config: bare_list(first_layer_tells(config))),
    "hard_sigmoid": (lambda: convolutional(L.Activation("hard_sigmoid")), plain_names),
    "Teachable Machine": (teachable, as_teachable),
    "preprocessing": (images_in, with_settings("RandomFlip", "RandomRotation", rng_type="stateful")),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_train_and_attack(name, batch, tmp_path):
    make, change = CLASSIFIERS[name]
    old = randomize(make())
    model = agrees(rewrite(save(old, tmp_path / "model.h5"), change), old)
    x, y = batch
    victim, labels = classifier(model, bounds=(0.0, 1.0)), y.argmax(axis=1).astype("int32")
    ball = balls.get("linf", 0.1, (0.0, 1.0))
    moved = attacks.build("fgsm").craft(victim, x, labels, ball=ball, key=random.keys(0, np.arange(len(x))))
    moved = np.asarray(moved)
    assert np.abs(moved - x).max() <= 0.1 + 1e-6

    def loss(images):
        return keras.losses.sparse_categorical_crossentropy(labels, victim.predict(images), from_logits=True)

    assert np.mean(loss(moved)) > np.mean(loss(x))
    model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert any(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
