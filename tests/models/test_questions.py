"""Models of any shape: what is attacked, what is held, and that every attack sees the same as on the plain model."""

import keras
import numpy as np
import pytest
from keras import layers

import turtlenet as tn
from turtlenet import attacks
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Linf
from turtlenet.errors import ModelError, SettingError
from turtlenet.models import classifier
from turtlenet.models.usage import Usage

RNG = np.random.default_rng(0)
X, HELD = RNG.random((12, 5)).astype("float32"), RNG.integers(0, 4, (12, 1))
Y = RNG.integers(0, 3, 12).astype("int32")


@pytest.fixture(scope="module")
def two():
    """Logits of a vector and of a held category, and the same as one model for each category."""
    vector, code = keras.Input((5,), name="vector"), keras.Input((1,), dtype="int32", name="code")
    shift = layers.Flatten()(layers.Embedding(4, 3, embeddings_initializer="normal", name="shift")(code))
    dense = layers.Dense(3, name="dense")
    whole = keras.Model([vector, code], layers.Softmax(name="kind")(layers.Add()([dense(vector), shift])))
    plain = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    plain.set_weights(dense.get_weights())
    return whole, plain


def rows(codes, y):
    return np.concatenate([codes, y[:, None]], axis=1).astype("float32")


@pytest.mark.parametrize(
    "spec",
    [
        "pgd:steps=5",
        "nes:queries=60,samples=10",
        # They ask about candidates in the same order, and take long to build.
        pytest.param("square:queries=20", marks=pytest.mark.slow),
        pytest.param("hopskipjump:queries=300,norm=l2,eps=1", marks=pytest.mark.slow),
        pytest.param("fab-t", marks=pytest.mark.slow),
    ],
)
def test_an_attack_finds_what_it_finds_on_the_model_of_one_input(two, spec):
    whole, plain = two
    held, alone = classifier(whole, usage=Usage()), classifier(plain, head="logits")
    assert held.input_shape == (5,) and held.question.describe() == "3 classes, code held"
    codes = np.zeros((12, 1))
    # With one category, the held input is a shift of the biases.
    kernel, bias = plain.layers[0].get_weights()
    plain.layers[0].set_weights([kernel, bias + whole.get_layer("shift").get_weights()[0][0]])
    try:
        attack, ball = attacks.build(spec), Linf(0.2)
        ball = attack.own_ball(ball, (5,))
        one = attack_all(attack, held, X, rows(codes, Y), ball=ball)
        other = attack_all(attack, alone, X, Y, ball=ball)
    finally:
        plain.layers[0].set_weights([kernel, bias])
    np.testing.assert_array_equal(one.reached, other.reached)
    np.testing.assert_allclose(one.x, other.x, atol=1e-5)


def test_each_candidate_is_asked_about_with_its_own_row(two):
    whole, _ = two
    held = classifier(whole, usage=Usage())
    asked, classes = held.asked(rows(HELD, Y))
    np.testing.assert_array_equal(np.asarray(classes), Y)
    alone, repeated = np.asarray(asked(X)), np.asarray(asked(np.repeat(X, 3, axis=0)))
    np.testing.assert_allclose(repeated, np.repeat(alone, 3, axis=0), atol=1e-6)
    np.testing.assert_allclose(keras.ops.softmax(alone), whole([X, HELD]), atol=1e-6)
    with pytest.raises(ModelError, match="Expected inputs together with their labels for 3 classes, code held"):
        held(X)


def test_several_inputs_are_attacked_as_one_or_held():
    image, vector = keras.Input((4, 4, 1), name="image"), keras.Input((3,), name="vector")
    joined = layers.Concatenate()([layers.Flatten()(image), vector])
    model = keras.Model({"image": image, "vector": vector}, layers.Dense(2, activation="softmax")(joined))
    x = {"image": RNG.random((6, 4, 4, 1)).astype("float32"), "vector": RNG.random((6, 3)).astype("float32")}
    y = np.asarray(model(x)).argmax(axis=1)
    both = tn.attack(model, x, y, "pgd:steps=3", eps=0.1)
    assert {name: part.shape for name, part in both.items()} == {"image": (6, 4, 4, 1), "vector": (6, 3)}
    assert all(0 < np.abs(both[name] - x[name]).max() <= 0.1 + 1e-6 for name in x)
    one = tn.attack(model, (x["image"], x["vector"]), y, "pgd:steps=3", eps=0.1, attacked="vector")
    np.testing.assert_array_equal(one["image"], x["image"])
    assert np.abs(one["vector"] - x["vector"]).max() > 0.05


