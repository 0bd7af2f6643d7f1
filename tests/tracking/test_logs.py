"""Logs of runs: a run goes on whatever becomes of them, and what was logged can be read back."""

import importlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet.errors import SettingError, SpecError
from turtlenet.tracking import Log, Logs, Tracker, opened, trackers

VALUES = {"seed": 0, "objective": {"attack": {"steps": 3}}, "nothing": None}


@dataclass(frozen=True, kw_only=True)
class Memory(Tracker):
    """Keeps what it is given."""

    runs: ClassVar[list["Kept"]] = []
    breaks: str = ""

    @property
    def place(self) -> str:
        return "memory"

    def open(self, name: str) -> Log:
        if self.breaks == "open":
            raise ConnectionError("nobody\nis there")
        self.runs.append(Kept(name, self.breaks))
        return self.runs[-1]


class Kept(Log):
    def __init__(self, name: str, breaks: str):
        self.name, self.breaks = name, breaks
        self.values: dict[str, object] = {}
        self.curves: list[tuple[int, dict[str, float]]] = []
        self.kept: list[str] = []
        self.ended = ""

    def parameters(self, values):
        self.values.update(values)

    def numbers(self, values, step):
        if self.breaks == "numbers":
            raise ConnectionError("gone")
        self.curves.append((step, dict(values)))

    def file(self, path, folder=""):
        assert path.exists()
        self.kept.append(f"{folder}/{path.name}")

    def close(self, how):
        self.ended = how


@pytest.fixture
def runs():
    Memory.runs.clear()
    return Memory.runs


def test_what_is_given_is_logged(runs) -> None:
    with opened([Memory()], "train x") as logs:
        logs.parameters(VALUES)
        logs.numbers({"loss": np.float32(0.5), "none": None, "bad": float("nan")}, 3)
        logs.numbers({"bad": float("inf")}, 4)
        logs.files({"report.json": b"{}", "small/report.md": b"# a"}, "report")
        with opened([logs], "within") as same:
            assert same is logs
        assert runs[0].ended == ""
    (run,) = runs
    assert run.values == {"seed": 0, "objective.attack.steps": 3}
    assert run.curves == [(3, {"loss": 0.5})]
    assert (run.kept, run.ended) == (["report/report.json", "report/small/report.md"], "finished")


@pytest.mark.parametrize(("error", "how"), [(ValueError, "failed"), (KeyboardInterrupt, "killed")])
def test_a_run_that_ends_badly_is_said_to(error, how, runs) -> None:
    with pytest.raises(error), opened([Memory()], "x"):
        raise error
    assert runs[0].ended == how


def test_a_log_that_fails_is_told_once_and_the_others_go_on(runs) -> None:
    told: list[str] = []
    with opened([Memory(breaks="open")], "x", told.append) as logs:
        assert not logs
        logs.numbers({"loss": 1.0}, 1)
    assert told == ["! memory does not take the log: nobody is there -> The run goes on without it."]
    told.clear()
    with opened([Memory(breaks="numbers")], "x", told.append) as logs:
        logs.numbers({"loss": 1.0}, 1)
        logs.numbers({"loss": 1.0}, 2)
    assert told == ["! memory does not take the log: gone -> The run goes on without it."]


def test_what_nobody_can_log_to_is_refused_before_the_run(monkeypatch) -> None:
    with pytest.raises(SpecError, match="Unknown tracker 'mlfow'. Did you mean 'mlflow'"):
        Logs(["mlfow"])
    with pytest.raises(SpecError, match="Unknown setting 'url' of tracker 'mlflow'. Did you mean 'uri'"):
        Logs(["mlflow:url=x"])

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    for name in trackers.names():
        with pytest.raises(SettingError) as caught:
            Logs([name])
        assert str(caught.value) == (
            f"Expected {name} to be installed for log={name}; it is not: pip install 'turtlenet[{name}]'."
        )


@pytest.fixture(scope="module")
def pictures():
    y = np.arange(64) % 4
    x = 0.5 * np.random.default_rng(0).uniform(size=(4, 8, 8, 1))[y] + 0.25
    return x.astype("float32"), y


@pytest.fixture(scope="module")
def model():
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    return keras.Sequential(layers)


