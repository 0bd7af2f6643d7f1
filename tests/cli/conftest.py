"""A small model, its data and its flawed twins as files; the command line in this process and in one of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from tests.conftest import ROOT
from turtlenet import models
from turtlenet.cli import main

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the suite in the background ignores the key for all that come after it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

PARTS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    """That of a user who has set nothing for TensorFlow and starts far from the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def start(*args: Any, cwd: Path, code: str = "") -> "subprocess.Popen[str]":
    """The command line in a process of its own; `code` runs before it."""
    entry = ["-c", f"{code}\nfrom turtlenet.cli import main\nmain()"] if code else ["-m", "turtlenet"]
    return subprocess.Popen(
        [sys.executable, *entry, *map(str, args)],
        cwd=cwd,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: "subprocess.Popen[str]") -> Result:
    """Waits for a process, and gives what it said."""
    out, err = process.communicate(timeout=300)
    return Result(process.returncode, out, err)


def listing(folder: Path) -> dict[str, int]:
    """Every file and folder below, with its size: what a command must leave as it was."""
    return {str(path.relative_to(folder)): path.stat().st_size * path.is_file() for path in folder.rglob("*")}


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command line in this process."""

    def run(*args: Any) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        return Result(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def _network(units: int, activation: str | None, *before: keras.layers.Layer) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *before,
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation=activation),
        ]
    )


def _draw(count: int, rng: np.random.Generator, prototypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(count) % 4
    x = 0.5 * prototypes[y] + 0.5 * rng.uniform(size=(count, 8, 8, 1))
    return x.astype("float32"), y.astype("int64")


def _arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    prototypes = rng.uniform(size=(4, 8, 8, 1))
    return dict(zip(PARTS, (*_draw(240, rng, prototypes), *_draw(60, rng, prototypes)), strict=True))


def _spoiled(model: keras.Model) -> keras.Model:
    """The same with a weight that is no number, as after a training that diverged."""
    other = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[0].flat[0] = np.nan
    other.set_weights(weights)
    return other


def _write_models(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    keras.utils.set_random_seed(1)
    x, y = arrays["x_train"], arrays["y_train"]
    good = _network(4, "softmax")
    good.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    good.fit(x, y, epochs=10, verbose=0)
    models.save(good, folder / "good.h5")
    wide = _network(4, "softmax", keras.layers.Rescaling(1 / 255))
    wide.set_weights(good.get_weights())
    models.save(wide, folder / "wide.h5")
    regression = _network(1, None)
    regression.compile("adam", "mse")
    models.save(regression, folder / "regression.h5")
    models.save(_spoiled(good), folder / "nan.h5")
    frozen = _network(4, "softmax")
    frozen.trainable = False
    models.save(frozen, folder / "frozen.h5")
    whole = (folder / "good.h5").read_bytes()
    (folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "text.h5").write_text("no model\n")


def _write_data(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    def write(name: str, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
        np.savez(folder / f"{name}.npz", **{key: change(key[0], value) for key, value in arrays.items()})

    def holed(kind: str, value: np.ndarray) -> np.ndarray:
        return np.where(np.arange(value.size).reshape(value.shape) == 200, np.nan, value) if kind == "x" else value

    write("data", lambda kind, value: value)
    write("bytes", lambda kind, value: (value * 255).round().astype("uint8") if kind == "x" else value)
    write("wide", lambda kind, value: value * 255 if kind == "x" else value)
    write("narrow", lambda kind, value: value[:, :6] if kind == "x" else value)
    write("many", lambda kind, value: np.eye(7)[value] if kind == "y" else value)
    write("high", lambda kind, value: value + 3 if kind == "y" else value)
    write("negative", lambda kind, value: value - 1 if kind == "y" else value)
    write("nan", holed)
    write("outside", lambda kind, value: value * 2 if kind == "x" else value)
    write("empty", lambda kind, value: value[:0])
    np.savez(folder / "other-keys.npz", images=arrays["x_test"], labels=arrays["y_test"])
    np.savez(folder / "test-only.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    (folder / "text.npz").write_text("no arrays\n")
    with h5py.File(folder / "data.hdf5", "w") as file:
        for key, value in arrays.items():
            file[key] = value
    (folder / "mapped").mkdir()
    for key, value in arrays.items():
        np.save(folder / "mapped" / f"{key}.npy", value)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good and bad files; nothing may write in it."""
    folder = tmp_path_factory.mktemp("shelf")
    arrays = _arrays()
    _write_models(folder, arrays)
    _write_data(folder, arrays)
    (folder / "mine.toml").write_text('title = "Mine"\nattacks = ["noise", "fgsm"]\neps = 0.1\n')
    (folder / "broken.toml").write_text("attacks = [\n")
    (folder / "deep.toml").write_text("a = " + "[" * 100_000)
    (folder / "nul.toml").write_text('[evaluate]\nreport = "a\\u0000b"\n')
    (folder / "misspelled.toml").write_text('attcks = ["fgsm"]\n')
    (folder / "file").write_text("a file\n")
    (folder / "mine.csv").write_text("a,label\n0.5,1\n")
    for name in ("folder", "folder.h5", "folder.npz"):
        (folder / name).mkdir()
    return folder
