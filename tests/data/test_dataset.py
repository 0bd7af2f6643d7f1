import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turtlenet.data.dataset import assemble
from turtlenet.errors import DataError


def indices(examples):
    return examples.batch(slice(None))[0][:, 0].astype(int).tolist()


def numbered(count):
    # Every image is its own number, so that a split can be read off the pixels.
    return {"x": np.arange(count, dtype=np.float64).reshape(-1, 1), "y": np.arange(count) % 3}


@given(st.integers(2, 300))
def test_a_split_is_complete_disjoint_and_the_same_each_time(count):
    data = assemble(numbered(count), name="it", bounds=(0, 300))
    train, test = indices(data.train), indices(data.test)
    assert sorted(train + test) == list(range(count)) == indices(data.whole)
    assert len(test) == max(1, count // 6)
    again = assemble(numbered(count), name="it", bounds=(0, 300))
    assert (train, test) == (indices(again.train), indices(again.test))
    assert np.array_equal(data.test.labels, np.array(test) % 3)


def test_generated_images_go_by_their_own_names(refusal):
    named = {"image": numbered(24)["x"], "label": numbered(24)["y"]}
    assert indices(assemble(named, name="it", bounds=(0, 300)).whole) == list(range(24))
    both = assemble({**numbered(12), **named}, name="it", bounds=(0, 300))
    assert len(both.whole) == 12
    assert "Expected label beside image in it" in refusal(DataError, assemble, {"image": named["image"]}, name="it")


def test_the_split_never_changes():
    assert indices(assemble(numbered(24), name="it", bounds=(0, 300)).test) == [10, 11, 14, 22]


def test_a_lone_example_is_for_testing():
    data = assemble(numbered(1), name="it")
    assert data.train is None and len(data.test) == len(data.whole) == 1


def test_names_of_parts():
    data = assemble(numbered(12), name="it", bounds=(0, 300))
    assert (data.train.name, data.test.name, data.whole.name) == ("it train", "it test", "it")


def test_separate_parts_have_no_whole():
    x, y = np.zeros((3, 2), "u1"), [0, 1, 2]
    data = assemble({"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]}, name="it")
    assert (len(data.train), len(data.test), data.whole) == (3, 2, None)
    assert assemble({"x_train": x, "y_train": y}, name="it").test is None
    assert assemble({"x_test": x, "y_test": y}, name="it").train is None


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_part_for_validation_stands_beside_the_others(name, refusal):
    x, y = np.zeros((3, 2), "u1"), [0, 1, 2]
    own = {f"x_{name}": x[:2], f"y_{name}": y[:2]}
    for others in ({"x_train": x, "y_train": y}, {"x": x, "y": y}):
        data = assemble({**others, **own}, name="it")
        assert data.validation.name == f"it {name}" and data.validation.num_classes == 3 and len(data.validation) == 2
        assert (data.whole is None) == ("x_train" in others)
    assert data.within((0, 9)).validation.bounds == (0, 9)
    half = assemble({"x": x, "y": y, f"x_{name}": x}, name="it")
    said = refusal(DataError, half.to_validate_on)
    assert said == f"Expected y_{name} beside x_{name} in it; got no y_{name}."
    alone = assemble(own, name="it", shape=(2,), num_classes=3)
    assert len(alone.validation) == 2 and alone.train is alone.test is alone.whole is None


@pytest.mark.parametrize("fit", [{"shape": (2,), "num_classes": 3}, {}])
@pytest.mark.parametrize(
    ("aside", "words"),
    [
        ({"x_val": np.zeros((2, 5), "u1"), "y_val": [0, 1]}, "Expected rows of shape 2; got 5 in it val."),
        ({"x_val": np.zeros((2, 2), "u1"), "y_val": [0]}, "Expected as many labels as rows; got 2 rows and 1 labels"),
        ({"x_val": np.zeros((2, 2), "u1"), "y_val": [[0.5, 0.5]] * 2}, "expected label rows of 3; got 2 in it val."),
        (dict.fromkeys(["x_val", "y_val", "x_valid", "y_valid"], [[0, 0]]), "Expected one part for validation in it"),
    ],
)
def test_a_part_for_validation_that_does_not_fit_is_refused_only_to_who_asks_for_it(aside, words, fit, refusal):
    x, y = np.zeros((3, 2), "u1"), [0, 1, 2]
    data = assemble({"x_train": x, "y_train": y, "x_test": x, "y_test": y, **aside}, name="it", **fit)
    assert data.validation is None and len(data.train) == len(data.test) == 3 and data.test.num_classes == 3
    for each in (data, data.within((0, 9))):
        assert words in refusal(DataError, each.to_validate_on)
    if fit:
        assert words in refusal(DataError, assemble, aside, name="it", **fit)
    # What all of it holds is looked at by who asks.
    data = assemble({"x": x, "y": y, "x_val": np.full((1, 2), 5.0), "y_val": [0]}, name="it", **fit)
    assert "Expected features within [0, 1]" in refusal(DataError, data.to_validate_on)


def test_separate_parts_come_before_x_and_y():
    x, y = np.zeros((3, 2), "u1"), [0, 1, 2]
    assert assemble({"x": x, "y": y, "x_test": x, "y_test": y}, name="it").whole is None


@pytest.mark.parametrize("fewer", ["y_train", "y_test"])
def test_parts_agree_on_the_classes_and_the_shape(fewer):
    arrays = {
        "x_train": np.zeros((3, 2, 2), "u1"),
        "y_train": [0, 1, 4],
        "x_test": np.zeros((3, 2, 2, 1), "u1"),
        "y_test": [0, 1, 4],
    }
    arrays[fewer] = [0, 1, 2]
    data = assemble(arrays, name="it")
    assert data.train.num_classes == data.test.num_classes == 5
    assert data.train.shape == data.test.shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_test": None}, "Expected y_test beside x_test in it; got no y_test."),
        ({"x_train": None}, "Expected x_train beside y_train in it; got no x_train."),
        (
            dict.fromkeys(["x_train", "y_train", "x_test", "y_test"]),
            "Expected arrays x_train, y_train, x_test and y_test, or x and y, in it; got images.",
        ),
        ({"x_test": np.zeros((1, 3))}, "Expected rows of shape 2; got 3 in it test."),
        ({"y_test": [0, 1]}, "Expected as many labels as rows; got 1 row and 2 labels in it test."),
        ({"y_test": [[0.5, 0.5]]}, "Wrong number of classes: expected label rows of 3; got 2 in it test."),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, words, refusal):
    arrays = {"x_train": np.zeros((1, 2)), "y_train": [2], "x_test": np.zeros((1, 2)), "y_test": [0], "images": None}
    arrays = {key: value for key, value in {**arrays, **change}.items() if key == "images" or value is not None}
    assert refusal(DataError, assemble, arrays, name="it") == words


def test_nothing_at_all_is_refused(refusal):
    assert "got nothing." in refusal(DataError, assemble, {}, name="it")
