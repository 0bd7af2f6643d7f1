import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from turtlenet.data import from_arrays, pixels
from turtlenet.errors import DataError, SettingError

UNIT = (0.0, 1.0)


def read(x, **settings):
    x = np.asarray(x)
    return from_arrays(x, np.zeros(len(x), int), name="it", **settings).batch(slice(None))[0]


@pytest.mark.parametrize(
    ("dtype", "peak"),
    [("?", 1), ("u1", 255), (">u2", 65535), ("u2", 65535), ("i2", 255), ("i4", 255), (">i8", 255), ("u8", 255)],
)
def test_integer_pixels_are_scaled_by_their_peak(dtype, peak):
    x = np.array([[0, 1], [peak, 0]], dtype).reshape(2, 1, 2).repeat(2, axis=1)
    assert read(x)[:, 0].tolist() == [[0, np.float32(1) / np.float32(peak)], [1, 0]]
    assert read(x, bounds=(-1, 1))[1, 0].tolist() == [1, -1]


def test_bytes_in_byte_bounds_stay_whole():
    x = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    assert np.array_equal(read(x, bounds=(0, 255)), x)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", ">u2", "i8", "f4"])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 3, 1), (1, 2, 3)])
def test_zeros_and_ones_mean_the_same_in_any_type(dtype, shape):
    x = np.random.default_rng(0).integers(0, 2, (9, *shape))
    assert np.array_equal(read(x.astype(dtype)), x)


@pytest.mark.parametrize(
    ("x", "bounds"),
    [([[0], [12]], (0, 12)), ([[-3], [2]], (-3, 3)), ([[[0, 1], [16, 3]]], (0, 16)), ([[-1], [1]], (-1, 1))],
)
def test_integers_within_the_bounds_are_taken_as_they_are(x, bounds):
    assert np.array_equal(read(x, bounds=bounds), x)


def test_dark_images_are_scaled_to_bounds_that_begin_below_zero():
    x = np.full((1, 2, 2), 51, np.uint8)
    assert np.allclose(read(x, bounds=(-100, 100)), -60)


def test_flat_images_are_scaled_as_images_are():
    x = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.uint8)
    assert np.array_equal(read(x.reshape(5, 784)), read(x).reshape(5, 784))
    # Where either the data or the model tell that these are pixels, flat or not.
    assert np.array_equal(read(x[:, :5, :5], shape=(25,)), read(x[:, :5, :5]).reshape(5, 25))
    assert np.array_equal(read(x[:, :5, :5].reshape(5, 25), shape=(5, 5, 1))[..., 0], read(x[:, :5, :5]))


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int64])
def test_eight_bit_pixels_in_a_wider_type(dtype):
    x = np.arange(256).reshape(1, 16, 16)
    assert np.array_equal(read(x.astype(dtype)), read(x.astype(np.uint8)))


@pytest.mark.parametrize(
    ("x", "bounds", "words"),
    [
        (
            np.array([[0, 3], [12, 1]]),
            UNIT,
            "Expected features within [0, 1]; got integer values from 0 to 12 in it, which are no image's pixels: "
            "give floats within [0, 1], or pass --bounds 0,12 if the model takes them as they are.",
        ),
        (np.full((2, 60), 200, np.uint8), UNIT, "got integer values from 200 to 200 in it, which are no image's"),
        (np.arange(128).reshape(2, 64) % 17, UNIT, "pass --bounds 0,16 if the model takes them as they are"),
        (
            np.array([[[0, 1], [1, 1]]], np.uint8),
            (-0.5, 0.5),
            "Expected pixels within [-0.5, 0.5]; got integers that are all 0 or 1 in it: give floats within",
        ),
        (np.full((1, 2, 2), 100, np.int8), UNIT, "Expected uint8 pixels from 0 to 255; got int8 values from 100"),
    ],
)
def test_no_meaning_of_integers_is_guessed(x, bounds, words, refusal):
    examples = from_arrays(x, np.zeros(len(x)), name="it", bounds=bounds)
    assert words in refusal(DataError, examples.check)
    assert words in refusal(DataError, examples.batch, slice(None))


