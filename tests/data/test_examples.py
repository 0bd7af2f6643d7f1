import hashlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turtlenet.data import Examples, from_arrays, pixels
from turtlenet.errors import DataError, SettingError

RANDOM = np.random.RandomState(3)
X = RANDOM.randint(0, 256, (50, 4, 5)).astype(np.uint8)
Y = RANDOM.randint(0, 3, 50)


@pytest.fixture(params=["ndarray", "memmap", "h5", "h5-chunked"])
def stored(request, tmp_path):
    if request.param == "ndarray":
        yield X
    elif request.param == "memmap":
        np.save(tmp_path / "x.npy", X)
        yield np.load(tmp_path / "x.npy", mmap_mode="r")
    else:
        extra = {"chunks": (7, 4, 5), "compression": "gzip"} if "chunked" in request.param else {}
        with h5py.File(tmp_path / "x.h5", "w") as file:
            yield file.create_dataset("x", data=X, **extra)


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(7, 31),
        slice(40, 2, -3),
        slice(50, None),
        np.array([9, 3, 3, 48, 0, 9]),
        np.array([-1, -50]),
        np.array([], int),
        np.arange(50) % 3 == 0,
        [4, 2],
    ],
    ids=str,
)
def test_every_storage_gives_the_same_batches(stored, index):
    x, y = from_arrays(stored, Y, shape=(4, 5, 1), bounds=(-1, 1)).batch(index)
    expected = (np.float32(-1) + np.float32(2) * X.astype(np.float32) / np.float32(255))[..., None][index]
    assert x.dtype == np.float32 and type(x) is np.ndarray and x.shape == expected.shape
    # NumPy may fuse nothing here, so the two orders of the sum are within an ulp.
    assert np.allclose(x, expected, rtol=0, atol=2e-7)
    assert np.array_equal(x, from_arrays(X, Y, shape=(4, 5, 1), bounds=(-1, 1)).batch(index)[0])
    assert y.dtype == np.int32 and np.array_equal(y, Y[index])


def test_the_hash_is_that_of_the_batch_whatever_the_storage_and_the_blocks(stored, monkeypatch):
    examples = from_arrays(stored, Y)
    x, y = examples.batch(slice(None))
    expected = hashlib.sha256(x.astype("<f4").tobytes() + y.astype("<i4").tobytes()).hexdigest()
    assert examples.sha256() == expected
    monkeypatch.setattr(pixels, "BLOCK_BYTES", 300)
    assert examples.sha256() == expected
    assert from_arrays(x, np.eye(3)[Y]).sha256() == expected


def test_the_hash_sees_every_pixel_and_label():
    changed = X.copy()
    changed[-1, -1, -1] ^= 1
    relabeled = Y.copy()
    relabeled[-1] = (Y[-1] + 1) % 3
    assert len({from_arrays(x, y).sha256() for x, y in [(X, Y), (changed, Y), (X, relabeled), (X[:-1], Y[:-1])]}) == 4


@given(st.lists(st.integers(-50, 49), max_size=30), st.data())
def test_a_view_of_a_view_is_what_numpy_gives(first, data):
    view = from_arrays(X, Y).subset(np.array(first, int))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=9)) if first else []
    x, y = view.batch(np.array(second, int))
    full = from_arrays(X, Y).batch(slice(None))[0]
    assert np.array_equal(x, full[first][second] if second else full[:0])
    assert np.array_equal(y, Y[first][second] if second else [])
    assert np.array_equal(view.labels, Y[first] if first else [])


def test_a_view_reads_nothing_and_leaves_its_parent():
    class Unread:
        shape, dtype = (9, 2), np.dtype(np.uint8)

        def __len__(self):
            return 9

        def __getitem__(self, index):
            raise AssertionError("read")

    parent = Examples(Unread(), np.arange(9))
    assert len(parent.subset(np.array([2, 1])).take(1)) == 1
    assert len(parent) == 9


def test_take():
    examples = from_arrays(X, Y)
    assert [len(examples.take(count)) for count in (1, 7, 50, 51, None)] == [1, 7, 50, 50, 50]
    assert np.array_equal(examples.take(7).batch(slice(None))[0], examples.batch(slice(7))[0])