def test_training_and_evaluation_are_logged(model, pictures, runs) -> None:
    how = {"epochs": 2, "batch_size": 16, "tell": lambda line: None, "eps": 0.1}
    tn.train(model, pictures, attack="fgsm", log=[Memory()], **how)
    tn.evaluate(model, pictures, attacks=["fgsm"], eps=0.1, curve=0, log=Memory(), tell=lambda line: None)
    trained, evaluated = runs
    assert (trained.ended, trained.kept) == ("finished", ["model/hardened.h5"])
    assert (trained.values["epochs"], trained.values["objective.attack.name"]) == (2, "fgsm")
    steps = [step for step, values in trained.curves if "loss" in values]
    assert steps == sorted(set(steps)) and steps[-1] == 2 * (58 // 16)
    ends = [values for _, values in trained.curves if "epoch" in values]
    assert [values["epoch"] for values in ends] == [1, 2] and "val_robust_accuracy" in ends[0]
    assert "best_robust_accuracy" in trained.curves[-1][1]
    assert (evaluated.name, evaluated.ended) == (f"evaluate {model.name}", "finished")
    assert {"report/report.json", "report/report.html"} <= set(evaluated.kept)
    assert {"clean_accuracy", "robust_accuracy", "accuracy/fgsm"} <= set(evaluated.curves[0][1])
    assert evaluated.values["attacks"] == ["fgsm"] and "tell" not in evaluated.values


def _log(places: list[str], told: list[str]) -> None:
    with opened(places, "train model.h5", told.append) as logs:
        logs.parameters(VALUES | {f"many {number}": number for number in range(150)})
        for step in (1, 2):
            logs.numbers({"loss": 1 / step, "accuracy/pgd:steps=5": 0.5}, step)
        logs.files({"report.md": b"# Found", "model/h.h5": b"weights"}, "report")


def _read_back(client, download) -> None:
    """What MLflow says of the one run that `_log` logged."""
    experiment = client.get_experiment_by_name("turtlenet")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "train model.h5")
    assert run.data.params["objective.attack.steps"] == "3" and len(run.data.params) == 152
    curve = client.get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in curve] == [(1, 1.0), (2, 0.5)]
    assert run.data.metrics["accuracy/pgd:steps_5"] == 0.5
    assert {each.path for each in client.list_artifacts(run.info.run_id, "report")} == {
        "report/report.md",
        "report/model",
    }
    assert download(run.info.run_id, "report/model/h.h5") == b"weights"


def test_mlflow_on_a_local_store_can_be_read_back(tmp_path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    told: list[str] = []
    uri = f"file:{tmp_path}/runs"
    _log([f"mlflow:uri={uri}"], told)
    assert not told
    client = mlflow.MlflowClient(tracking_uri=uri)
    _read_back(client, lambda run, path: Path(client.download_artifacts(run, path, str(tmp_path))).read_bytes())


def test_an_mlflow_that_is_away_is_told(free_port) -> None:
    pytest.importorskip("mlflow")
    told: list[str] = []
    _log([f"mlflow:uri=http://127.0.0.1:{free_port}"], told)
    assert len(told) == 1 and told[0].startswith(f"! MLflow at http://127.0.0.1:{free_port} does not take the log: ")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_an_mlflow_server_takes_a_run(tmp_path, free_port) -> None:
    """A server of `MLFLOW_PYTHON`, which has the whole of MLflow: see `make test-mlflow`."""
    mlflow = pytest.importorskip("mlflow")
    python = os.environ.get("MLFLOW_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import mlflow.server.fastapi_app"], capture_output=True).returncode:
        pytest.skip("needs the whole of MLflow: MLFLOW_PYTHON")
    folder = tmp_path / "store"
    command = [python, "-m", "mlflow", "server", "--port", str(free_port), "--workers", "1"]
    command += ["--backend-store-uri", f"file:{folder}", "--artifacts-destination", str(tmp_path / "artifacts")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment | {"MLFLOW_ALLOW_FILE_STORE": "true"}, stdout=log, stderr=log, cwd=tmp_path
        )
    uri, told = f"http://127.0.0.1:{free_port}", list[str]()
    try:
        _wait_for(f"{uri}/health", tmp_path / "server.log")
        _log([f"mlflow:uri={uri}"], told)
        assert not told
        client = mlflow.MlflowClient(tracking_uri=uri)
        _read_back(client, lambda run, path: Path(client.download_artifacts(run, path, str(tmp_path))).read_bytes())
        assert folder.is_dir()
        # It goes away in the middle of a run.
        with opened([f"mlflow:uri={uri}"], "train", told.append) as logs:
            logs.numbers({"loss": 1.0}, 1)
            server.terminate()
            server.wait(60)
            logs.numbers({"loss": 0.5}, 2)
            logs.numbers({"loss": 0.25}, 3)
        assert len(told) == 1 and "The run goes on without it." in told[0]
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(address: str, log: Path) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(1)
    raise AssertionError(log.read_text("utf-8"))


def test_event_files_of_tensorboard_can_be_read_back(tmp_path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told: list[str] = []
    for _ in range(2):
        _log([f"tensorboard:folder={tmp_path}/runs"], told)
    first, _ = sorted((tmp_path / "runs").iterdir())
    read = EventAccumulator(str(first))
    read.Reload()
    found = {tag: [(each.step, each.value) for each in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found == {"loss": [(1, 1.0), (2, 0.5)], "accuracy/pgd:steps=5": [(1, 0.5), (2, 0.5)]}
    texts = {tag: read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert "| objective.attack.steps | 3 |" in texts["parameters"]
    assert (texts["report/report"], texts["ended"]) == ("# Found", "finished")
    assert (first / "artifacts" / "report" / "model" / "h.h5").read_bytes() == b"weights" and not told
