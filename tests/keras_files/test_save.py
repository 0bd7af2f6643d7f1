"""Saving: whole files only, that plain Keras reads."""

import keras
import numpy as np
import pytest
from keras import layers

from turtlenet.errors import OutputError
from turtlenet.keras_files.save import read_provenance
from turtlenet.models import build, check_writable, load, save


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.keras"])
@pytest.mark.filterwarnings("ignore")  # Plain Keras is not quiet.
def test_plain_keras_loads_it(trained, images, tmp_path, name):
    save(trained, tmp_path / name)
    loaded = keras.saving.load_model(tmp_path / name)
    np.testing.assert_array_equal(loaded.predict(images[0], verbose=0), trained.predict(images[0], verbose=0))
    assert loaded.compiled
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_hdf5_does_not_spoil_the_next_file(trained, tmp_path):
    """Keras 3.15 drops the optimizer from the compiled state when it writes HDF5."""
    save(trained, tmp_path / "m.h5")
    save(trained, tmp_path / "m.keras")
    assert isinstance(load(tmp_path / "m.keras").optimizer, keras.optimizers.Adam)


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_midway_keeps_the_old_file(trained, tmp_path, monkeypatch, name, error):
    save(trained, tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def half(path, **_):
        path.write_bytes(b"half a file")
        raise error

    monkeypatch.setattr(trained, "save", half)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        save(trained, tmp_path / name)
    if isinstance(error, OSError):
        assert str(caught.value) == f"Expected to write the model to {tmp_path / name}; No space left on device."
    assert (tmp_path / name).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link(trained, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "latest.h5").symlink_to(tmp_path / "runs" / "1.h5")
    save(trained, tmp_path / "latest.h5")
    assert (tmp_path / "latest.h5").is_symlink()
    assert load(tmp_path / "runs" / "1.h5").count_params() == trained.count_params()


def test_the_file_is_readable_like_any_other(trained, tmp_path):
    save(trained, tmp_path / "m.h5")
    (tmp_path / "plain").touch()
    assert (tmp_path / "m.h5").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_model_that_the_format_cannot_hold(tmp_path):
    class Own(keras.Model):
        def call(self, x):
            return x

        def get_config(self):
            raise NotImplementedError("no config")

    model = Own()
    model.build((None, 4))
    with pytest.raises(OutputError, match="Expected to write the model to .*; no config"):
        save(model, tmp_path / "m.h5")
    assert not list(tmp_path.iterdir())


def test_a_large_description_fits_into_hdf5(tmp_path):
    """HDF5 keeps small attributes in a header of 64 KiB; a ResNet's description is larger."""
    model = build("resnet18", (8, 8, 1))
    save(model, tmp_path / "m.h5")
    assert len(load(tmp_path / "m.h5").layers) == len(model.layers)


@pytest.mark.parametrize("write", [check_writable, lambda path: save(keras.Sequential([layers.Dense(1)]), path)])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("m.pb", "ends in .h5, .hdf5, .keras; got"),
        ("m", "ends in .h5, .hdf5, .keras; got"),
        ("none/m.h5", "there is no"),
        ("folder.h5", "is a folder"),
        ("file/m.h5", "there is no"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, write, name, words):
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=words):
        write(tmp_path / name)


def test_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OutputError, match=rf"Expected to write to {tmp_path}; Permission denied\."):
        check_writable(tmp_path / "m.h5")


def test_check_leaves_nothing_behind(tmp_path):
    (tmp_path / "old.h5").write_text("old")
    check_writable(tmp_path / "old.h5")
    check_writable(str(tmp_path / "new.keras"))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.h5", "old")]


@pytest.mark.filterwarnings("ignore")
def test_plain_keras_loads_operations_from_hdf5(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, keras.ops.divide(keras.layers.Dense(3)(x), 2.0) + 1.0)
    save(model, tmp_path / "m.h5")
    data = np.ones((2, 4), "float32")
    expected = model.predict(data, verbose=0)
    for read in (keras.saving.load_model, load):
        np.testing.assert_array_equal(read(tmp_path / "m.h5").predict(data, verbose=0), expected)


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
@pytest.mark.filterwarnings("ignore")
def test_provenance(trained, tmp_path, name):
    save(trained, tmp_path / name, {"source": {"name": "a.h5"}})
    found = read_provenance(tmp_path / name)
    assert found["source"] == {"name": "a.h5"} and found["keras"] == keras.version()
    keras.saving.load_model(tmp_path / name)
    trained.save(tmp_path / f"plain-{name}")
    assert read_provenance(tmp_path / f"plain-{name}") is None
