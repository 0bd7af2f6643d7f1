import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from turtlenet.data import Examples
from turtlenet.data import labels as module
from turtlenet.data.labels import read_labels
from turtlenet.errors import DataError, SettingError


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "i4", "i8", "u8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_every_number_type_and_column(dtype, shape):
    labels, classes = read_labels(np.array([2, 0, 4], dtype).reshape(shape), name="it")
    assert labels.dtype == np.int32 and labels.tolist() == [2, 0, 4] and classes == 5


def test_lists_and_booleans():
    assert read_labels([True, False], name="it")[0].tolist() == [1, 0]
    assert read_labels([3, 1], name="it", num_classes=9)[1] == 9


@given(hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 30)), st.sampled_from(["?", "u1", "f4", "i8"]))
def test_one_hot_rows_mean_the_same_as_numbers(numbers, dtype):
    rows = np.eye(31, dtype=dtype)[numbers]
    labels, classes = read_labels(rows, name="it")
    assert np.array_equal(labels, numbers) and classes == 31
    assert np.array_equal(read_labels(numbers, name="it")[0], labels)


@given(st.data())
def test_probabilities_mean_the_largest(data):
    raw = data.draw(hnp.arrays(np.float64, (4, 3), elements=st.floats(0.01, 1)))
    rows = raw / raw.sum(axis=1, keepdims=True)
    assert np.array_equal(read_labels(rows, name="it", num_classes=3)[0], rows.argmax(axis=1))


@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.int64, np.uint64, np.float16, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.none() | st.integers(1, 5),
)
def test_wild_labels_are_classes_or_refused_in_one_line(y, num_classes):
    try:
        labels, classes = read_labels(y, name="it", num_classes=num_classes)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert labels.dtype == np.int32 and labels.shape == (len(y),)
        assert labels.min() >= 0 and labels.max() < classes
        assert num_classes in (None, classes)
        meant = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        assert np.array_equal(labels, meant)


def test_rows_are_read_in_blocks(monkeypatch, refusal):
    monkeypatch.setattr(module, "BLOCK_ROWS", 3)
    rows = np.eye(4)[[3, 1, 0, 2, 2, 1, 3]]
    assert read_labels(rows, name="it")[0].tolist() == [3, 1, 0, 2, 2, 1, 3]
    rows[4] = 0.5
    assert "sums to 2 at example 4 of it." in refusal(DataError, read_labels, rows, name="it")


@pytest.mark.parametrize(
    ("y", "classes", "words"),
    [
        ([0, 10, 3], 10, "Expected labels from 0 to 9; got 10 at example 1 of it."),
        ([[np.inf, -np.inf]], None, "got a row from -inf to inf that sums to nan at example 0 of it."),
        ([0, 3, -1], 10, "Expected labels from 0 to 9; got -1 at example 2 of it."),
        ([-1], None, "Expected labels of 0 or more (below 2147483647); got -1 at example 0 of it."),
        ([2**40], None, "got 1099511627776 at example 0 of it."),
        (np.array([2.0**31], np.float32), None, "got 2147483648.0 at example 0 of it."),
        ([1.0, 0.5], 10, "Expected labels that are whole numbers; got 0.5 at example 1 of it."),
        ([np.nan], 10, "Expected labels that are whole numbers; got nan at example 0 of it."),
        ([np.inf], None, "Expected labels that are whole numbers; got inf at example 0 of it."),
        (np.eye(3), 10, "Wrong number of classes: expected label rows of 10; got 3 in it."),
        (
            [[0.5, 0.4]],
            2,
            "Expected label rows of probabilities that sum to 1; got a row from 0.4 to 0.5 that sums to 0.9",
        ),
        ([[2.0, -1.0]], 2, "got a row from -1 to 2 that sums to 1 at example 0 of it."),
        ([[np.nan, 1.0]], 2, "sums to nan at example 0 of it."),
        (np.array([[128, 129]], np.uint8), 2, "sums to 257"),
        (
            [[0, 1, 0], [1, 1, 0]],
            3,
            "Expected one class for each input; got label rows with 2 of 3 labels true at example 1 of it: "
            "pass --task multi-label (task='multi-label') where several may be true at once.",
        ),
        (np.zeros((2, 4)), 4, "got label rows with 0 of 4 labels true at example 0 of it: pass --task multi-label"),
        (["cat", "dog"], 2, "got <U3 of shape (2,) in it."),
        (np.array([0, None]), 2, "got object of shape (2,) in it."),
        (np.zeros((2, 2, 2)), 2, "got float64 of shape (2, 2, 2) in it."),
        ([], 2, "got float64 of shape (0,) in it."),
        (3, 2, "of shape () in it."),
        ([[1], [1, 2]], 2, "Expected an array in it; got: "),
    ],
)
def test_bad_labels_are_refused(y, classes, words, refusal):
    assert words in refusal(DataError, read_labels, y, name="it", num_classes=classes)


def test_rows_that_sum_to_one_within_a_thousandth():
    assert read_labels([[0.3, 0.7005]], name="it")[0].tolist() == [1]
    with pytest.raises(DataError):
        read_labels([[0.3, 0.702]], name="it")


def test_classes_are_at_least_one(refusal):
    assert refusal(SettingError, read_labels, [0], name="it", num_classes=0) == (
        "Expected at least 1 class; got num_classes=0."
    )


def test_a_list_of_names_is_one_of_classes() -> None:
    named = Examples(np.zeros((3, 2), "float32"), ["dog", "cat", "dog"], shape=(2,))
    assert named.labels.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="whole numbers"):
        Examples(np.zeros((2, 2), "float32"), ["dog", 1.5], shape=(2,))