def test_a_linear_model_of_labels_holds_out_to_its_margin():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="sigmoid")])
    kernel = RNG.normal(size=(6, 3)).astype("float32")
    model.layers[0].set_weights([kernel, np.zeros(3, "float32")])
    x = RNG.uniform(-1, 1, (40, 6)).astype("float32")
    y = (x @ kernel > 0).astype("int32")
    for task, mine in (("multi-label", slice(None)), ("multi-label:label=1", slice(1, 2))):
        far = np.abs(x @ kernel)[:, mine] / np.abs(kernel).sum(axis=0)[mine]
        found = tn.evaluate(
            model,
            (x, y),
            attacks=["multi-targeted:steps=4,step_size=0.6"],
            eps=0.1,
            bounds=(-9, 9),
            task=task,
            curve=0,
        )
        assert found.clean_accuracy == 1
        assert found.robust_accuracy == pytest.approx((far.min(axis=1) > 0.1).mean())
        # No picture of a vector: the names are in the facts.
        assert found.data["classes"][1] == ("label 1 flipped" if mine.start else "label 0 flipped")
        assert found.asked["task"] == task and "label" in found.data["description"]


def test_a_linear_regression_holds_out_to_its_tolerance():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    kernel = RNG.normal(size=(6, 1)).astype("float32")
    model.layers[0].set_weights([kernel, np.zeros(1, "float32")])
    x = RNG.uniform(-1, 1, (40, 6)).astype("float32")
    y = (x @ kernel)[:, 0] + RNG.uniform(-2, 2, 40)
    task, bounds = "regression:tolerance=1.5", (-9, 9)
    found = tn.evaluate(
        model, (x, y), attacks=["pgd:steps=4,step_size=0.6"], eps=0.1, bounds=bounds, task=task, curve=0
    )
    far = np.abs((x @ kernel)[:, 0] - y)
    assert found.clean_accuracy == pytest.approx((far <= 1.5).mean())
    assert found.robust_accuracy == pytest.approx((far + 0.1 * np.abs(kernel).sum() <= 1.5).mean())


def test_training_descends_on_what_the_task_says(tmp_path):
    vector, code = keras.Input((None, 3), name="series"), keras.Input((1,), dtype="int32", name="code")
    joined = layers.Concatenate()([layers.LSTM(4)(vector), layers.Flatten()(layers.Embedding(4, 2)(code))])
    model = keras.Model([vector, code], [layers.Dense(2, name="amount")(joined), layers.Dense(3, name="kind")(joined)])
    x = {"series": RNG.random((64, 5, 3)).astype("float32"), "code": RNG.integers(0, 4, (64, 1))}
    y = {"amount": x["series"].sum(axis=1)[:, :2] - 2}
    options = {"output": "amount", "size": "5", "task": "regression:tolerance=0.5"}
    how = {"eps": 0.01, "epochs": 50, "batch_size": 16, "learning_rate": 0.01, "validation": 0, "attack": "fgsm"}
    hardened = tn.train(model, (x, y), **how, **options)
    error = [np.square(np.asarray(each(x)[0]) - y["amount"]).mean() for each in (model, hardened)]
    assert error[1] < 0.5 * error[0]
    hardened.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.output_names == ["amount", "kind"] and again.inputs[0].shape == (None, None, 3)
    np.testing.assert_allclose(again(x)[0], hardened(x)[0], atol=1e-6)


def _open():
    return keras.Sequential([keras.Input((None, None, 1)), layers.GlobalMaxPooling2D(), layers.Dense(2)])


def _several():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), dtype="int32", name="b")
    h = layers.Concatenate()([a, layers.Flatten()(layers.Embedding(3, 2)(b))])
    return keras.Model([a, b], [layers.Dense(2, name="one")(h), layers.Dense(2, name="two")(h)])


@pytest.mark.parametrize(
    ("model", "usage", "words"),
    [
        (_open, Usage(), "pass --size 64x64."),
        (_open, Usage(size="8x8x8"), "leaves open, 2 of (None, None, 1); got 8x8x8."),
        (_open, Usage(size="8x"), "Expected size as 64x64, 50 (a series) or 16x16x16 (a volume); got '8x'."),
        (_several, Usage(), "choose one with --output: one, two."),
        (_several, Usage(output="tow"), "one, two; got 'tow'. Did you mean 'two'?"),
        (_several, Usage(output="one", attacked="b"), "Expected continuous inputs to attack; got 'b', which"),
        (_several, Usage(output="one", attacked="c"), "Expected inputs of"),
    ],
)
def test_what_does_not_fit_is_refused(model, usage, words):
    with pytest.raises((ModelError, SettingError)) as caught:
        classifier(model(), usage=usage)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_attack_that_takes_single_labels_is_refused(two):
    with pytest.raises(SettingError, match=r"works on 3 classes, code held, such as pgd.*got transfer"):
        attacks.build("transfer:source=a.h5").check(classifier(two[0], usage=Usage()), Linf(0.1))
