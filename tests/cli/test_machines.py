"""The command line for machines: JSON alone on stdout, silence, files for CI, exit codes, and a limit of time."""

import csv
import inspect
import json
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli.conftest import listing
from tests.conftest import ROOT
from tests.schemas import check_junit, check_sarif
from turtlenet.cli import app
from turtlenet.cli.exit_codes import ExitCode
from turtlenet.cli.output import with_output
from turtlenet.evaluation import time_limit

FAST = ("--attack", "fgsm", "--attack", "pgd:steps=5", "--curve", "0")


@pytest.fixture
def good(shelf: Path) -> tuple[Any, ...]:
    return ("evaluate", shelf / "good.h5", "--data", shelf / "data.npz")


def test_json_is_all_of_stdout_beside_a_gate_and_files(good, cli, away):
    files = ("--junit", "out.xml", "--sarif", "out.sarif", "--results", "out.csv")
    result = cli(*good, *FAST, "--fail-under", "1", "--json", *files)
    assert result.code == ExitCode.GATE_FAILED
    report = json.loads(result.out)
    assert report == json.loads((away / "good-report" / "report.json").read_text())
    assert "every attack" in result.err and "turtlenet: expected a robust accuracy of at least 1.0" in result.err
    assert check_junit((away / "out.xml").read_bytes()).get("failures") != "0"
    assert check_sarif((away / "out.sarif").read_bytes())["runs"][0]["results"][0]["ruleId"] == "robust-accuracy"
    lines = list(csv.DictReader((away / "out.csv").read_text().splitlines()))
    assert len(lines) == 2 * report["data"]["count"]
    assert {line["attack"] for line in lines} == {"fgsm", "pgd:steps=5"}


def test_quiet_says_nothing_but_errors(good, cli, away):
    result = cli(*good, *FAST, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert (away / "good-report" / "report.json").exists()
    result = cli(*good, *FAST, "--quiet", "--eps", "-1")
    assert (result.code, result.out, result.err.count("\n")) == (ExitCode.BAD_INPUT, "", 1)


def test_quiet_and_json_together_print_json_alone(shelf, cli, away):
    result = cli("new", "carlini-mnist", "--quiet", "--json")
    assert result.err == "" and json.loads(result.out)["out"] == "carlini-mnist.h5"


def test_a_refusal_leaves_stdout_empty(good, cli, away):
    result = cli(*good, "--json", "--norm", "linff")
    assert (result.code, result.out) == (ExitCode.BAD_INPUT, "")


def test_every_command_speaks_to_machines():
    def leaves(command: click.Command) -> list[click.Command]:
        parts = command.commands.values() if isinstance(command, click.Group) else ()
        return [leaf for part in parts for leaf in leaves(part)] if parts else [command]

    group, context = app.turtlenet, click.Context(app.turtlenet)
    for name in group.list_commands(context):
        # Asked for twice, as completion and help do.
        group.get_command(context, name)
        for command in leaves(group.get_command(context, name)):
            options = [option for each in command.params for option in each.opts]
            assert options.count("--json") == 1, name
            source = inspect.getsource(inspect.unwrap(command.callback))
            assert any(word in source for word in ("as_json", "give(", "finish(")), f"{name} gives no result"
            assert "as_json" in {each.name for each in command.params} or options.count("--quiet") == 1, name


def test_numbers_that_json_lacks_are_null(capsys):
    import numpy as np

    from turtlenet.cli.output import give

    @click.command("x")
    def command() -> None:
        click.echo("words")
        give({"nan": float("nan"), "share": np.float32(0.5), "path": Path("a"), "many": (1, np.int64(2))})

    with_output(command)
    command.main(["--json"], standalone_mode=False)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"nan": None, "share": 0.5, "path": "a", "many": [1, 2]}
    assert said.err == "words\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--junit", "a.txt"), "Expected --junit with the suffix .xml; got 'a.txt'."),
        (("--sarif", "a.json"), "Expected --sarif with the suffix .sarif; got 'a.json'."),
        (("--results", "a.xls"), "Expected a .csv or a .parquet for a table; got 'a.xls'."),
        (("--results", "absent/a.csv"), "Expected a folder to write a.csv in; there is no folder absent."),
        (("--classes", "a,b"), "Expected names of 4 classes, as many as the model has; got 2: a, b."),
        (("--time", "soon"), "Expected time as 2h, 90m, 45s or 1h30m; got 'soon'."),
        (("--time", "0s"), "Expected time as 2h, 90m, 45s or 1h30m; got '0s'."),
        (("--time", "1h", "--certify", "ibp"), "Expected no time beside certify=ibp; got 1h"),
        (("--time", "1h", "--access", "grey-box"), "Expected no time beside access grey-box; got 1h"),
    ],
)
def test_bad_input_is_said_before_any_work(options, words, good, cli, away):
    result = cli(*good, *FAST, *options)
    assert (result.code, result.out) == (ExitCode.BAD_INPUT, "")
    assert words in result.err and result.err.count("\n") == 1
    assert listing(away) == {}


