"""Bounds and radii of several attacked inputs: each its own, in the order in which they are packed."""

import keras
import numpy as np
import pytest
from keras import layers

import turtlenet as tn
from turtlenet.attacks.features.inputs import for_inputs
from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.said import Said
from turtlenet.errors import SettingError, SpecError
from turtlenet.features import Features
from turtlenet.tasks import Classification, ModelInput, Question

ROWS = 24
RNG = np.random.default_rng(0)
X = {
    "image": RNG.uniform(0.2, 0.8, (ROWS, 4, 4, 1)).astype("float32"),
    "vector": (RNG.normal(size=(ROWS, 3)) * [1, 10, 100]).astype("float32"),
}
BOUNDS = {"image": (0, 1), "vector": (-500, 500)}
EPS = {"image": 0.05, "vector": [0.1, 1, "1%"]}
IMAGE, VECTOR = ModelInput("image", (2, 2)), ModelInput("vector", (3,))
BOTH = Question(Classification(), 2, (IMAGE, VECTOR))


@pytest.fixture(scope="module")
def net():
    """Two classes by the sum of everything, each vector's value in its own unit; and the labels that it gives."""
    image, vector = keras.Input((4, 4, 1), name="image"), keras.Input((3,), name="vector")
    parts = [layers.Flatten()(image), layers.Rescaling([1.0, 0.1, 0.01])(vector)]
    model = keras.Model([image, vector], layers.Dense(2)(layers.Concatenate()(parts)))
    kernel = np.ones((19, 1), "float32")
    model.layers[-1].set_weights([np.hstack([-kernel, kernel]), np.array([8, -8], "float32")])
    return model, model.predict(X, verbose=0).argmax(axis=1)


def test_each_value_moves_by_the_radius_of_its_own_input(net) -> None:
    model, y = net
    moved = tn.attack(model, X, y, "fgsm", eps=EPS, bounds=BOUNDS)
    far = {name: np.abs(moved[name].astype("float64") - X[name]) for name in X}
    np.testing.assert_allclose(far["image"], 0.05, rtol=1e-5)
    # What pays nothing to move further does not: every row moves fully, as the model is linear.
    np.testing.assert_allclose(far["vector"], np.tile([0.1, 1, 10], (ROWS, 1)), rtol=1e-4)
    alone = tn.attack(model, X, y, "fgsm", eps={"image": 0.05}, bounds={"image": (0, 1)}, attacked="image")
    np.testing.assert_array_equal(alone["vector"], X["vector"])
    np.testing.assert_allclose(alone["image"], moved["image"], atol=1e-6)


def test_training_and_evaluation_know_them(net, tmp_path) -> None:
    model, y = net
    how = {"epochs": 1, "batch_size": 12, "validation": 0}
    hardened = tn.train(model, (X, y), attack="fgsm", eps=EPS, bounds=BOUNDS, **how)
    told = features_of(hardened)
    assert told["eps"] == [0.05] * 16 + [0.1, 1, 10] and told["names"][-1] == "vector[2]"
    tn.save_model(hardened, tmp_path / "hardened.keras")
    report = tn.evaluate(tmp_path / "hardened.keras", (X, y), attacks=["fgsm"], curve=0)
    assert report.threat["features"]["high"] == [1] * 16 + [500] * 3
    assert report.threat["unit"] == "each feature's own eps" and report.attacks[0].linf_max in (None, 1.0)
    with pytest.raises(SettingError, match=r"Expected bounds of every attacked input; got none of vector\."):
        tn.evaluate(model, (X, y), attacks=["fgsm"], bounds={"image": (0, 1)}, eps=EPS)


def test_a_file_names_an_input_or_one_of_its_values() -> None:
    features = Features(("vector[1]", "image"), eps=(3.0, "1%"), movable=("up", "yes"))
    found = for_inputs(Said(features=features), BOTH).features
    assert found.names[:2] == ("image[0]", "image[1]") and found.names[-1] == "vector[2]"
    assert found.eps == ("1%",) * 4 + (None, 3.0, None)
    assert found.movable == ("yes",) * 5 + ("up", "yes")
    with pytest.raises(SpecError, match=r"Unknown feature 'vector\[9\]'"):
        for_inputs(Said(features=Features(("vector[9]",))), BOTH)


def test_what_is_written_is_read() -> None:
    said = Said.by_user(eps="image=0.1; vector=1,2,5%", bounds="image=0,1;vector=-5,5")
    assert said and said.outer == (-5, 5)
    assert said.eps == {"image": "0.1", "vector": ["1", "2", "5%"]}
    found = for_inputs(said, BOTH)
    assert found.eps.tolist() == ["0.1"] * 4 + ["1", "2", "5%"]
    assert [end.tolist() for end in found.bounds] == [[0.0] * 4 + [-5.0] * 3, [1.0] * 4 + [5.0] * 3]
    # One radius leaves the others to their defaults.
    assert for_inputs(Said.by_user(eps={"vector": 1}), BOTH).eps.tolist() == [None] * 4 + [1] * 3


@pytest.mark.parametrize(
    ("said", "question", "words"),
    [
        ({"eps": {"vectr": 1}}, BOTH, "Expected eps of the attacked inputs image, vector; got 'vectr'. Did you mean"),
        ({"eps": {"vector": [1, 2]}}, BOTH, "Expected eps of vector as one number, or as numbers that broadcast to 3"),
        ({"bounds": {"vector": (0, 1)}}, BOTH, "Expected bounds of every attacked input; got none of image."),
        ({"eps": {"x": 1}}, None, "Expected eps without names for a model of one input; got x."),
        ({"eps": "image=1;image=2"}, BOTH, "Expected eps by the names of inputs, as image=...;vector=..."),
        ({"bounds": "image="}, BOTH, "Expected bounds by the names of inputs, as image=...;vector=..."),
        ({"bounds": {"image": 3}}, BOTH, "Expected bounds as two numbers"),
    ],
)
def test_what_does_not_fit_is_one_line(said, question, words) -> None:
    with pytest.raises(SettingError) as caught:
        for_inputs(Said.by_user(**said), question)
    assert words in str(caught.value) and "\n" not in str(caught.value)