def test_a_part_is_scaled_as_the_whole_is():
    x = np.zeros((4, 3, 3), np.uint8)
    x[3] = 255
    x[0, 0] = 1
    part = from_arrays(x, [0, 1, 2, 3]).subset(slice(2))
    assert part.batch(slice(None))[0].max() == np.float32(1) / np.float32(255)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(2, 4), st.just(2)), elements=st.integers(2, 255)),
    st.floats(-300, 300, width=32),
    st.floats(0.01, 600),
    st.integers(0, 5),
)
def test_scaling_is_within_bounds_monotone_and_independent_of_the_slice(x, low, width, start):
    examples = from_arrays(x, np.zeros(len(x)), bounds=(low, low + width))
    whole, _ = examples.batch(slice(None))
    assert whole.dtype == np.float32
    assert whole.min() >= np.float32(low) and whole.max() <= np.float32(low + width)
    order = np.argsort(x, axis=None, kind="stable")
    assert (np.diff(whole.reshape(-1)[order]) >= 0).all()
    assert np.array_equal(examples.batch(slice(start, None))[0], whole[start:])
    # Half an ulp for each of three steps, at the size of the bounds; bytes that lie within them stay as they are.
    exact = x if 0 <= low <= x.min() and x.max() <= low + width else low + width * (x / 255)
    assert np.abs(whole - exact).max() <= 4 * np.spacing(np.float32(max(abs(low), abs(low + width), width)))


@given(hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), (3, 2)))
def test_wild_floats_are_kept_or_refused_in_one_line(x):
    examples = from_arrays(x, [0, 1, 2])
    try:
        out, _ = examples.batch(slice(None))
    except DataError as error:
        assert "\n" not in str(error)
        assert not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1)
        with pytest.raises(DataError):
            examples.check()
    else:
        assert out.min() >= 0 and out.max() <= 1
        assert np.allclose(out, x.astype(np.float32), rtol=0, atol=2e-6)
        examples.check()


def test_rounding_beyond_the_bounds_is_clipped():
    assert read(np.array([[-5e-7, 1 + 5e-7]])).tolist() == [[0, 1]]


def test_the_bounds_that_are_told_fit_all_there_is(refusal):
    examples = from_arrays(np.array([[0.5], [2.0000004], [9.1234567], [-3.1234567]]), [0, 1, 0, 1], bounds=UNIT)
    for part in (examples.take(2), examples.take(3)):
        assert "pass --bounds -3.12346,9.12346 if" in refusal(DataError, part.check)
    same = from_arrays(np.full((2, 1), 1e300), [0, 1], bounds=UNIT)
    assert refusal(DataError, same.check).endswith("in arrays: scale the data.")


@pytest.mark.parametrize(
    ("x", "bounds", "words"),
    [
        (
            [[0.0], [255.0]],
            UNIT,
            "Expected features within [0, 1]; got values from 0 to 255 in it: "
            "pass --bounds 0,255 if the model takes them so, or scale the data.",
        ),
        ([[-1.0], [1.0]], UNIT, "got values from -1 to 1 in it: pass --bounds -1,1 "),
        ([[-3.0], [7.5]], UNIT, "got values from -3 to 7.5 in it: pass --bounds -3,7.5 "),
        ([[0.0], [1.00001]], UNIT, "got values from 0 to 1.00001 in it"),
        ([[0.5], [np.nan]], UNIT, "Expected finite features; got nan in row 1 of it."),
        ([[-np.inf], [0.5]], UNIT, "Expected finite features; got -inf in row 0 of it."),
        ([[1e300], [0.5]], UNIT, "got values from 0.5 to 1e+300 in it"),
        (
            [[[0, 0]], [[256, 0]]],
            (-1, 1),
            "Expected integer pixels from 0 to 255; got values from 0 to 256 in it: give uint8,",
        ),
        ([[-1], [3]], UNIT, "Expected integer pixels from 0 to 255; got values from -1 to 3 in it"),
    ],
)
def test_pixels_outside_the_bounds_are_refused(x, bounds, words, refusal):
    examples = from_arrays(np.array(x), [0, 1], name="it", bounds=bounds)
    assert words in refusal(DataError, examples.check)
    assert words in refusal(DataError, examples.batch, slice(None))


@pytest.mark.parametrize(
    ("own", "shape"),
    [
        ((28, 28), (28, 28, 1)),
        ((28, 28, 1), (28, 28)),
        ((784,), (28, 28, 1)),
        ((4, 4, 3), (48,)),
        ((5, 6, 3), (5, 6, 3)),
    ],
)
def test_shapes_that_fit_keep_the_order_of_values(own, shape):
    x = np.arange(2 * np.prod(own), dtype=np.uint64).reshape(2, *own).astype(np.uint8)
    out = read(x, shape=shape, bounds=(0, 255))
    assert out.shape == (2, *shape)
    assert np.array_equal(out.reshape(-1), x.reshape(-1))


