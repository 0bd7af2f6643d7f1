"""Several processes on this host, and several virtual devices: the results are those of one."""

import json
from pathlib import Path

import pytest

import turtlenet
from tests.backend.cluster import apart, run
from turtlenet.evaluation import Report, save

TRAIN = ("--eps", "0.1", "--epochs", "2", "--steps-per-epoch", "8", "--validation", "64")
ATTACKS = ("--eps", "0.1", "--attack", "pgd:steps=8,restarts=2", "--limit", "200", "--curve", "0")
pytestmark = pytest.mark.xdist_group("cluster")


def evaluated(folder: Path, model: Path, name: str, **how) -> Report:
    extra = how.pop("extra", ())
    ended = run(folder, "evaluate", str(model), *ATTACKS, "--report", name, *extra, **how)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended[-1][2][-2000:]
    return save.load(folder / name)


def trained(folder: Path, model: Path, name: str, **how) -> Path:
    extra = how.pop("extra", ())
    ended = run(folder, "train", str(model), *TRAIN, "--out", name, *extra, **how)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended[-1][2][-2000:]
    assert "saved" in ended[0][1]
    # One process speaks for all.
    assert not any("saved" in out for _, out, _ in ended[1:])
    return folder / name


def findings(report: Report) -> dict:
    """What a report says, without its times."""
    data = json.loads(report.to_json())
    for key in ("seconds", "created", "versions", "pictures"):
        data.pop(key)
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
def report(shelf, alone) -> Report:
    """What one process on one device finds."""
    return evaluated(shelf, alone, "one")


def close(one: dict, other: dict) -> None:
    """Equal, but for the digits that another order of additions moves."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            close(mine, theirs)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)
    else:
        assert one == other


def test_two_processes_evaluate_as_one(shelf, alone, report) -> None:
    other = evaluated(shelf, alone, "two", processes=2)
    assert other.verdicts == report.verdicts
    close(findings(other), findings(report))


@pytest.mark.parametrize("backend", ["jax", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_two_devices_evaluate_as_one(backend, shelf, alone, report) -> None:
    other = evaluated(shelf, alone, f"devices-{backend}", backend=backend, extra=("--devices", "2"))
    assert other.verdicts == report.verdicts


def accuracies(path: Path) -> tuple[float, float]:
    """Clean and robust accuracy on many images, by this process."""
    found = turtlenet.evaluate(path, attacks=["pgd:steps=10"], eps=0.1, limit=1000, curve=0)
    return found.clean_accuracy, found.robust_accuracy


def test_two_processes_train_as_one(shelf, demo_path, alone) -> None:
    together = trained(shelf, demo_path, "together.h5", processes=2)
    assert apart(alone, together) < 1e-3


@pytest.mark.slow
def test_two_devices_train_as_one(shelf, demo_path, alone) -> None:
    both = trained(shelf, demo_path, "both.h5", extra=("--devices", "2"))
    assert apart(alone, both) < 1e-3
    mirrored = trained(shelf, demo_path, "mirrored.h5", backend="tensorflow", extra=("--devices", "2"))
    assert accuracies(mirrored) == pytest.approx(accuracies(alone), abs=0.005)


@pytest.mark.slow
def test_a_killed_cluster_continues_as_another_number_of_processes(shelf, demo_path, alone) -> None:
    state = shelf / "killed.h5.resume"
    ended = run(shelf, "train", str(demo_path), *TRAIN, "--out", "killed.h5", processes=2, until=state.exists)
    assert all(code != 0 for code, _, _ in ended) and not (shelf / "killed.h5").exists()
    after = trained(shelf, demo_path, "killed.h5", extra=("--resume",))
    assert apart(alone, after) < 1e-3
    assert not state.exists()


def test_processes_that_read_different_data_are_refused(shelf, demo_path, digits) -> None:
    import numpy as np

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
