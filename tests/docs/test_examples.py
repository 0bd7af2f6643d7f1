"""The examples run as they stand, and say what they promise."""

import re
import runpy
import sys

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "examples"


@pytest.fixture
def said(monkeypatch, capsys):
    """Runs an example by its name; gives what it printed."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(name: str) -> str:
        try:
            runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        finally:
            sys.modules.pop("digits", None)
        return capsys.readouterr().out

    return run


def numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d+\.\d+", text)]


@pytest.mark.slow
def test_own_attack(said):
    text = said("own_attack").splitlines()[-3:]
    assert [line.partition(":")[0] for line in text] == ["signs", "signs", "pgd"]
    assert numbers(text[2])[0] < numbers(text[0])[0]


@pytest.mark.slow
def test_own_defence(said):
    clean, naive, adaptive = (numbers(line)[-1] for line in said("own_defence").splitlines()[-3:])
    assert adaptive < naive <= clean


@pytest.mark.slow
def test_own_objective(said):
    before, after = (numbers(line) for line in said("own_objective").splitlines()[-2:])
    assert after[1] > before[1]


@pytest.mark.slow
def test_ci_gate(said):
    assert said("ci_gate").splitlines()[-1] == "exit code 1; junit.xml has 2 failures"


def test_table(said):
    accuracy, moved = said("table").splitlines()[-2:]
    clean, robust = numbers(accuracy)
    assert robust < clean
    assert "'children': 1.0, 'age': 0.0" in moved


@pytest.mark.slow
def test_flows(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["flows.py"])
    before, after = (numbers(line) for line in said("flows").splitlines()[-2:])
    assert before[1] < after[1] < after[0]


def test_the_table_of_examples_names_each():
    scripts = {path.name for path in FOLDER.glob("*.py")} - {"digits.py"}
    assert set(re.findall(r"\]\((\w+\.py)\)", (FOLDER / "README.md").read_text("utf-8"))) == scripts
