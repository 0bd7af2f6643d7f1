"""What a Python user holds, brought to the same arrays."""

import keras
import numpy as np
import pytest

from turtlenet.data import from_arrays, given, parts_of
from turtlenet.errors import DataError

X = np.random.default_rng(0).random((10, 4, 4, 1)).astype("float32")
Y = np.arange(10) % 3


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        rows = slice(4 * number, 4 * number + 4)
        return X[rows], Y[rows]


class Endless(Batches):
    @property
    def num_batches(self):
        return None


def batches():
    return ((X[start : start + 4], Y[start : start + 4]) for start in (0, 4, 8))


FORMS = {
    "tuple": lambda: (X, Y),
    "list": lambda: [X, Y],
    "list of batches": lambda: list(batches()),
    "generator": batches,
    "single examples": lambda: zip(X, Y, strict=True),
    "PyDataset": lambda: Batches(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_arrays(form) -> None:
    x, y = parts_of(FORMS[form](), (4, 4, 1))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.tensorflow  # tf.data is its own.
def test_tf_data() -> None:
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((X, Y, np.ones(10)))
    for data in (rows, rows.batch(4)):
        found = parts_of(data, (4, 4, 1))
        assert all(np.array_equal(one, other) for one, other in zip(found, (X, Y, np.ones(10)), strict=True))
    with pytest.raises(DataError, match=r"Trainer.*without an end"):
        parts_of(rows.repeat(), (4, 4, 1))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Endless(), "package.module:function.*Trainer.*Endless without an end"),
        ((X,), "tuple of 1"),
        (X, "ndarray alone|got a ndarray"),
        (3, "got an int"),
        ([], "list of 0"),
        (iter([]), "empty"),
        (iter([X]), r"batches of \(x, y\).*ndarray"),
        (iter([(X, Y), (X[:, :2], Y)]), "fit together"),
    ],
)
def test_what_is_not_taken(data, words) -> None:
    with pytest.raises(DataError, match=words):
        parts_of(data, (4, 4, 1))


def test_a_generator_without_an_end(monkeypatch) -> None:
    monkeypatch.setattr(given, "LARGEST_STREAM", 10_000)
    with pytest.raises(DataError, match="more than 1 GiB, or without an end"):
        parts_of(((X, Y) for _ in iter(int, 1)), (4, 4, 1))


def test_arrays_of_other_libraries() -> None:
    class Frame:
        """Counts rows by labels, as pandas does."""

        dtype, shape = Y.dtype, Y.shape

        def to_numpy(self):
            return Y

        def __getitem__(self, _):
            raise KeyError

    class Tensor:
        """Cannot become an array before it is detached, as torch's."""

        dtype = "torch.float32"

        def detach(self):
            return self

        def cpu(self):
            return X

    found = from_arrays(Tensor(), Frame(), shape=(4, 4, 1), num_classes=3)
    np.testing.assert_array_equal(found.batch(slice(None))[0], X)
    np.testing.assert_array_equal(found.labels, Y)
    narrow = keras.ops.cast(keras.ops.convert_to_tensor(X), "bfloat16")
    assert np.abs(from_arrays(narrow, Y).batch(slice(None))[0] - X).max() < 0.01


def test_weights_follow_the_examples() -> None:
    found = from_arrays(X, Y).subset(np.array([3, 1])).weighted([2, 3]).weighted([1, 0.5])
    assert found.weights.tolist() == [2.0, 1.5] and found.take(1).weights.tolist() == [2.0]
    for wrong in ([1], [-1, 1], [np.nan, 1], [0, 0], ["a", "b"]):
        with pytest.raises(DataError, match="Expected"):
            found.weighted(wrong)
