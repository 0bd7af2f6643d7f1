"""A disk that is full ends a save in one line, nothing else is said, and the old file stays."""

import resource
from contextlib import contextmanager

import keras
import numpy as np
import pytest

from turtlenet import models
from turtlenet.errors import OutputError
from turtlenet.files import write_whole


@contextmanager
def room(size):
    """Lets no file grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def model():
    made = keras.Sequential([keras.Input((40,)), keras.layers.Dense(100), keras.layers.Dense(100)])
    made.compile("adam", "mse")
    made.optimizer.build(made.trainable_variables)
    return made


@pytest.mark.parametrize("size", [0, 1000, 9000, 30_000, 70_000])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_model(suffix, size, model, tmp_path, capfd) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"as it was")
    with room(size), pytest.raises(OutputError) as caught:
        models.save(model, path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert path.read_bytes() == b"as it was" and list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")
    models.save(model, path)
    assert models.load(path).count_params() == model.count_params()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_model_that_is_tried_before_training(suffix, model, tmp_path, capfd) -> None:
    with room(30_000), pytest.raises(OutputError, match="Expected to write the model to .*; File too large") as caught:
        models.check_writable(tmp_path / f"m{suffix}", model)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_arrays(tmp_path, capfd) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"as it was")
    with room(5000), pytest.raises(OutputError, match="File too large"):
        write_whole(path, lambda file: np.savez(file, x=np.ones(9000), y=np.ones(9)))
    assert path.read_bytes() == b"as it was" and list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")
