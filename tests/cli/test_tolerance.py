"""`turtlenet tolerance`: the folder, the table and the one line on bad input."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import turtlenet as tn
from tests.cli.conftest import listing

FEW = ("--strengths", "3")
NAMES = ("tolerance.json", "tolerance.md", "tolerance.png", "tolerance.sha256")


@pytest.fixture
def good(shelf: Path) -> tuple[Any, ...]:
    return ("tolerance", shelf / "good.h5", "--data", shelf / "data.npz")


def test_the_result_lies_in_a_folder_of_the_models_name(good, cli, away):
    result = cli(*good, *FEW, "--eps", "0.1")
    assert (result.code, result.err) == (0, "")
    folder = "good-tolerance"
    assert set(listing(away)) == {folder} | {f"{folder}/{name}" for name in NAMES}
    found = tn.Tolerance.from_json((away / folder / "tolerance.json").read_text())
    assert result.out == f"{found}\n\nplot: {folder}/tolerance.png\n"
    assert (found.data["count"], found.model["name"], found.loss, found.proposal.eps) == (60, "good", 0.01, 0.1)
    assert [curve.kind for curve in found.noises] == ["uniform", "gaussian", "salt-and-pepper", "sign"]
    assert [len(curve.strengths) for curve in found.noises] == [4] * 4
    assert [row.levels for row in found.levels] == [2, 3, 4, 5, 6]
    with Image.open(away / folder / "tolerance.png") as picture:
        picture.load()
        assert picture.format == "PNG"


def test_options_say_what_is_measured(shelf, cli, away):
    wide = ("tolerance", shelf / "wide.h5", "--data", shelf / "wide.npz", "--eps", "25.5", "--limit", "20")
    result = cli(*wide, *FEW, "--kind", "sign", "--kind", "uniform", "--loss", "0.05", "--out", "a/b", "--seed", "3")
    assert result.code == 0
    found = json.loads((away / "a" / "b" / "tolerance.json").read_text())
    assert [curve["kind"] for curve in found["noises"]] == ["sign", "uniform"]
    assert (found["bounds"], found["loss"], found["seed"], found["data"]["count"]) == ([0, 255], 0.05, 3, 20)
    assert (found["noises"][0]["strengths"][-1], found["proposal"]["most"]) == (255, 6)


def test_the_command_gives_what_python_gives(good, shelf, cli, away):
    assert cli(*good, *FEW, "--batch-size", "auto").code == 0
    written = json.loads((away / "good-tolerance" / "tolerance.json").read_text())
    called = tn.tolerance(shelf / "good.h5", shelf / "data.npz", strengths=3, batch_size=7)
    same = ("clean_accuracy", "noises", "levels", "proposal", "model", "data")
    again = json.loads(called.to_json())
    assert {key: written[key] for key in same} == {key: again[key] for key in same}
    assert called.proposal.eps == pytest.approx(0.3), "the usual radius of gray images"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--kind unifrom", "Unknown kind of noise 'unifrom'. Did you mean 'uniform'?"),
        ("--loss 0", "Expected loss within (0, 1), a share of all images; got 0."),
        ("--loss 1.5", "Expected loss within (0, 1), a share of all images; got 1.5."),
        ("--strengths 1", "Expected strengths >= 2, a number of strengths; got 1."),
        ("--eps 0", "Expected eps > 0 to choose levels for; got 0."),
        ("--eps -1", "Expected eps >= 0, a finite radius in input units; got -1."),
        ("--batch-size 0", "Expected batch_size >= 1; got 0."),
        ("--norm l2", "No such option '--norm'."),
        ("--seed -1", "Expected seed >= 0; got -1."),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(options, words, good, cli, away):
    result = cli(*good, *options.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("turtlenet: ") and words in result.err and result.err.count("\n") == 1
    assert listing(away) == {}


def test_a_file_in_the_folders_place_is_noticed_before_the_work(good, cli, away):
    (away / "taken").touch()
    result = cli(*good, "--out", "taken")
    assert (result.code, result.out) == (2, "")
    assert "Expected a folder to write in at taken; got a file" in result.err