def test_the_table_of_exit_codes_is_that_of_the_docs():
    rows = [f"| {code.value} | `{code.name}` | {code.meaning} |" for code in ExitCode]
    table = "\n".join(["| code | name | meaning |", "|--:|---|---|", *rows]) + "\n"
    assert table in (ROOT / "docs" / "ci.md").read_text()
    assert [code.value for code in ExitCode] == [0, 1, 2, 70, 130]


def test_a_fault_of_our_own_is_no_failed_gate(cli, monkeypatch, capfd):
    monkeypatch.setattr("turtlenet.cli.list.described", lambda *asked: 1 / 0)
    result = cli("list", "attacks")
    assert result.code == ExitCode.FAULT
    assert "Traceback" in result.err and "ZeroDivisionError" in result.err


class Clock:
    """A clock that goes on by a second whenever it is asked."""

    def __init__(self, step: float = 1.0):
        self.time, self.step = 0.0, step

    def __call__(self) -> float:
        self.time += self.step
        return self.time


@pytest.mark.slow
def test_a_time_limit_takes_as_many_images_as_fit_and_resume_the_rest(good, cli, away, monkeypatch):
    monkeypatch.setattr(time_limit, "now", Clock())
    line = (*good, *FAST, "--batch-size", "16", "--json")
    result = cli(*line, "--time", "15s")
    report = json.loads(result.out)
    assert result.code == 0 and report["data"]["wanted"] == 60
    assert 0 < report["data"]["count"] < 60 and report["data"]["count"] % 16 == 0
    assert len(report["verdicts"]["label"]) == len(report["results"][0]["correct"]) == report["data"]["count"]
    assert report["doubts"][0]["code"] == "time-limit"
    assert f"the first {report['data']['count']} of 60 images" in report["doubts"][0]["finding"]
    # What was told is the same as if so many had been asked for.
    limited = json.loads(cli(*line, "--limit", report["data"]["count"], "--report", "limited").out)
    for name in ("robust_accuracy", "verdicts", "results", "robust_accuracy_interval"):
        assert limited[name] == report[name]
    assert limited["data"]["sha256"] == report["data"]["sha256"]
    assert (away / "good-report" / ".progress-0.npz").exists()
    whole = json.loads(cli(*line, "--resume").out)
    assert whole["data"]["count"] == 60 and "wanted" not in whole["data"]
    assert whole["verdicts"]["robust"][: report["data"]["count"]] == report["verdicts"]["robust"]
    assert not list((away / "good-report").glob(".progress*"))


def test_a_time_below_one_batch_is_refused_in_one_line(good, cli, away, monkeypatch):
    monkeypatch.setattr(time_limit, "now", Clock(7))
    result = cli(*good, *FAST, "--batch-size", "16", "--time", "5s")
    assert (result.code, result.err.count("\n")) == (ExitCode.BAD_INPUT, 1)
    assert "Expected a time that one batch, 16 images, fits into; got 5 s, where 1 of its 2 attacks took" in result.err
    assert listing(away) == {}
