"""The scripts of the papers' tables: a tiny run of each, and the page that the committed rows make."""

import json
from pathlib import Path
from typing import Any

import pytest

from turtlenet import models
from turtlenet.errors import SettingError, SpecError
from turtlenet.reproduction import guan, qusecnets, taran
from turtlenet.reproduction.kinds import draws as uncertainty
from turtlenet.reproduction.kinds import readings, suites
from turtlenet.reproduction.row import Row, share
from turtlenet.reproduction.tables import page as tables
from turtlenet.reproduction.tables import suites as suite_table
from turtlenet.reproduction.workshop import RESULTS, Workshop, parser

TINY = ["--data", "mnist-sample", "--train", "256", "--test", "16", "--epochs", "1"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a script on a few images and few steps; gives the figures of a row."""
    for module, name, value in (
        (qusecnets, "PGD", "rfgsm:keep=last"),
        (qusecnets, "FGSM_EPS", (0.3,)),
        (qusecnets, "PGD_EPS", (0.3,)),
        (taran, "FGSM_EPS", (0.3,)),
        (guan, "tried", lambda row: {"fgsm-naive": ("fgsm:keep=last", 1, 16)}),
        (guan, "detected", lambda row: {"fgsm": ("fgsm:keep=last", 16)}),
        (guan, "DRAWS", 3),
        (guan, "EOT", 2),
        (uncertainty, "KNOWING", "undetected:steps=2"),
        (taran, "OWN_KEYS", 1),
        (taran, "OWN_EPS", (0.3,)),
        (taran, "SQUARE_EPS", (0.3,)),
        (taran, "SQUARE", "square:queries=3"),
        (taran, "CW", "cw:searches=1,steps=2"),
    ):
        monkeypatch.setattr(module, name, value)

    def go(script: Any, row: str, *options: str) -> dict[str, Any]:
        script.main([*TINY, "--models", str(tmp_path / "models"), "--results", str(tmp_path / "rows"), *options])
        return json.loads((tmp_path / "rows" / f"{row}.json").read_text())

    go.folder = tmp_path
    return go


def test_quantization(run, monkeypatch):
    found = run(qusecnets, "qusecnets/natural-cq-2", "--only", "natural-cq-2")
    cells = found["cells"]
    assert {"clean", "fgsm-naive-0.3", "fgsm-adaptive-predicted-0.3", "pgd-naive-0.3", "pgd-adaptive-0.3"} <= set(
        cells
    )
    assert cells["fgsm-naive-0.3"]["gradient"] == "naive"
    assert cells["fgsm-adaptive-0.3"]["accuracy"] <= cells["clean"]["accuracy"]
    assert cells["clean"]["n"] == 16
    # What is there is not measured again, and needs no model.
    monkeypatch.setattr(Workshop, "model", None)
    assert run(qusecnets, "qusecnets/natural-cq-2", "--only", "natural-cq-2") == found
    with pytest.raises(SettingError, match="other values of data"):
        run(qusecnets, "qusecnets/natural-cq-2", "--only", "natural-cq-2", "--train", "300")
    with pytest.raises(SpecError, match="natural-cq-2"):
        run(qusecnets, "", "--only", "natural-cq2")


def test_a_model_of_other_settings_is_not_taken(run):
    run(qusecnets, "qusecnets/natural-none", "--only", "natural-none")
    (run.folder / "rows/qusecnets/natural-none.json").unlink()
    with pytest.raises(SettingError, match="of these settings"):
        run(qusecnets, "qusecnets/natural-none", "--only", "natural-none", "--epochs", "2")


def test_readings(run, monkeypatch):
    names = ("cq-2: clean", "cq-2: white-box", "cq-2: steps at inference")
    few = {name: measure for name, measure in readings.readings().items() if name in names}
    monkeypatch.setattr(readings, "readings", lambda: few)
    cells = run(readings, "qusecnets/readings", "--only", "readings")["cells"]
    assert set(cells) == set(few)
    # Steps have no slope, so FGSM leaves everything as it is.
    assert cells["cq-2: steps at inference"]["without_slope"] == 1.0
    assert cells["cq-2: white-box"]["without_slope"] < 1.0
    assert cells["cq-2: steps at inference"]["accuracy"] >= cells["cq-2: white-box"]["accuracy"]


@pytest.mark.slow
def test_quantized_networks(run):
    cells = run(guan, "guan/2-bit", "--only", "2-bit")["cells"]
    assert set(cells) == {"clean", "fgsm-naive", "uncertainty-fgsm", "undetected"}
    assert (cells["fgsm-naive"]["draws"], cells["undetected"]["draws"]) == (1, 2)
    assert {"s", "m"} <= set(cells["clean"])
    assert cells["uncertainty-fgsm"]["mu_clean"] > 0
    assert cells["uncertainty-fgsm"]["mu_attacked"] != cells["uncertainty-fgsm"]["mu_clean"]
    assert cells["undetected"]["attack"].startswith("undetected:threshold=")


@pytest.mark.slow
def test_permutation(run):
    cells = run(taran, "taran/fashion-mnist/permuted", "--fashion", "mnist-sample", "--sets", "fashion-mnist")["cells"]
    made = {f"{attack}-{who}" for attack in ("fgsm", "cw") for who in ("classical", "own-key-1", "mean", "key")}
    made -= {"cw-own-key-1"}
    made |= {"clean", "clean-own-key-1", "pgd-key", "square", "fgsm-signs", "cw-sure-classical", "cw-sure-mean"}
    assert {name.removesuffix("-0.3") for name in cells} == made
    assert cells["cw-key"]["median"] >= 0
    assert cells["square-0.3"]["gradients"] == 0
    assert not (run.folder / "rows/taran/mnist").exists()
    assert (run.folder / "models/taran/fashion-mnist/a.key").stat().st_mode & 0o077 == 0


def test_suites(run, monkeypatch):
    own = "cw:norm=l2,eps=inf,searches=1,steps=2,gradient=adaptive"
    plan = suites.Plan(
        lambda: models.classifier(models.build("lenet")),
        {"paper": suites.Asked("", 8, attacks=("fgsm:gradient=naive", own)), "adaptive": suites.Asked("quick", 4)},
    )
    monkeypatch.setattr(suites, "plans", lambda shop, folder: {"guan-bnn": plan})
    found = run(suites, "suites/guan-bnn")
    paper = found["cells"]["paper"]
    assert paper["n"] == 8 and [row["attack"] for row in paper["attacks"]] == ["fgsm:gradient=naive", own]
    assert paper["accuracy"] <= paper["attacks"][0]["accuracy"], "C&W counts where it ends within the threat"
    assert "few-images" in paper["doubts"] and found["cells"]["adaptive"]["suite"] == "quick"
    page = tables.render(run.folder / "rows")
    assert "| BNN | as the paper did | 8 | none | 92.0 |" in page
    assert "|  |  |  | `fgsm` (naive) | 46.2 |" in page


def test_each_suite_has_a_title(tmp_path):
    asked = parser("").parse_args(["--models", str(tmp_path)])
    known = suites.plans(lambda paper, color=False: Workshop(paper, asked), tmp_path)
    assert set(known) == set(suite_table.TITLES)
    run_by = {how.suite for plan in known.values() for how in plan.asked.values()}
    assert {"gano-2019", "guan-2019", "qusecnets-2018", "qusecnets-2019", "taran-2018"} <= run_by


def test_shares_have_intervals():
    import numpy as np

    assert share(np.array([True, True, False, False])) == {
        "accuracy": 0.5,
        "interval": [0.150039, 0.849961],
        "n": 4,
    }


def test_a_damaged_row_is_refused(tmp_path):
    (tmp_path / "row.json").write_text("[1, 2")
    with pytest.raises(SettingError, match="something else"):
        Row(tmp_path / "row.json", {})


def test_the_page_is_made_of_the_rows():
    assert tables.render() == tables.PAGE.read_text("utf-8")


def test_the_page_shows_what_is_measured(tmp_path):
    cells = {"clean": {"accuracy": 0.5, "interval": [0.25, 0.75], "n": 4}}
    cells["fgsm-naive-0.3"] = {"accuracy": 0.125, "interval": [0.1, 0.2], "n": 4}
    (tmp_path / "qusecnets").mkdir()
    (tmp_path / "qusecnets/natural-cq-2.json").write_text(json.dumps({"cells": cells}))
    page = tables.render(tmp_path)
    assert "| CQ, n = 2 | 50.0 [25.0, 75.0] | 97.51 | · | 12.5 [10.0, 20.0] | · | · | · |" in page


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.json")), ids=lambda path: path.stem)
def test_rows_are_whole_and_small(path: Path):
    row = json.loads(path.read_text("utf-8"))
    assert {"seed", "data", "cells"} <= set(row)
    assert row["cells"]
    assert path.stat().st_size < 40_000
