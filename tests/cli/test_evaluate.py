"""`turtlenet evaluate` on good input: one model and several, gates, suites, norms, kills and resumption."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import finish, listing, start
from turtlenet.cli import main
from turtlenet.cli.exit_codes import ExitCode
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults

TWO = ("--attack", "fgsm", "--attack", "pgd:steps=5", "--curve", "0")

# Blocks of 16 images instead of 4,096, and a power cut after a number of them.
KILL_AT_BLOCK = """
import os, signal
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from turtlenet.evaluation import cascade, per_image_results
cascade.Cascade.block_size = lambda self, shape: 16
write, blocks = per_image_results.PerImageResults.write, []
def count(self, path, identity):
    write(self, path, identity)
    blocks.append(path)
    if len(blocks) == {blocks}:
        os.kill(os.getpid(), signal.SIGKILL)
per_image_results.PerImageResults.write = count
"""


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def lasting(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs from run to run."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in report["attacks"]]
    return {**{key: value for key, value in report.items() if key not in ("created", "seconds")}, "attacks": rows}


@pytest.fixture
def good(shelf: Path) -> tuple[Any, ...]:
    return ("evaluate", shelf / "good.h5", "--data", shelf / "data.npz")


def test_a_report_lies_in_a_folder_of_the_models_name(good, cli, away):
    result = cli(*good, *TWO, "--eps", "8/255")
    assert (result.code, result.err) == (0, "")
    files = ("report.json", "report.md", "report.html", "examples.csv", "badge.svg", "report.sha256")
    assert set(listing(away)) == {"good-report"} | {f"good-report/{name}" for name in files}
    report = read(away / "good-report")
    assert report["threat"]["eps"] == pytest.approx(8 / 255)
    assert (report["data"]["count"], report["mode"], report["threat"]["norm"]) == (60, "table", "linf")
    assert [row["name"] for row in report["attacks"]] == ["fgsm", "pgd"]
    assert result.out.endswith("report: good-report/report.html\n")


def test_models_stand_side_by_side(good, shelf, cli, away):
    result = cli(*good, shelf / "regression.h5", *TWO)
    assert result.code == 2
    (away / "twin.h5").write_bytes((shelf / "good.h5").read_bytes())
    assert cli(*good, "twin.h5", *TWO, "--report", "both").code == 0
    first, second = read(away / "both")["reports"]
    assert (first["model"]["name"], second["model"]["name"]) == ("good", "twin")
    assert first["verdicts"] == second["verdicts"]
    assert read(away / "both" / "good") == first
    assert set(listing(away)) >= {"both/good", "both/twin", "both/report.html"}


@pytest.mark.parametrize(("gate", "code"), [("0.0", 0), ("1", 1)])
def test_a_gate_sets_the_exit_code(gate, code, good, cli, away):
    result = cli(*good, "--attack", "pgd:steps=5", "--curve", "0", "--fail-under", gate, "--eps", "0.5")
    assert result.code == code
    assert read(away / "good-report")["robust_accuracy"] < 1
    words = "turtlenet: expected a robust accuracy of at least 1.0 of good; got 0.000.\n" if code else ""
    assert result.err == words


def test_a_cascade_and_a_table_agree(good, cli, away):
    attacks = ("--attack", "noise", "--attack", "fgsm", "--attack", "pgd:steps=5,restarts=2", "--curve", "0")
    for mode in ("table", "cascade"):
        cli(*good, *attacks, "--eps", "0.12", "--mode", mode, "--report", mode)
    table, cascade = read(away / "table"), read(away / "cascade")
    assert 0 < table["robust_accuracy"] < 1
    assert cascade["robust_accuracy"] == table["robust_accuracy"]
    assert cascade["verdicts"] == table["verdicts"]
    assert sum(row["examples"] for row in cascade["attacks"]) < sum(row["examples"] for row in table["attacks"])


def test_the_suite_of_the_paper_takes_the_models_own_answers(good, cli, away):
    assert cli(*good, "--suite", "gano-2019", "--curve", "0", "--limit", "16").code == 0
    report = read(away / "good-report")
    assert [row["name"] for row in report["attacks"]] == ["mim", "madry", "bim", "pgd", "fgsm"]
    assert (report["threat"]["labels"], report["threat"]["eps"]) == ("predicted", 0.3)


@pytest.mark.slow
def test_a_suite_of_ones_own_is_found_by_name_and_by_path(good, shelf, cli, away):
    (away / "attacks").mkdir()
    (away / "attacks" / "quick.toml").write_bytes((shelf / "mine.toml").read_bytes())
    cli(*good, "--suite", "quick", "--curve", "0", "--report", "name")
    cli(*good, "--suite", shelf / "mine.toml", "--curve", "0", "--report", "path", "--eps", "0.02")
    cli(*good, "--attack", shelf / "mine.toml", "--attack", "rfgsm", "--curve", "0", "--report", "attack")
    name, path, attack = (read(away / folder) for folder in ("name", "path", "attack"))
    assert [row["name"] for row in name["attacks"]] == ["noise", "fgsm"]
    assert [row["name"] for row in path["attacks"]] == ["noise", "fgsm"]
    assert [row["name"] for row in attack["attacks"]] == ["noise", "fgsm", "rfgsm"]
    # A suite's radius holds unless the user gives one; attacks out of a suite's file come without it.
    assert [each["threat"]["eps"] for each in (name, path, attack)] == [0.1, 0.02, 0.3]


@pytest.mark.parametrize(("norm", "eps"), [("l2", 2.0), ("l1", 10.0)])
def test_other_norms_have_radii_of_their_own(norm, eps, good, cli, away):
    assert cli(*good, "--attack", "pgd:steps=3", "--curve", "0", "--norm", norm).code == 0
    report = read(away / "good-report")
    assert (report["threat"]["norm"], report["threat"]["eps"]) == (norm, eps)
    assert 0 < report["attacks"][0][f"{norm}_mean"] <= eps + 1e-4


@pytest.mark.parametrize("data", ["bytes.npz", "wide.npz"])
def test_bounds_are_told_from_the_model(data, shelf, cli, away):
    assert cli("evaluate", shelf / "wide.h5", "--data", shelf / data, *TWO).code == 0
    report = read(away / "wide-report")
    assert (report["threat"]["bounds"], report["threat"]["eps"]) == ([0, 255], 76.5)
    assert report["clean_accuracy"] > 0.9


def test_data_come_from_files_of_any_kind(good, shelf, cli, away):
    for data in ("data.npz", "data.hdf5", "mapped"):
        line = ("evaluate", shelf / "good.h5", "--data", shelf / data, "--attack", "fgsm", "--curve", "0")
        assert cli(*line, "--report", data).code == 0
    first, *others = (read(away / data) for data in ("data.npz", "data.hdf5", "mapped"))
    for other in others:
        assert first["data"]["sha256"] == other["data"]["sha256"]
        assert first["verdicts"] == other["verdicts"]


def test_data_come_from_a_function_of_the_users(shelf, cli, away, monkeypatch):
    (away / "mine").mkdir()
    code = f"import numpy as np\ndef read():\n    return dict(np.load({str(shelf / 'data.npz')!r}))\n"
    (away / "mine" / "pictures.py").write_text(code)
    monkeypatch.syspath_prepend(str(away))
    assert cli("evaluate", shelf / "good.h5", "--data", "mine.pictures:read", *TWO).code == 0
    assert read(away / "good-report")["data"]["name"] == "mine.pictures:read test"


def test_limit_takes_the_first_images_and_0_takes_all(good, cli, away):
    for limit, count in ((7, 7), (0, 60)):
        cli(*good, "--attack", "fgsm", "--curve", "0", "--limit", limit)
        assert read(away / "good-report")["data"]["count"] == count


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture
def at_block(monkeypatch):
    """Blocks of 16 images instead of 4,096, and something that happens after a number of them."""

    def prepare(count, happens) -> None:
        write, blocks = PerImageResults.write, []

        def counting(self, path, identity):
            write(self, path, identity)
            blocks.append(path)
            if len(blocks) == count:
                happens()

        monkeypatch.setattr(Cascade, "block_size", lambda self, shape: 16)
        monkeypatch.setattr(PerImageResults, "write", counting)

    return prepare


def killed_here(line, at_block, away) -> None:
    def kill():
        raise Killed

    at_block(5, kill)
    with pytest.raises(Killed):
        main(list(map(str, line)))


def killed_in_a_process(line, at_block, away) -> None:
    process = start(*line, cwd=away, code=KILL_AT_BLOCK.format(blocks=5))
    assert finish(process).code == -signal.SIGKILL


@pytest.mark.parametrize("killed", [killed_here, pytest.param(killed_in_a_process, marks=pytest.mark.slow)])
def test_a_killed_evaluation_continues_to_the_same_report(killed, good, shelf, cli, at_block, away):
    (away / "twin.h5").write_bytes((shelf / "good.h5").read_bytes())
    line = (*good, "twin.h5", *TWO)
    cli(*line, "--report", "unbroken")
    (away / "broken").mkdir()
    (away / "broken" / "report.json").write_text("old")
    killed((*line, "--report", "broken"), at_block, away)
    assert (away / "broken" / "report.json").read_text() == "old"
    assert len(list((away / "broken").glob(".progress-*"))) == 2
    result = cli(*line, "--report", "broken", "--resume")
    assert result.code == 0
    assert not list((away / "broken").glob(".*"))
    pairs = zip(read(away / "unbroken")["reports"], read(away / "broken")["reports"], strict=True)
    for unbroken, broken in pairs:
        assert lasting(broken) == lasting(unbroken)


def test_a_resumed_evaluation_does_not_attack_again_what_is_known(good, cli, away, monkeypatch):
    line = (*good, *TWO, "--report", "report")
    monkeypatch.setattr("turtlenet.reports.base.BaseReport.save", lambda *_: (_ for _ in ()).throw(SystemExit(9)))
    assert cli(*line).code == 9
    monkeypatch.undo()
    monkeypatch.chdir(away)
    monkeypatch.setattr("turtlenet.evaluation.cascade.attack_all", lambda *args, **settings: 1 / 0)
    assert cli(*line, "--resume", "--seed", "1").code == ExitCode.FAULT
    assert cli(*line, "--resume").code == 0


INTERRUPTED = "turtlenet: interrupted; run the same command with --resume to continue.\n"


def test_an_interrupt_ends_in_one_line(good, cli, at_block, away):
    at_block(1, lambda: signal.raise_signal(signal.SIGINT))
    result = cli(*good, *TWO, "--report", "report")
    assert (result.code, result.out, result.err) == (130, "", INTERRUPTED)


@pytest.mark.slow
def test_an_interrupt_ends_a_process_in_one_line(good, away):
    code = KILL_AT_BLOCK.format(blocks=1).replace("SIGKILL", "SIGINT")
    result = finish(start(*good, *TWO, "--report", "report", cwd=away, code=code))
    assert result.code == 130
    # TensorFlow was started by the code above, which silences nothing; JAX has nothing to say.
    assert f"\n{result.err}".endswith(f"\n{INTERRUPTED}")
    assert result.out == ""