@pytest.mark.parametrize("count", [0, -1])
def test_take_wants_one_or_more(count, refusal):
    words = f"Expected to take 1 example or more; got {count}."
    assert refusal(SettingError, from_arrays(X, Y).take, count) == words


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (np.array([0, 50]), "Expected an index below 50; got 0 to 50 for arrays."),
        (np.array([-51]), "Expected an index below 50; got -51 to -51 for arrays."),
        (np.array([0.5]), "got float64 of shape (1,)."),
        (np.zeros(49, bool), "Expected an index of whole numbers (n,) or a mask (50,); got bool of shape (49,)."),
        (np.zeros((2, 2), int), "got int64 of shape (2, 2)."),
    ],
)
def test_a_bad_index_is_refused(index, words, refusal):
    assert words in refusal(DataError, from_arrays(X, Y).batch, index)
    assert words in refusal(DataError, from_arrays(X, Y).subset, index)


def test_lengths_must_agree(refusal):
    words = "Expected as many labels as series; got 50 series and 49 labels in arrays."
    assert refusal(DataError, from_arrays, X, Y[:-1]) == words


def test_check_passes_good_data_and_refuses_none(stored, refusal):
    examples = from_arrays(stored, Y)
    examples.check()
    words = "Expected at least one example; got none in arrays."
    assert refusal(DataError, examples.subset(np.array([], int)).check) == words


def test_check_speaks_of_the_whole(monkeypatch, refusal):
    monkeypatch.setattr(pixels, "BLOCK_BYTES", 16)
    x = np.linspace(-2, 9, 40).reshape(10, 4)
    assert "got values from -2 to 9 in arrays" in refusal(DataError, from_arrays(x, np.zeros(10)).check)
    x[7, 2] = np.nan
    examples = from_arrays(x, np.zeros(10))
    assert "got nan in row 7 of arrays." in refusal(DataError, examples.check)
    assert "got nan in row 7 of arrays." in refusal(DataError, examples.subset(np.array([7, 8])).check)


def test_check_looks_at_a_view_only():
    x = np.full((4, 2), 0.5)
    x[3] = 9
    from_arrays(x, np.zeros(4)).take(3).check()


def test_check_doubts_labels_that_were_changed(refusal):
    examples = from_arrays(X, Y)
    examples.num_classes = 2
    assert refusal(DataError, examples.check) == "Expected labels from 0 to 1; got labels from 0 to 2 in arrays."


@pytest.mark.parametrize(
    ("x", "y", "settings", "words"),
    [
        (X, Y, {"shape": (4, 5, 1), "name": "sample test"}, "sample test: 50 images 4x5x1, 3 classes, "),
        (X, Y, {}, "arrays: 50 series 4x5, 3 classes, values 0..255 scaled to [0, 1]"),
        (X > 9, Y, {"bounds": (-1, 1)}, "values 0..1 scaled to [-1, 1]"),
        (X.astype(np.uint16) * 250, Y, {}, "values 0..65535 scaled to [0, 1]"),
        (X.astype(np.uint16), Y, {}, "values 0..255 scaled to [0, 1]"),
        (X > 9, Y, {}, "values 0..1 scaled to [0, 1]"),
        ((X > 9).astype(int), Y, {}, "values within [0, 1]"),
        (np.zeros((1, 4)), [0], {}, "arrays: 1 row of 4 features, 1 class, features within [0, 1]"),
        (np.zeros((2000, 1), "u1"), np.zeros(2000), {}, "arrays: 2,000 rows of 1 features, 1 class, features within"),
    ],
)
def test_describe(x, y, settings, words):
    examples = from_arrays(x, y, **settings)
    assert words in examples.describe()
    assert repr(examples) == f"<Examples: {examples.describe()}>"


def test_the_facts_are_as_asked():
    examples = from_arrays(X, Y, name="it", shape=(20,), num_classes=7, bounds=(0, 2))
    assert (examples.name, examples.shape, examples.num_classes, examples.bounds) == ("it", (20,), 7, (0.0, 2.0))
    assert len(examples) == 50
