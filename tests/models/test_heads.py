"""Logits: faithful to the model's outputs, over the model's own variables, whatever the model ends in."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet.errors import ModelError, SettingError
from turtlenet.models import load, logits_model, save

SHAPE = (6, 6, 1)


def sequential(*tail):
    return keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3, activation="relu"), *tail])


def functional(make):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, make(layers.Conv2D(4, 3, activation="relu")(inputs)))


def backbone():
    return keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3), layers.Flatten()], name="backbone")


def classifier(shape=(4, 4, 4), **settings):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(3, **settings)], name="classifier")


class Halved(layers.Dense):
    """Uses its activation in the middle, as no one can see from outside."""

    def call(self, inputs, training=None):
        return 0.5 * super().call(inputs, training=training)


class Doubled(layers.Dense):
    """Does more than `Dense`, but its activation comes last."""

    def call(self, inputs, training=None):
        return super().call(2 * inputs, training=training)


SOFTMAX = {
    "dense": lambda: sequential(layers.Flatten(), layers.Dense(3, activation="softmax")),
    "activation": lambda: sequential(layers.Flatten(), layers.Dense(3), layers.Activation("softmax")),
    "softmax layer": lambda: sequential(layers.Flatten(), layers.Dense(3), layers.Softmax()),
    "ops": lambda: functional(lambda x: ops.softmax(layers.Dense(3)(layers.Flatten()(x)))),
    "activations": lambda: functional(lambda x: keras.activations.softmax(layers.Dense(3)(layers.Flatten()(x)))),
    "functional": lambda: functional(lambda x: layers.Dense(3, activation="softmax")(layers.Flatten()(x))),
    "pooled": lambda: sequential(layers.Conv2D(3, 1), layers.GlobalAveragePooling2D(), layers.Activation("softmax")),
    "convolution": lambda: sequential(layers.Conv2D(3, 4, activation="softmax"), layers.Flatten()),
    "reshaped": lambda: sequential(layers.Conv2D(3, 4), layers.Softmax(), layers.Reshape((3,))),
    "dropout": lambda: sequential(
        layers.Flatten(), layers.Dense(3), layers.Dropout(0.5), layers.Activation("softmax"), layers.Dropout(0.1)
    ),
    "normalized": lambda: sequential(
        layers.Flatten(), layers.Dense(3), layers.BatchNormalization(), layers.Activation("softmax")
    ),
    "nested last": lambda: sequential(classifier(activation="softmax")),
    "nested twice": lambda: keras.Sequential([keras.Input(SHAPE), sequential(classifier(activation="softmax"))]),
    "nested first": lambda: keras.Sequential([backbone(), layers.Dense(3, activation="softmax")]),
    "subclass": lambda: sequential(layers.Flatten(), Doubled(3, activation="softmax")),
    "float16": lambda: sequential(
        layers.Flatten(), layers.Dense(3, dtype="mixed_float16"), layers.Activation("softmax", dtype="float32")
    ),
}


@pytest.fixture(params=SOFTMAX, scope="module")
def softmax_model(request):
    keras.utils.set_random_seed(1)
    return SOFTMAX[request.param]()


def chances_of(model, x):
    return np.asarray(model(x, training=False))


def test_softmax_is_faithful(softmax_model, images):
    before = chances_of(softmax_model, images[0])
    logits, head = logits_model(softmax_model)
    scores = logits(images[0], training=False)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    assert (head.kind, head.num_classes) == ("softmax", 3)
    np.testing.assert_allclose(ops.softmax(scores), before, atol=1e-6)
    # Not the logarithm of the outputs: that would be faithful too, but flat where a softmax is.
    assert np.abs(np.asarray(ops.logsumexp(scores, axis=-1))).max() > 1e-3
    np.testing.assert_array_equal(chances_of(softmax_model, images[0]), before)


def test_variables_are_the_same_objects(softmax_model):
    logits, _ = logits_model(softmax_model)
    for kind in ("trainable_weights", "non_trainable_weights"):
        mine, other = getattr(logits, kind), getattr(softmax_model, kind)
        assert [id(weight) for weight in mine] == [id(weight) for weight in other]


def test_training_the_logits_trains_the_model(softmax_model, images):
    logits, _ = logits_model(softmax_model)
    before = [weight.numpy().copy() for weight in softmax_model.weights]
    logits.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    logits.fit(*images, verbose=0)
    moved = [not np.array_equal(old, new.numpy()) for old, new in zip(before, softmax_model.weights, strict=True)]
    assert all(moved)
    scores = logits.predict(images[0], verbose=0)
    np.testing.assert_allclose(ops.softmax(scores), softmax_model.predict(images[0], verbose=0), atol=1e-6)


def test_the_model_still_saves(softmax_model, images, tmp_path):
    logits_model(softmax_model)
    with keras.saving.custom_object_scope({"Doubled": Doubled}):
        for name in ("m.h5", "m.keras"):
            save(softmax_model, tmp_path / name)
            loaded = load(tmp_path / name)
            np.testing.assert_allclose(
                chances_of(loaded, images[0]), chances_of(softmax_model, images[0]), rtol=1e-6, atol=1e-7
            )


def test_the_logits_save_too(images, tmp_path):
    logits, _ = logits_model(SOFTMAX["nested last"]())
    save(logits, tmp_path / "m.keras")
    np.testing.assert_allclose(
        load(tmp_path / "m.keras").predict(images[0], verbose=0), logits.predict(images[0], verbose=0), rtol=1e-6
    )


def test_the_graph_stays_as_it_was(softmax_model):
    calls = [len(layer._inbound_nodes) for layer in softmax_model.layers]
    logits_model(softmax_model)
    assert [len(layer._inbound_nodes) for layer in softmax_model.layers] == calls


def test_asking_twice(images):
    model = SOFTMAX["dense"]()
    first, second = logits_model(model)[0], logits_model(model)[0]
    np.testing.assert_array_equal(first.predict(images[0], verbose=0), second.predict(images[0], verbose=0))


def test_freezing_reaches_the_logits():
    model = SOFTMAX["dense"]()
    logits, _ = logits_model(model)
    model.layers[-1].trainable = False
    assert len(logits.trainable_weights) == len(model.trainable_weights) == 2


def test_one_sigmoid_is_two_classes(images):
    model = sequential(layers.Flatten(), layers.Dense(1, activation="sigmoid"))
    logits, head = logits_model(model)
    chance = chances_of(model, images[0])
    scores = logits.predict(images[0], verbose=0)
    assert (head.kind, head.num_classes) == ("sigmoid", 2)
    np.testing.assert_array_equal(scores[:, 0], 0)
    np.testing.assert_allclose(ops.softmax(scores), np.hstack([1 - chance, chance]), atol=1e-6)


@pytest.mark.parametrize("tail", [[layers.Dense(4, activation="sigmoid")], [layers.Dense(4), "sigmoid"]])
def test_several_sigmoids(images, tail):
    *tail, last = [layers.Flatten(), *tail]
    model = sequential(*tail, layers.Activation(last) if isinstance(last, str) else last)
    logits, head = logits_model(model)
    np.testing.assert_allclose(
        ops.sigmoid(logits.predict(images[0], verbose=0)), chances_of(model, images[0]), atol=1e-6
    )
    assert (head.kind, head.num_classes) == ("sigmoid", 4)
    assert "decided by the largest" in head.how


@pytest.mark.parametrize("activation", [None, "linear", "log_softmax"])
@pytest.mark.parametrize("loss", [None, keras.losses.CategoricalCrossentropy(from_logits=True)])
def test_plain_logits(images, activation, loss):
    model = sequential(layers.Flatten(), layers.Dense(3, activation=activation))
    if loss:
        model.compile("sgd", loss)
    logits, head = logits_model(model)
    np.testing.assert_array_equal(chances_of(logits, images[0]), chances_of(model, images[0]))
    assert head.kind == "logits"
    assert ("from_logits=True" in head.how) == (loss is not None)


def test_one_logit_with_its_loss(images):
    model = sequential(layers.Flatten(), layers.Dense(1))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    logits, head = logits_model(model)
    assert (head.kind, head.num_classes) == ("logits", 2)
    expected = np.hstack([np.zeros((8, 1)), chances_of(model, images[0])])
    np.testing.assert_allclose(logits.predict(images[0], verbose=0), expected, atol=1e-6)


# JAX computes in float32 at most.
@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("float64", marks=pytest.mark.tensorflow)])
def test_logits_are_float32(images, policy):
    model = sequential(layers.Flatten(), layers.Dense(3, activation="softmax", dtype=policy))
    logits, _ = logits_model(model)
    scores = logits(images[0], training=False)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    np.testing.assert_allclose(ops.softmax(scores), chances_of(model, images[0]), atol=2e-3)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_head_out_of_sight(images, head):
    model = sequential(layers.Flatten(), Halved(3, activation=head))
    with pytest.raises(ModelError, match="pass head='softmax', 'sigmoid' or 'logits'"):
        logits_model(model)
    logits, found = logits_model(model, head)
    back = {"softmax": ops.softmax, "sigmoid": ops.sigmoid}[head](logits.predict(images[0], verbose=0))
    outputs = chances_of(model, images[0])
    expected = outputs / outputs.sum(axis=1, keepdims=True) if head == "softmax" else outputs
    np.testing.assert_allclose(back, expected, atol=1e-6)
    assert found.kind == head
    assert "as told" in found.how


def test_an_average_of_softmaxes_is_no_logit(images):
    inputs = keras.Input(SHAPE)
    parts = [layers.Dense(3, activation="softmax")(layers.Flatten()(inputs)) for _ in range(2)]
    model = keras.Model(inputs, layers.Average()(parts))
    with pytest.raises(ModelError, match="pass head="):
        logits_model(model)
    logits, _ = logits_model(model, "softmax")
    np.testing.assert_allclose(
        ops.softmax(logits.predict(images[0], verbose=0)), chances_of(model, images[0]), atol=1e-6
    )


def test_a_softmax_over_places_is_not_cut():
    """A softmax at each of 4 places and then flattened is no softmax over the 4 * 3 outputs."""
    model = sequential(layers.Conv2D(3, 3, activation="softmax"), layers.Flatten())
    with pytest.raises(ModelError, match="pass head="):
        logits_model(model)


class Own(keras.Model):
    """A model whose graph nobody sees."""

    def __init__(self, activation=None):
        super().__init__()
        self.flat, self.dense = layers.Flatten(), layers.Dense(3, activation=activation)

    def call(self, x):
        return self.dense(self.flat(x))


def test_a_subclassed_model(images):
    model = Own("softmax")
    with pytest.raises(ModelError, match="call it on data first"):
        logits_model(model)
    chance = chances_of(model, images[0])
    with pytest.raises(ModelError, match="pass head="):
        logits_model(model)
    logits, _ = logits_model(model, "softmax")
    np.testing.assert_allclose(ops.softmax(logits.predict(images[0], verbose=0)), chance, atol=1e-6)
    assert [id(weight) for weight in logits.weights] == [id(weight) for weight in model.weights]


def test_a_subclassed_model_with_its_loss(images):
    model = Own()
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    expected = chances_of(model, images[0])
    np.testing.assert_array_equal(chances_of(logits_model(model)[0], images[0]), expected)


def compiled(model, loss):
    model.compile("sgd", loss)
    return model


def two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Add()(inputs)))


def two_outputs():
    inputs = keras.Input((4,))
    return keras.Model(inputs, [layers.Dense(3, activation="softmax")(inputs), layers.Dense(1)(inputs)])


def integers(dtype):
    inputs = keras.Input(SHAPE, dtype=dtype)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(layers.Rescaling(0.1)(inputs))))


def words():
    inner = keras.Sequential([keras.Input((5,)), layers.Embedding(7, 2, name="words"), layers.Flatten()])
    return keras.Sequential([keras.Input((5,)), inner, layers.Dense(3, activation="softmax")])


def any_size():
    stack = [layers.Conv2D(3, 3), layers.GlobalAveragePooling2D(), layers.Softmax()]
    return keras.Sequential([keras.Input((None, None, 1)), *stack])


def flat(*tail):
    return sequential(layers.Flatten(), *tail)


REFUSED = {
    "mse": (lambda: compiled(flat(layers.Dense(3)), "mse"), "is a regression model .linear output, loss mse"),
    "mae": (lambda: compiled(flat(layers.Dense(1)), keras.losses.MeanAbsoluteError()), "is a regression model"),
    "huber": (lambda: compiled(flat(layers.Dense(1)), "huber"), "is a regression model"),
    "one linear unit": (lambda: flat(layers.Dense(1)), "looks like a regression model"),
    "one softmax": (lambda: flat(layers.Dense(1, activation="softmax")), "always says 1"),
    "tanh": (lambda: flat(layers.Dense(3, activation="tanh")), "last activation can be told"),
    "recurrent": (
        lambda: keras.Sequential([keras.Input((6, 6)), layers.LSTM(3, activation="softmax")]),
        "last activation can be told",
    ),
    "two inputs": (two_inputs, "with one input; .* has 2"),
    "two outputs": (two_outputs, "with one output; .* has 2"),
    "dense prediction": (lambda: sequential(layers.Conv2D(3, 1, activation="softmax")), "dense prediction"),
    "bytes": (lambda: integers("uint8"), "takes uint8 inputs"),
    "words": (words, "'words' reads them as indices"),
    "any size": (any_size, "fixed input shape"),
    "unbuilt": (lambda: keras.Sequential([layers.Dense(3, activation="softmax")]), "call it on data first"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, words = REFUSED[name]
    with pytest.raises(ModelError, match=words) as caught:
        logits_model(make())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", ["squared_hinge", "categorical_crossentropy"])
def test_a_classifier_with_an_odd_loss(loss):
    assert logits_model(compiled(flat(layers.Dense(3)), loss))[1].kind == "logits"


def test_a_head_that_contradicts_the_model():
    model = flat(layers.Dense(3, activation="softmax"))
    with pytest.raises(ModelError, match="Expected head='softmax' for .*, which ends in a softmax; got head='logits'"):
        logits_model(model, "logits")
    assert logits_model(model, "softmax")[1].kind == "softmax"


def test_unknown_head():
    with pytest.raises(SettingError, match="got 'probit'"):
        logits_model(flat(layers.Dense(3)), "probit")


@pytest.mark.parametrize("ending", [[layers.Dense(3, activation="relu")], [layers.Dense(3), layers.ReLU()]])
def test_a_relu_ends_in_logits_and_is_told_of(ending):
    model = flat(*ending)
    logits, head = logits_model(model)
    assert head.kind == "logits" and "no slope at a class whose logit is 0" in head.how
    x = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype("float32")
    np.testing.assert_array_equal(logits(x), model(x))
