"""The tutorials run cell by cell, and the notebooks are those of the scripts."""

import importlib.util
import json
import re
from types import ModuleType

import pytest

from tests.conftest import ROOT
from tests.docs.pages import anchors
from turtlenet.attacks import attacks
from turtlenet.defences import defences

FOLDER = ROOT / "docs" / "tutorials"
SCRIPTS = sorted(FOLDER.glob("*.py"))
QUICK = ("reading_a_report",)


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def no_traces():
    """Takes back what a tutorial registers, which tests of all attacks or defences would find."""
    registries = (attacks, defences)
    before = [dict(each._factories) for each in registries]
    yield
    for each, entries in zip(registries, before, strict=True):
        each._factories.clear()
        each._factories.update(entries)


def run(name: str) -> dict:
    """Runs the code cells of a notebook in one namespace, in the working directory; gives the namespace."""
    read = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))
    space: dict = {"__name__": name}
    for number, cell in enumerate(read["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), space)
    return space


def improved(space: dict) -> None:
    assert space["after"].robust_accuracy > space["before"].robust_accuracy


def the_table_kept_its_rules(space: dict) -> None:
    assert space["moves"].max(axis=0)[3] == 0
    assert set(space["moves"][:, 2]) <= {0, 1}
    assert space["report"].robust_accuracy < space["report"].clean_accuracy


def pgd_beat_signs(space: dict) -> None:
    first, _, last = space["report"].attacks
    assert last.accuracy < first.accuracy


def the_surrogate_told_more(space: dict) -> None:
    naive, adaptive = space["report"].attacks
    assert adaptive.accuracy < naive.accuracy


def the_gate_failed(space: dict) -> None:
    assert space["code"] == 1
    assert space["report"].robust_accuracy >= 0.5


def a_weak_attack_was_doubted(space: dict) -> None:
    assert "weak-attacks" in [doubt.code for doubt in space["report"].doubts]
    assert space["broken"]


CLAIMS = {
    "image_model": improved,
    "table": the_table_kept_its_rules,
    "series": improved,
    "transfer_model": improved,
    "own_attack": pgd_beat_signs,
    "own_defence": the_surrogate_told_more,
    "ci": the_gate_failed,
    "reading_a_report": a_weak_attack_was_doubted,
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CLAIMS]
)
def test_the_tutorial_runs(name, no_traces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CLAIMS[name](run(name))


def test_each_tutorial_is_run_and_listed():
    names = {path.stem for path in SCRIPTS}
    assert names == CLAIMS.keys()
    listed = re.findall(r"\]\((\w+)\.ipynb\)", (FOLDER / "index.md").read_text("utf-8"))
    assert sorted(listed) == sorted(names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_notebook_is_that_of_the_script(script):
    said = script.read_text("utf-8")
    assert script.with_suffix(".ipynb").read_text("utf-8") == builder().notebook(said), "run python docs/notebooks.py"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_links_of_the_tutorial(script):
    text = "\n".join(cell.text for cell in builder().cells(script.read_text("utf-8")) if not cell.code)
    for path, anchor in re.findall(r"\]\(([^()\s#]+)#?([^()\s]*)\)", text):
        target = (FOLDER / path).resolve()
        assert target.is_file(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_cells_are_told_apart():
    made = builder().cells(
        "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n\n# %%\n\n# %%\ny = 2  # %% no cell\n"
    )
    assert [tuple(each) for each in made] == [
        (False, "# Title\n\nText."),
        (True, "x = 1"),
        (True, "y = 2  # %% no cell"),
    ]
