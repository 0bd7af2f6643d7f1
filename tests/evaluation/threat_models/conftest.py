"""A small keyed model as `turtlenet train` leaves it, and the data that it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.cli.conftest import away, cli  # noqa: F401
from turtlenet.defences import keys, write_key
from turtlenet.models import save
from turtlenet.workflows import train


@dataclass(frozen=True)
class Keyed:
    """Files of a model, its key and its data."""

    model: Path
    key: Path
    data: Path


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    prototypes = np.random.default_rng(0).uniform(size=(4, 8, 8, 1))
    y = np.arange(count) % 4
    x = 0.5 * prototypes[y] + 0.5 * np.random.default_rng(seed).uniform(size=(count, 8, 8, 1))
    return x.astype("float32"), y


def network() -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    folder = tmp_path_factory.mktemp("keyed")
    files = Keyed(folder / "keyed.h5", folder / "secret.key", folder / "data.npz")
    (x, y), (x_test, y_test) = drawn(240, 1), drawn(60, 2)
    np.savez(files.data, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    write_key(files.key, 320)
    model, run = train.harden_model(
        network(),
        files.data,
        objective="natural",
        defences=[f"permutation:key={files.key}"],
        epochs=6,
        batch_size=16,
        learning_rate=0.02,
        validation=0,
        tell=lambda line: None,
    )
    save(model, files.model, {"recipe": run.recipe})
    return files


@pytest.fixture
def keyed(trained: Keyed, monkeypatch: pytest.MonkeyPatch) -> Keyed:
    """Its owner's files, with the key at hand and none that another test used."""
    monkeypatch.setattr(keys, "_ring", {})
    monkeypatch.setenv("TURTLENET_KEY_FILE", str(trained.key))
    return trained
