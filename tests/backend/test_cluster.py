"""Several processes on this host, and several virtual devices: the results are those of one."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import turtlenet
from tests.backend.cluster import apart, run
from turtlenet.evaluation import Report
from turtlenet.evaluation.results import load

# Steps that do not multiply what is rounded: see `tests.backend.parity.trained`.
STEADY = ("--attack", "pgd:steps=3,loss=margin", "--norm", "l2", "--optimizer", "sgd", "--learning-rate", "0.005")
TRAIN = (*STEADY, "--eps", "1", "--epochs", "2", "--steps-per-epoch", "4", "--validation", "64")
ATTACKS = ("--eps", "0.1", "--attack", "pgd:steps=4", "--limit", "200", "--curve", "0")
pytestmark = pytest.mark.xdist_group("cluster")


def evaluated(folder: Path, model: Path, name: str, **how) -> Report:
    extra = how.pop("extra", ())
    ended = run(folder, "evaluate", str(model), *ATTACKS, "--report", name, *extra, **how)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended[-1][2][-2000:]
    return load.load(folder / name)


def trained(folder: Path, model: Path, name: str, **how) -> Path:
    extra = how.pop("extra", ())
    ended = run(folder, "train", str(model), *TRAIN, "--out", name, *extra, **how)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended[-1][2][-2000:]
    assert "saved" in ended[0][1]
    # One process speaks for all.
    assert not any("saved" in out for _, out, _ in ended[1:])
    return folder / name


def findings(report: Report) -> dict:
    """What a report says, without its times and the single images."""
    data = json.loads(report.to_json())
    for key in ("seconds", "created", "versions", "pictures", "verdicts"):
        data.pop(key)
    data["doubts"] = [doubt["code"] for doubt in data["doubts"]]
    for row in data["attacks"]:
        row.pop("seconds")
    return data


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def alone(shelf, demo_path) -> Path:
    """The demo's model after a few steps of one process on one device."""
    return trained(shelf, demo_path, "alone.h5")


@pytest.fixture(scope="module")
def report(shelf, demo_path) -> Report:
    """What one process on one device finds."""
    return evaluated(shelf, demo_path, "one")


def alike(one: Report, other: Report) -> None:
    """The same verdicts, but for an image or two.

    Kernels for other batch sizes round otherwise, which turns the sign of a slope next to 0, and with it, rarely, what
    becomes of an image.
    """
    assert one.verdicts["label"] == other.verdicts["label"]
    assert np.sum(np.array(one.verdicts["robust"]) != np.array(other.verdicts["robust"])) <= 2


def close(one: dict, other: dict) -> None:
    """Equal, but for what an image or two with another verdict change in a mean of 200."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            close(mine, theirs)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=0.02, abs=0.02)
    else:
        assert one == other


@pytest.mark.slow
def test_two_processes_evaluate_as_one(shelf, demo_path, report) -> None:
    other = evaluated(shelf, demo_path, "two", processes=2)
    alike(other, report)
    close(findings(other), findings(report))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_two_devices_evaluate_as_one(backend, shelf, demo_path, report) -> None:
    other = evaluated(shelf, demo_path, f"devices-{backend}", backend=backend, extra=("--devices", "2"))
    alike(other, report)


def same(one: Path, other: Path, start: Path) -> bool:
    """Whether two runs of training went the same way: they are far nearer to each other than to their start."""
    return apart(one, other) < 0.05 * apart(one, start)


def accuracies(path: Path) -> tuple[float, float]:
    """Clean and robust accuracy on many images, by this process."""
    found = turtlenet.evaluate(path, attacks=["pgd:steps=10"], eps=0.1, limit=1000, curve=0)
    return found.clean_accuracy, found.robust_accuracy


@pytest.mark.slow
def test_two_processes_train_as_one(shelf, demo_path, alone) -> None:
    together = trained(shelf, demo_path, "together.h5", processes=2)
    assert same(alone, together, demo_path)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_two_processes_of_torch_train_and_evaluate_as_one(shelf, demo_path, alone, report) -> None:
    together = trained(shelf, demo_path, "together-torch.h5", backend="torch", processes=2)
    assert same(alone, together, demo_path)
    alike(evaluated(shelf, demo_path, "two-torch", backend="torch", processes=2), report)


@pytest.mark.slow
def test_two_devices_train_as_one(shelf, demo_path, alone) -> None:
    both = trained(shelf, demo_path, "both.h5", extra=("--devices", "2"))
    assert same(alone, both, demo_path)
    mirrored = trained(shelf, demo_path, "mirrored.h5", backend="tensorflow", extra=("--devices", "2"))
    assert accuracies(mirrored) == pytest.approx(accuracies(alone), abs=0.005)


@pytest.mark.slow
def test_a_killed_cluster_continues_as_another_number_of_processes(shelf, demo_path, alone) -> None:
    state = shelf / "killed.h5.resume"
    ended = run(shelf, "train", str(demo_path), *TRAIN, "--out", "killed.h5", processes=2, until=state.exists)
    assert all(code != 0 for code, _, _ in ended) and not (shelf / "killed.h5").exists()
    after = trained(shelf, demo_path, "killed.h5", extra=("--resume",))
    assert same(alone, after, demo_path)
    assert not state.exists()


@pytest.mark.slow
def test_processes_that_read_different_data_are_refused(shelf, demo_path, digits) -> None:
    x, y = digits.test.batch(slice(0, 40))
    for number in range(2):
        folder = shelf / f"host{number}"
        folder.mkdir()
        np.savez(folder / "mine.npz", x=x[number:], y=y[number:])
    # Each process runs in a folder of its own, where the same name is another file.
    ended = run(
        shelf, "evaluate", str(demo_path), "--data", "mine.npz", "--attack", "fgsm", processes=2, folders="host{}"
    )
    for code, _, errors in ended:
        assert code == 2
        assert "Expected the same data in every process; process 1 has another than 0." in errors


def test_what_a_cluster_lacks_is_one_line(tmp_path, demo_path) -> None:
    ((code, _, errors),) = run(tmp_path, "evaluate", str(demo_path), "--cluster")
    assert code == 2
    assert errors.endswith(
        "turtlenet: Expected KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES in the environment "
        "for a cluster; see docs/scale.md.\n"
    )