@pytest.mark.parametrize(
    ("own", "shape", "words"),
    [
        ((32, 32, 3), (28, 28, 1), "Expected images of shape 28x28x1; got 32x32x3 in it."),
        ((3, 8, 8), (8, 8, 3), "Expected images of shape 8x8x3; got 3x8x8 in it."),
        ((8, 8), (8, 8, 3), "Expected images of shape 8x8x3; got 8x8 in it."),
        ((7, 112), (28, 28, 1), "Expected images of shape 28x28x1; got 7x112 in it."),
        ((783,), (28, 28, 1), "Expected images of shape 28x28x1; got 783 in it."),
    ],
)
def test_shapes_that_do_not_fit_are_refused(own, shape, words, refusal):
    assert refusal(DataError, from_arrays, np.zeros((1, *own)), [0], name="it", shape=shape) == words


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array(["a", "b"]), "Expected pixels that are integers, floats or booleans; got <U1 in it."),
        (np.array([[None]]), "got object in it."),
        (np.zeros((1, 2), complex), "got complex128 in it."),
        (np.zeros((0, 28, 28)), "Expected at least one image; got an array of shape (0, 28, 28) in it."),
        (np.zeros((3, 0)), "Expected at least one row; got an array of shape (3, 0) in it."),
        (np.zeros(3), "Expected at least one image; got an array of shape (3,) in it."),
        (np.float64(3), "Expected at least one image; got an array of shape () in it."),
        ([[1, 2], [3]], "Expected an array in it; got: "),
    ],
)
def test_what_is_no_image_is_refused(x, words, refusal):
    assert words in refusal(DataError, from_arrays, x, [0], name="it")


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((1, 0), "Expected finite bounds with low < high; got 1 and 0."),
        ((0, 0), "got 0 and 0."),
        ((0, float("inf")), "got 0 and inf."),
        ((0, float("nan")), "got 0 and nan."),
        ((0, 1, 2), "Expected bounds as two numbers (low, high); got (0, 1, 2)."),
        (None, "got None."),
    ],
)
def test_bounds_must_make_sense(bounds, words, refusal):
    assert words in refusal(SettingError, from_arrays, np.zeros((1, 2)), [0], bounds=bounds)


def test_blocks_are_bounded_and_cover_everything(monkeypatch):
    monkeypatch.setattr(pixels, "BLOCK_BYTES", 100)
    source = pixels.Pixels(np.zeros((10, 8), np.uint8), name="it", shape=None, bounds=UNIT)
    assert [(block.start, block.stop) for block in source.blocks(10)] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    wide = pixels.Pixels(np.zeros((2, 1000), np.uint8), name="it", shape=None, bounds=UNIT)
    assert len(list(wide.blocks(2))) == 2


def test_a_check_never_asks_for_more_than_a_block(monkeypatch):
    monkeypatch.setattr(pixels, "BLOCK_BYTES", 64)
    asked = []

    class Watched:
        shape, dtype = (10, 4), np.dtype(np.float32)

        def __len__(self):
            return 10

        def __getitem__(self, index):
            asked.append(len(range(10)[index]))
            return np.zeros((asked[-1], 4), np.float32)

    examples = from_arrays(Watched(), np.zeros(10))
    assert asked == []
    examples.check()
    examples.sha256()
    assert asked == [4, 4, 2] * 2


def test_scattered_rows_of_a_file_are_read_in_groups(monkeypatch, tmp_path):
    monkeypatch.setattr(pixels, "SCATTERED_ROWS", 3)
    x = np.arange(40, dtype=np.uint8).reshape(20, 2)
    with h5py.File(tmp_path / "it.h5", "w") as file:
        examples = from_arrays(file.create_dataset("x", data=x), np.zeros(20), bounds=(0, 255))
        index = np.array([19, 3, 3, 7, 0, 11, 12, 5, 19, 2])
        assert np.array_equal(examples.batch(index)[0], x[index])


def test_a_source_that_fails_while_read_is_refused(refusal):
    class Broken:
        shape, dtype = (3, 2), np.dtype(np.uint8)

        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise OSError("disk\nfell out")

    examples = from_arrays(Broken(), [0, 1, 2], name="it")
    assert refusal(DataError, examples.check) == "Expected rows that can be read in it; got: disk fell out."


def test_booleans_that_are_no_pixels_are_taken_as_they_are() -> None:
    x = np.array([[True, False, True]])
    for bounds in (UNIT, (-2, 3), (-1e30, 1e30)):
        assert read(x, bounds=bounds).tolist() == [[1, 0, 1]]
    assert (read(np.ones((1, 8, 8), bool), bounds=(0, 255)) == 255).all()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (sparse.csr_matrix(np.eye(3)), "Expected an array in it; got: a sparse matrix: give its toarray()."),
        (
            np.ma.masked_array(np.eye(3), np.eye(3) > 0),
            "Expected an array in it; got: a masked array with hidden values",
        ),
    ],
)
def test_arrays_that_hide_values_are_refused(x, words):
    with pytest.raises(DataError) as caught:
        from_arrays(x, np.zeros(3, int), name="it")
    assert words in str(caught.value)
    assert len(from_arrays(np.ma.masked_array(np.eye(3), False), np.zeros(3, int), name="it")) == 3
