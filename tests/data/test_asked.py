"""Data of several inputs and for several outputs, in every form."""

from types import SimpleNamespace

import numpy as np
import pytest

from turtlenet.data import load, parts_of
from turtlenet.data.asked import asked_pair
from turtlenet.data.examples import Examples
from turtlenet.data.prepare import load_data
from turtlenet.data.readers.tables import reading_of
from turtlenet.errors import DataError
from turtlenet.tasks import Classification, ModelInput, MultiLabel, Question, Regression

RNG = np.random.default_rng(0)
X = {"image": RNG.random((9, 2, 2, 1)).astype("float32"), "vector": RNG.random((9, 3)), "code": np.arange(9)[:, None]}
Y = np.arange(9) % 3
IMAGE, VECTOR, CODE = (
    ModelInput("image", (2, 2, 1)),
    ModelInput("vector", (3,)),
    ModelInput("code", (1,), "int32"),
)
ONE = Question(Classification(), 3, (IMAGE,), (VECTOR, CODE), "kind", ("kind", "age"), ("image", "vector", "code"))
ALL = Question(Regression(tolerance=1), 1, (IMAGE, VECTOR), (CODE,), "age", ("kind", "age"), ONE.inputs)


def stream():
    return ({name: part[start : start + 4] for name, part in X.items()} for start in (0, 4, 8))


@pytest.mark.parametrize("form", ["dict", "tuple", "stream"])
def test_every_form_gives_the_same_examples(form):
    data = {
        "dict": lambda: (X, Y),
        "tuple": lambda: (tuple(X.values()), {"kind": Y, "age": Y}),
        "stream": lambda: ((x, Y[4 * place : 4 * place + 4]) for place, x in enumerate(stream())),
    }[form]()
    x, y = asked_pair(*parts_of(data, (2, 2, 1), ONE.inputs), ONE)
    examples = Examples(x, y, question=ONE)
    assert examples.shape == (2, 2, 1)
    found, rows = examples.batch(slice(None))
    np.testing.assert_array_equal(found, X["image"])
    np.testing.assert_array_equal(rows, np.concatenate([X["vector"], X["code"], Y[:, None]], axis=1).astype("float32"))
    np.testing.assert_array_equal(examples.classes, Y)
    assert "3 classes of output kind, vector, code held" in examples.describe()


def test_a_file_has_the_names_of_inputs_and_outputs(tmp_path):
    parts = {f"{name}_train": part[:6] for name, part in X.items()} | {"kind_train": Y[:6], "age_train": 2.5 * Y[:6]}
    parts |= {f"{name}_test": part[6:] for name, part in X.items()} | {"kind_test": Y[6:], "age_test": 2.5 * Y[6:]}
    # Those of the first output, perhaps: the name of an output comes before it.
    parts |= {"y_train": Y[:6], "y_test": Y[6:]}
    np.savez(tmp_path / "d.npz", **parts)
    found = load(tmp_path / "d.npz", shape=ALL.input_shape, num_classes=3, question=ALL)
    assert (len(found.train), len(found.test)) == (6, 3)
    x, rows = found.test.batch(slice(None))
    packed = np.concatenate([X["image"].reshape(9, -1), X["vector"]], axis=1).astype("float32")
    np.testing.assert_array_equal(x, packed[6:])
    np.testing.assert_array_equal(rows[:, 1], 2.5 * Y[6:])
    back = ALL.unpacked(x)
    assert all(np.array_equal(back[name], X[name][6:].astype("float32")) for name in ("image", "vector"))
    assert found.test.sha256() != found.test.subset(slice(0, 2)).sha256()


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ({"image": X["image"]}, Y, "Expected the inputs image, vector, code in it; got image."),
        (X["image"], Y, "Expected a dict of the inputs image, vector, code in it"),
        ({**X, "vector": X["vector"][:5]}, Y, "got 9 of image, 5 of vector, 9 of code in it."),
        ({**X, "vector": X["image"]}, Y, "Expected input vector of shape 3; got 2x2x1 in it."),
        ({**X, "vector": X["vector"] * np.nan}, Y, "Expected finite values of input vector; got others in it."),
        ({**X, "code": X["code"] + 2**25}, Y, "Expected whole numbers up to 16,777,216 for input code"),
        (X, {"age": Y}, "Expected labels of output 'kind' in it; got age."),
    ],
)
def test_what_does_not_fit_is_refused(x, y, words, refusal):
    assert words in refusal(DataError, asked_pair, x, y, ONE, "it")


def test_labels_that_do_not_fit_are_refused(refusal):
    several = Question(MultiLabel(), 3, (VECTOR,))
    for y, words in (
        (Y, "Expected label rows (N, 3) of 0 and 1"),
        (Y.astype(str), "Expected true answers as numbers (N,) or (N, k) for 3 labels, any of which counts; got <U"),
        (np.eye(9, 3)[:5], "Expected as many labels as rows; got 9 rows and 5 labels"),
    ):
        assert words in refusal(DataError, Examples, X["vector"], y, question=several)


def test_one_array_for_several_inputs_is_refused_by_their_names(tmp_path):
    np.savez(tmp_path / "d.npz", x=X["image"], y=Y)
    with pytest.raises(DataError, match=r"named image, vector, code, in .*d.npz; got x, of shape 2x2x1, alone\.$"):
        load(tmp_path / "d.npz", shape=ALL.input_shape, num_classes=3, question=ALL)


def test_labels_of_the_output_that_is_asked_come_before_others_for_one_input_too(tmp_path, linear):
    x, size = RNG.random((6, 6)).astype("float32"), np.arange(6) % 2
    np.savez(tmp_path / "d.npz", x_train=x, kind_train=Y[:6], size_train=size, x_test=x[:2], kind_test=Y[:2])
    how = reading_of(SimpleNamespace(label=None, weight=None, drop=(), classes=(), output="kind"))
    data = load_data(tmp_path / "d.npz", linear, how=how)
    assert data.train.labels.tolist() == [0, 1, 2, 0, 1, 2] and data.test.labels.tolist() == [0, 1]
    assert load_data((x, {"kind": Y[:6], "size": size}), linear, how=how).train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(DataError, match="Expected y_train beside x_train"):
        load_data(tmp_path / "d.npz", linear)
