import gc
import random

import h5py
import numpy as np
import pytest

from turtlenet.data import from_arrays, load
from turtlenet.data.readers import files
from turtlenet.errors import DataError

RANDOM = np.random.RandomState(5)
ARRAYS = {
    "x_train": RANDOM.randint(0, 256, (30, 4, 4)).astype(np.uint8),
    "y_train": np.arange(30) % 3,
    "x_test": RANDOM.randint(0, 256, (12, 4, 4)).astype(np.uint8),
    "y_test": np.arange(12) % 3,
}


def write(folder, kind, arrays):
    path = folder / f"set{kind}"
    if kind == ".npz":
        np.savez_compressed(path, **arrays)
    elif kind:
        with h5py.File(path, "w") as file:
            for key, value in arrays.items():
                file[key] = value
    else:
        path.mkdir()
        for key, value in arrays.items():
            np.save(path / f"{key}.npy", value)
    return path


@pytest.fixture(params=[".npz", ".h5", ".hdf5", ""])
def kind(request):
    return request.param


def test_every_kind_of_file_gives_the_same_data(kind, tmp_path):
    data = load(write(tmp_path, kind, ARRAYS), shape=(4, 4, 1), num_classes=3)
    gc.collect()
    x, y = data.test.batch(np.array([5, 1, 1]))
    assert np.array_equal(x[..., 0], ARRAYS["x_test"][[5, 1, 1]].astype(np.float32) / np.float32(255))
    assert y.tolist() == [2, 1, 1]
    assert data.train.sha256() == from_arrays(ARRAYS["x_train"], ARRAYS["y_train"]).sha256()
    assert data.whole is None and len(data.train) == 30


def test_x_and_y_alone_are_split(kind, tmp_path):
    path = write(tmp_path, kind, {"x": ARRAYS["x_train"], "y": np.eye(3)[ARRAYS["y_train"]], "more": np.zeros(2)})
    data = load(path)
    assert (len(data.whole), len(data.train), len(data.test)) == (30, 25, 5)
    assert data.whole.num_classes == 3


def test_pixels_of_h5_and_npy_stay_on_disk(tmp_path):
    assert isinstance(load(write(tmp_path, ".h5", ARRAYS)).train._pixels._x, h5py.Dataset)
    assert isinstance(load(write(tmp_path, "", ARRAYS)).train._pixels._x, np.memmap)


def test_large_arrays_of_a_npz_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAPPED", 500)
    path = tmp_path / "plain.npz"
    columns = {**ARRAYS, "x_test": np.asfortranarray(ARRAYS["x_test"])}
    np.savez(path, **columns)
    found = files.read_arrays(path)
    assert {key for key, value in found.items() if isinstance(value, np.memmap)} == {"x_train"}
    monkeypatch.setattr(files, "MAPPED", 1)
    found = files.read_arrays(path)
    assert all(isinstance(value, np.memmap) and not value.flags.writeable for value in found.values())
    assert all(np.array_equal(found[key], value) for key, value in columns.items())
    expected = ARRAYS["x_train"][[7, 2]].astype("float32") / np.float32(255)
    np.testing.assert_array_equal(load(path).train.batch(np.array([7, 2]))[0], expected)
    np.savez_compressed(path, **ARRAYS)
    assert not any(isinstance(value, np.memmap) for value in files.read_arrays(path).values())


def test_unknown_arrays_are_named(kind, tmp_path, refusal):
    path = write(tmp_path, kind, {"images": np.zeros(3), "labels": np.zeros(3)})
    assert refusal(DataError, load, path) == (
        f"Expected arrays x_train, y_train, x_test and y_test, or x and y, in {path}; got images, labels."
    )


def test_half_a_pair_is_refused(kind, tmp_path, refusal):
    path = write(tmp_path, kind, {"x_train": ARRAYS["x_train"]})
    assert refusal(DataError, load, path) == f"Expected y_train beside x_train in {path}; got no y_train."


class Trap:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return (pytest.fail, ("code from a data file ran",))


@pytest.mark.parametrize(
    ("kind", "words"), [(".npz", "Object arrays cannot be loaded"), ("", "Array can't be memory")]
)
def test_pickled_arrays_are_refused_and_not_run(kind, words, tmp_path, refusal):
    path = write(tmp_path, kind, {"x": np.array([Trap(), Trap()]), "y": np.array([0, 1])})
    assert refusal(DataError, load, path).startswith(f"Expected arrays that can be read in {path}; got: {words}")


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive\n" * 9, b"\x80\x04\x95"])
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_what_is_no_archive_is_refused(suffix, content, tmp_path, refusal):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    assert refusal(DataError, load, path).startswith(f"Expected arrays that can be read in {path}; got: ")


def test_a_single_array_is_no_archive(tmp_path, refusal):
    np.save(tmp_path / "x.npy", ARRAYS["x_test"])
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    path = tmp_path / "x.npz"
    assert refusal(DataError, load, path) == f"Expected a .npz archive in {path}; got a single array."


def test_a_group_is_no_array(tmp_path, refusal):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file.create_group("x")
    assert refusal(DataError, load, path) == f"Expected an array x in {path}; got a group."


def test_other_suffixes_are_refused(tmp_path, refusal):
    path = tmp_path / "set.mat"
    path.touch()
    said = refusal(DataError, load, path)
    words = "Expected a .npz, .h5 or .hdf5 file, a table (.csv, .tsv, .parquet, .pq), or a folder; got "
    assert said.startswith(f"{words}{path}: this is an empty file")


@pytest.mark.parametrize("damage", ["cut", "flip"])
@pytest.mark.parametrize("kind", [".npz", ".h5"])
def test_a_damaged_file_is_refused_in_one_line_or_still_fits(kind, damage, tmp_path):
    good = write(tmp_path, kind, ARRAYS).read_bytes()
    dice = random.Random(0)
    refused = 0
    for turn in range(60):
        bad = bytearray(good)
        place = dice.randrange(len(good))
        if damage == "cut":
            bad = bad[:place]
        else:
            bad[place] ^= 0xFF
        path = tmp_path / f"{turn}{kind}"
        path.write_bytes(bad)
        try:
            data = load(path)
            for part in filter(None, (data.train, data.test)):
                part.check()
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20 if damage == "cut" else refused > 5


def test_a_cut_npy_is_refused(tmp_path, refusal):
    path = write(tmp_path, "", ARRAYS)
    whole = (path / "x_test.npy").read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        (path / "x_test.npy").write_bytes(whole[:length])
        assert refusal(DataError, load, path).startswith(f"Expected arrays that can be read in {path}; got: ")
