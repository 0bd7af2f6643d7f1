"""No HDF5 file stalls, crashes or leaves itself: another process looks at it first."""

import os
import struct
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from tests.cli.conftest import away, cli  # noqa: F401
from turtlenet import data, models
from turtlenet.errors import DataError, ModelError
from turtlenet.files import hdf5


def endless(path):
    """A file in whose heap of texts an entry has no length: libhdf5 looks at it for ever."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
        file["x"], file["y"] = np.zeros((4, 2), "float32"), np.zeros(4, "int32")
    content = bytearray(path.read_bytes())
    place = content.index(b"GCOL") + 16
    while (entry := struct.unpack_from("<HHIQ", content, place))[0]:
        place += 16 + (entry[3] + 7) // 8 * 8
    struct.pack_into("<Q", content, place + 8, 0)
    path.write_bytes(content)
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(hdf5, "SECONDS", 0.2)


@pytest.fixture
def good(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    models.save(model, tmp_path / "good.h5")
    return tmp_path / "good.h5"


def test_a_file_that_does_not_end_is_refused_by_every_command(cli, away, good) -> None:  # noqa: F811
    endless(away / "endless.h5")
    began = time.process_time()
    for line in (
        "inspect endless.h5",
        "convert endless.h5 --out x.keras",
        "wrap endless.h5 --defence mc-dropout --out x.h5",
        "train endless.h5",
        "evaluate endless.h5",
        "attack endless.h5 --attack fgsm --out a.npz",
        "tolerance endless.h5",
        "certify endless.h5",
        "gan train endless.h5",
        "gan show endless.h5",
        "evaluate good.h5 --data endless.h5",
        "evaluate good.h5 --data good.h5 --architecture endless.h5",
        "evaluate good.h5 --attack transfer:source=endless.h5 --data mnist-sample",
    ):
        result = cli(*line.split())
        assert result.code == 2 and result.err.count("\n") == 1, line
    result = cli("inspect", "endless.h5")
    assert "endless.h5 is damaged: reading it does not end" in result.err
    assert time.process_time() - began < 30


def test_the_weights_in_an_archive_too(tmp_path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.save(tmp_path / "m.keras")
    weights = endless(tmp_path / "w.h5").read_bytes()
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "n.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, weights if name.endswith(".h5") else old.read(name))
    with pytest.raises(ModelError, match="does not end"):
        models.load(tmp_path / "n.keras")


def test_the_worker_comes_back_and_a_changed_file_is_asked_about_again(tmp_path, good) -> None:
    bad = endless(tmp_path / "bad.h5")
    for _ in range(2):
        with pytest.raises(ModelError, match="does not end"):
            hdf5.check(bad)
    assert models.load(good).count_params() == 9
    bad.write_bytes(good.read_bytes())
    hdf5.check(bad)


def test_what_this_process_wrote_and_what_is_trusted_is_not_asked_about(tmp_path, good, monkeypatch) -> None:
    bad = endless(tmp_path / "bad.h5")

    def never(path, seconds):
        raise AssertionError(path)

    monkeypatch.setattr(hdf5._worker, "ask", never)
    assert models.load(good)
    with hdf5.trusted():
        hdf5.check(bad)
    with pytest.raises(AssertionError):
        hdf5.check(bad)


def _linked(file, kind, other):
    if kind == "external link":
        file["x"] = h5py.ExternalLink(str(other), "x")
    elif kind == "soft link":
        file["x"] = h5py.SoftLink("/y")
    elif kind == "external storage":
        file.create_dataset("x", (4, 2), "float32", external=[(str(other), 0, 32)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout((4, 2), "float32")
        layout[:] = h5py.VirtualSource(str(other), "x", (4, 2))
        file.create_virtual_dataset("x", layout)
    else:
        file.create_dataset("x", (10**9, 2000), "float32", chunks=(1, 2000))


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual", "claim"])
def test_data_lie_in_their_own_file(kind, tmp_path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros((4, 2), "float32")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["y"] = np.zeros(4, "int32")
        _linked(file, kind, other)
    with pytest.raises(DataError, match="is an ExternalLink" if kind == "external link" else "itself|claims"):
        data.load(str(tmp_path / "d.h5"))


@pytest.mark.parametrize("name", ["d.h5", "d.npz"])
def test_a_pipe_is_not_waited_for(name, tmp_path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="something else"):
        data.load(str(tmp_path / name))
