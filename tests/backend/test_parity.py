"""The same seed on both backends: the same draws, the same training, the same verdicts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tests.conftest import ROOT
from turtlenet import random

HERE = keras.backend.backend()
BOTH = ("tensorflow", "jax")
OTHER = next(name for name in BOTH if name != HERE)

TRAIN = ("--attack", "pgd:steps=5", "--eps", "0.1", "--epochs", "1", "--steps-per-epoch", "15", "--batch-size", "64")
MORE = ("--validation", "0", "--optimizer", "sgd", "--learning-rate", "0.005", "--seed", "3")
# Where the natural model resists about a half, so that a verdict can turn either way.
EVALUATE = ("--attack", "fgsm", "--attack", "pgd:steps=10", "--eps", "0.1", "--limit", "200", "--curve", "0")

DRAWS = """
import sys
import numpy as np
from turtlenet import random
keys = random.fold_in(random.keys(2**33 + 7, np.arange(40)), 5)
np.savez(
    sys.argv[1],
    bits=random.bits(keys, (30,)),
    uniform=random.uniform(keys, (30,), -0.3, 0.3),
    rademacher=random.rademacher(keys, (30,)),
    normal=random.normal(keys, (30,)),
)
"""


def run(backend: str, *args: object) -> "subprocess.Popen[str]":
    """Python on a backend, in a process of its own."""
    env = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, args)]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(*processes: "subprocess.Popen[str]") -> None:
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-2000:]


@pytest.fixture(scope="module")
def hardened(tmp_path_factory, demo_path) -> dict[str, Path]:
    """The demo's model after some adversarial steps on each backend."""
    folder = tmp_path_factory.mktemp("parity")
    files = {name: folder / f"{name}.h5" for name in BOTH}
    command = ("-m", "turtlenet", "train", demo_path, *TRAIN, *MORE, "--out")
    finish(*(run(name, *command, path) for name, path in files.items()))
    return files


@pytest.fixture(scope="module")
def reports(hardened, demo_path, tmp_path_factory) -> dict[str, list[dict]]:
    """What each backend says of the demo's model and of the one that JAX hardened."""
    folders = {name: tmp_path_factory.mktemp(name) for name in BOTH}
    command = ("-m", "turtlenet", "evaluate", demo_path, hardened["jax"], *EVALUATE, "--report")
    finish(*(run(name, *command, folder) for name, folder in folders.items()))
    return {name: json.loads((folder / "report.json").read_text())["reports"] for name, folder in folders.items()}


def arrays(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file["model_weights"].visititems(
            lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


def test_draws_are_the_same_bits(tmp_path) -> None:
    finish(run(OTHER, "-c", DRAWS, tmp_path / "draws.npz"))
    theirs = np.load(tmp_path / "draws.npz")
    keys = random.fold_in(random.keys(2**33 + 7, np.arange(40)), 5)
    mine = {
        "bits": random.bits(keys, (30,)),
        "uniform": random.uniform(keys, (30,), -0.3, 0.3),
        "rademacher": random.rademacher(keys, (30,)),
        "normal": random.normal(keys, (30,)),
    }
    for name in ("bits", "uniform", "rademacher"):
        assert np.array_equal(np.asarray(mine[name]), theirs[name]), name
    # The last bit of a logarithm or a cosine belongs to the framework.
    np.testing.assert_allclose(mine["normal"], theirs["normal"], rtol=1e-5, atol=1e-6)


def test_training_goes_the_same_way(hardened, demo_path) -> None:
    one, other, before = (arrays(path) for path in (hardened["jax"], hardened["tensorflow"], demo_path))
    assert one.keys() == other.keys() == before.keys()
    for name, value in one.items():
        moved = np.abs(value - before[name]).max()
        assert np.abs(value - other[name]).max() < 0.01 * moved, name


@pytest.mark.parametrize("model", [0, 1])
def test_accuracies_agree_within_half_a_point(reports, model) -> None:
    one, other = (reports[name][model] for name in BOTH)
    assert one["versions"] != other["versions"], "two backends were at work"
    assert 0.05 < one["robust_accuracy"] < one["clean_accuracy"] - 0.05, "the test has to be able to fail"
    assert abs(one["clean_accuracy"] - other["clean_accuracy"]) <= 0.005 + 1e-9
    assert abs(one["robust_accuracy"] - other["robust_accuracy"]) <= 0.005 + 1e-9
    for mine, theirs in zip(one["attacks"], other["attacks"], strict=True):
        assert abs(mine["accuracy"] - theirs["accuracy"]) <= 0.005 + 1e-9, mine["name"]


@pytest.mark.parametrize("model", [0, 1])
def test_verdicts_agree_image_by_image(reports, model) -> None:
    one, other = (reports[name][model]["verdicts"] for name in BOTH)
    assert one["label"] == other["label"]
    assert one["clean_prediction"] == other["clean_prediction"]
    # Rounding turns the sign of a slope next to 0, and with it, rarely, what becomes of an image.
    assert np.mean(np.array(one["robust"]) != np.array(other["robust"])) <= 0.005
