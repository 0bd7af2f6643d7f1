"""`turtlenet train` on good input; killed, interrupted and continued; and the file that it leaves."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from tests.cli.conftest import environment, finish, listing, start
from turtlenet import models

# One process prepares the unbroken run that the others are held against.
pytestmark = pytest.mark.xdist_group("train command")

BRIEF = ("--attack", "pgd:steps=3", "--eps", "0.1", "--batch-size", "24", "--epochs", "3", "--seed", "5")

# Stands in for a power cut when the new file is whole but not yet in the old one's place.
KILL_AT_SAVE = """
import importlib, os, signal
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
save = importlib.import_module("turtlenet.keras_files.save")
save._flush = lambda path: os.kill(os.getpid(), signal.SIGKILL)
"""


def weights(path: Path) -> list[np.ndarray]:
    return keras.saving.load_model(path, compile=False).get_weights()


def same(first: Path, second: Path) -> bool:
    pairs = zip(weights(first), weights(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.fixture
def mocker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Puts in the place of a function of the API one that notes its arguments and ends the program with 3."""

    def replace(name: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def note(models: Any, **settings: Any) -> None:
            seen.update(models=models, **settings)
            sys.exit(3)

        monkeypatch.setattr(f"turtlenet.workflows.{name}.{name}", note)
        return seen

    return replace


@pytest.fixture(scope="module")
def line(shelf: Path) -> tuple[str, ...]:
    """A run of three epochs, without where its result goes."""
    return ("train", str(shelf / "good.h5"), "--data", str(shelf / "data.npz"), *BRIEF, "--verbose")


@pytest.fixture(scope="module")
def unbroken(line: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What that run gives when nobody disturbs it, and the one process in which nothing else has run."""
    path = tmp_path_factory.mktemp("unbroken") / "hardened.h5"
    result = finish(start(*line, "--out", path, cwd=path.parent))
    assert (result.code, listing(path.parent).keys()) == (0, {"hardened.h5", "hardened-card.md"})
    assert [each.split(":")[0] for each in result.err.splitlines()] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "hardened.h5 after 27 steps: epoch" in result.out.splitlines()[-1]
    return path


def test_a_run_says_what_it_works_on(line, cli, away):
    result = cli(*line, "--out", away / "hardened.h5")
    data, threat, cost, few, time, saved = result.out.splitlines()
    assert data.endswith("216 images 8x8x1, 4 classes, pixels within [0, 1]; 24 held out for validation")
    where = "linf, eps 0.1, pixels in [0, 1] (25.5 gray levels of 255, 10 % of the range)"
    assert threat == f"threat: {where}; attack pgd:steps=3,step_size=0.25,keep=last"
    gradients = "81 input gradients of 24 images, 27 weight gradients of 24"
    assert cost == f"cost: 27 steps, {gradients}, 3 validations on 24"
    assert few.startswith("! The run updates the weights 27 times in all; ")
    assert few.endswith(" -> Raise --epochs to 12 or more, or lower --batch-size.")
    assert re.fullmatch(r"time: about \d+ seconds? on this machine, [\d.e-]+ s a step", time)
    assert saved.startswith("saved ")
    assert result.code == 0


@pytest.mark.slow
def test_a_seed_repeats_a_run_in_another_process(line, unbroken, cli, away):
    cli(*line, "--out", away / "again.h5")
    assert same(unbroken, away / "again.h5")
    cli(*line, "--out", away / "other.h5", "--seed", "6")
    assert not same(unbroken, away / "other.h5")


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_weights(line, unbroken, cli, away):
    out, state = away / "hardened.h5", away / "hardened.h5.resume"
    out.write_bytes(b"old")
    process = start(*line, "--out", out, cwd=away)
    for _ in range(2):
        assert process.stderr.readline().startswith("epoch")
    while not state.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert finish(process).code == -signal.SIGKILL
    assert state.exists()
    assert out.read_bytes() == b"old"
    result = cli(*line, "--out", out, "--resume")
    assert (result.code, "starting anew" in result.out, "epoch 1" in result.err) == (0, False, False)
    assert same(unbroken, out)
    assert not state.exists()


@pytest.mark.slow
def test_a_kill_while_the_file_is_saved_leaves_the_old_one(line, unbroken, cli, away):
    out = away / "hardened.h5"
    out.write_bytes(b"old")
    assert finish(start(*line, "--out", out, cwd=away, code=KILL_AT_SAVE)).code == -signal.SIGKILL
    assert out.read_bytes() == b"old"
    result = cli(*line, "--out", out, "--resume")
    assert (result.code, "epoch" in result.err) == (0, False)
    assert same(unbroken, out)
    assert not (away / "hardened.h5.resume").exists()


@pytest.mark.slow
def test_an_interrupt_ends_in_one_line_and_can_be_continued(line, unbroken, cli, away):
    process = start(*line, "--out", away / "hardened.h5", cwd=away)
    assert process.stderr.readline().startswith("epoch 1")
    assert process.stderr.readline().startswith("epoch 2")
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert result.code == 130
    *epochs, last = result.err.splitlines()
    assert all(each.startswith("epoch") for each in epochs)
    assert last == "turtlenet: interrupted; run the same command with --resume to continue."
    assert listing(away).keys() == {"hardened.h5.resume"}
    cli(*line, "--out", away / "hardened.h5", "--resume")
    assert same(unbroken, away / "hardened.h5")


@pytest.mark.slow
def test_nothing_to_continue_is_said(line, unbroken, away):
    # In a process of its own, as the run that it is held against: graphs are optimized there.
    result = finish(start(*line, "--out", away / "hardened.h5", "--resume", cwd=away))
    assert result.out.splitlines()[0].endswith("hardened.h5.resume: starting anew")
    assert same(unbroken, away / "hardened.h5")


def test_other_settings_do_not_continue_a_run(line, shelf, cli, away, monkeypatch):
    monkeypatch.setattr(models, "save", lambda *_: sys.exit(9))
    assert cli(*line, "--out", away / "hardened.h5").code == 9
    before = listing(away)
    for option, value, named in (
        ("--batch-size", 30, "batch_size"),
        ("--eps", 0.2, "objective"),
        ("--seed", 1, "seed"),
    ):
        result = cli(*line, "--out", away / "hardened.h5", "--resume", option, value)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert re.search(rf"got other values of [a-z, ]*{named}", result.err)
    other = ("train", str(shelf / "wide.h5"), "--data", str(shelf / "wide.npz"), *BRIEF)
    assert "data" in cli(*other, "--out", away / "hardened.h5", "--resume").err
    assert listing(away) == before


def test_a_file_that_is_no_training_state_is_refused(line, cli, away):
    (away / "hardened.h5.resume").write_text("no state\n")
    result = cli(*line, "--out", away / "hardened.h5", "--resume")
    assert (result.code, result.out) == (2, "")
    assert "Expected a training state in" in result.err
    assert listing(away).keys() == {"hardened.h5.resume"}


@pytest.mark.parametrize(("limit", "most"), [(0, None), (7, 7)])
def test_a_report_compares_before_and_after_on_images_that_training_never_saw(limit, most, shelf, cli, away, mocker):
    seen = mocker("evaluate")
    args = ("train", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--epochs", 1)
    result = cli(*args, "--out", "new.h5", "--report", "report", "--limit", limit, "--eps", 0.05, "--norm", "l2")
    assert result.code == 3
    assert seen["models"] == [str(shelf / "good.h5"), Path("new.h5")]
    assert (seen["held_out"], seen["limit"], seen["eps"], seen["norm"]) == (True, most, 0.05, "l2")
    assert (away / "new.h5").exists()


def test_the_file_lies_beside_the_model_by_default(shelf, cli, away):
    (away / "my.h5").write_bytes((shelf / "good.h5").read_bytes())
    cli("train", "my.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--epochs", 1, "--validation", 0)
    assert listing(away).keys() == {"my.h5", "my-hardened.h5", "my-hardened-card.md"}
    assert (away / "my.h5").read_bytes() == (shelf / "good.h5").read_bytes()


@pytest.mark.slow
def test_bounds_are_told_from_the_model(shelf, cli, away):
    args = ("--attack", "fgsm", "--epochs", 1, "--out", "new.h5")
    told = cli("train", shelf / "wide.h5", "--data", shelf / "bytes.npz", *args)
    assert "threat: linf, eps 76.5, pixels in [0, 255]" in told.out
    said = cli("train", shelf / "wide.h5", "--data", shelf / "wide.npz", "--bounds", "0,255", "--eps", "8", *args)
    assert "threat: linf, eps 8, pixels in [0, 255]" in said.out


def test_crafting_on_another_model(shelf, cli, away):
    args = ("train", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--epochs", 1)
    other = ("--objective", "madry:craft_on=static", "--out", "new.h5")
    assert cli(*args, *other, "--source", shelf / "good.h5").code == 0
    refused = cli(*args, *other, "--source", models.__file__)
    assert refused.code == 2


def test_a_source_must_answer_the_same_question(shelf, demo_path, cli, away):
    args = ("train", shelf / "good.h5", "--data", shelf / "data.npz", "--objective", "madry:craft_on=static")
    result = cli(*args, "--source", demo_path)
    assert (result.code, result.out) == (2, "")
    assert "Expected a source for inputs (8, 8, 1) and 4 classes" in result.err
    assert "got one for (28, 28, 1) and 10." in result.err


PLAIN = """
import json, sys
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
x = np.load(sys.argv[2])["x_test"]
found = {
    "turtlenet": any(name.partition(".")[0] == "turtlenet" for name in sys.modules),
    "optimizer": model.optimizer.name,
    "rate": float(model.optimizer.learning_rate),
    "loss": getattr(model.loss, "__name__", model.loss),
    "metrics": list(model.evaluate(x, np.load(sys.argv[2])["y_test"], verbose=0, return_dict=True)),
    "answers": model.predict(x, verbose=0).argmax(axis=1).tolist(),
}
print(json.dumps(found))
"""


def test_the_hardened_file_is_a_plain_keras_file_compiled_as_the_original_was(unbroken, shelf, cli, away):
    command = [sys.executable, "-c", PLAIN, str(unbroken), str(shelf / "data.npz")]
    plain = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=away, env=plain, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    cli("evaluate", unbroken, "--data", shelf / "data.npz", "--attack", "fgsm", "--curve", 0, "--report", "r")
    answers = json.loads((away / "r" / "report.json").read_text())["verdicts"]["clean_prediction"]
    assert not found.pop("turtlenet")
    assert found.pop("answers") == answers
    assert found.pop("rate") == pytest.approx(0.01)
    # Keras counts names up within a process.
    assert found.pop("optimizer").startswith("adam")
    assert found == {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy", "loss"]}
    with h5py.File(unbroken) as file:
        assert json.loads(file.attrs["training_config"])["metrics"] == ["accuracy"]


@pytest.mark.slow
def test_the_demo_model_needs_nothing_else(demo_path, cli, away):
    args = ("--attack", "pgd", "--epochs", 1, "--steps-per-epoch", 3, "--limit", 32)
    result = cli("train", demo_path, *args, "--out", "new.h5", "--report", "report")
    assert result.code == 0
    assert "mnist-sample train: 9,000 images 28x28x1" in result.out
    both = json.loads((away / "report" / "report.json").read_text())["reports"]
    assert [each["data"]["count"] for each in both] == [32, 32]
    assert both[0]["clean_accuracy"] > 0.9
