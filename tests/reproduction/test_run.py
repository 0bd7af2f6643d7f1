"""Rows are measured figure by figure, and a run that was stopped continues."""

import json

import numpy as np
import pytest

from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.reproduction.row import Row, share
from turtlenet.reproduction.run import write_page
from turtlenet.reproduction.workshop import Tools
from turtlenet.version import __version__


def test_a_stopped_run_continues(bench):
    """Stopped in the second row, it measures what is missing and trains nothing again."""

    def stopped(*args, **settings):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(tools=Tools(bench.train, stopped))
    one, two = bench.folder / "out/results/tiny/one.json", bench.folder / "out/results/tiny/two.json"
    kept, first = json.loads(two.read_text()), one.read_text()
    assert set(kept["cells"]) == {"clean", "fgsm-0.1", "fgsm-0.3"} and len(bench.trained) == 1
    bench.said.clear()
    result = bench()
    found = json.loads(two.read_text())
    assert result["figures"] == 7 and result["missing"] == 0 and one.read_text() == first
    assert {name: found["cells"][name] for name in kept["cells"]} == kept["cells"] and "worst" in found["cells"]
    assert len(bench.trained) == 1 and sum(line.startswith("  ") for line in bench.said) == 2
    assert found["quick"] is True and found["cells"]["worst"]["n"] == 16
    assert found["cells"]["worst"]["accuracy"] <= found["cells"]["clean"]["accuracy"]
    # What is there costs nothing, and is a page.
    bench.said.clear()
    assert bench()["expected_seconds"] == 0.0 and "cost: nothing: all figures of 2 rows are there" in bench.said
    page = bench.folder / "page.md"
    write_page(["tiny"], bench.folder / "out", page)
    text = page.read_text("utf-8")
    assert "A trial (`--quick`)" in text and "512 training images" in text
    clean = json.loads(first)["cells"]["clean"]
    assert f"| One | 50.0 | {100 * clean['accuracy']:.1f} [" in text and "| color |  | not run | not run | " in text
    # Another seed, epochs or number of images is another folder's.
    for asked in (
        {"seed": 1},
        {"epochs": 3},
        {"train_images": 100},
        {"limit": 8},
        {"quick": False, "data": "mnist-sample"},
    ):
        with pytest.raises(SettingError, match="Expected figures of the same settings in .*one.json; got "):
            bench(**asked, rows=["one"])
    # So is what the paper's file says of a figure, or of the net, in the meantime.
    file = bench.folder / "papers" / "tiny.toml"
    written = file.read_text("utf-8")
    for then, now in (('attack = "fgsm:keep=last"', 'attack = "pgd:steps=2"'), ('"wong-mnist"', '"lenet"')):
        file.write_text(written.replace(then, now, 1), "utf-8")
        with pytest.raises(SettingError, match="Expected figure '.*' of the same settings in .*; got (attack|net) "):
            bench(rows=["one"])


def test_the_cost_is_said_first_and_nothing_else_done(bench):
    result = bench(cost_only=True, rows=["one"])
    assert not bench.trained and not (bench.folder / "out").exists()
    assert (result["figures"], result["missing"]) == (0, 3) and result["expected_seconds"] > 0
    # 512 images in four batches, and one image's gradient for each of 16 images and two radii.
    assert any("tiny/one: 3 figures: 4 steps, 544 gradients, about" in line for line in bench.said)
    assert "not run" not in " ".join(bench.said) and "embedded, since no --data was given" in bench.said[1]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (
            "epochs = 2\nwarmup = 2",
            "Expected warmup from 0 to 1, a share of the run; got 2, in the training of tiny/one",
        ),
        ("epohcs = 2", "Unknown setting 'epohcs' of the training of tiny/one. Did you mean 'epochs'"),
    ],
)
def test_settings_that_training_would_refuse_are_refused_first(bench, now: str, words: str):
    file = bench.folder / "papers" / "tiny.toml"
    file.write_text(file.read_text("utf-8").replace("epochs = 2", now, 1), "utf-8")
    with pytest.raises((SettingError, SpecError), match=words):
        bench()
    assert not bench.trained and not (bench.folder / "out").exists()


def test_what_lacks_its_data_is_left_out_or_refused(bench):
    bench(cost_only=True)
    assert bench.said[0] == "not run without --cifar NAME|PATH: tiny/color"
    with pytest.raises(DataError, match=r"Expected --cifar NAME\|PATH for row tiny/color; got none."):
        bench(rows=["color"])
    with pytest.raises(SpecError, match=r"Unknown row 'oen' of tiny. Did you mean 'one'\?"):
        bench(rows=["one,oen"])


def test_figures_of_two_versions_do_not_meet(tmp_path):
    path = tmp_path / "row.json"
    cell = {"accuracy": 0.5, "versions": {"turtlenet": "0.0.1"}}
    path.write_text(json.dumps({"seed": 0, "cells": {"clean": cell}}))
    with pytest.raises(SettingError, match=f"Expected figures of turtlenet {__version__} in .*; got some of 0.0.1"):
        Row(path, {"seed": 0}).check_version()
    with pytest.raises(SettingError, match=r"got seed 0 \(now 1\): give another --out"):
        Row(path, {"seed": 1})


@pytest.mark.parametrize("text", ["[1, 2", "[]", '{"cells": [1]}', '{"seed": 0}', '{"cells": {"clean": 3}}'])
def test_a_damaged_row_is_refused(text, tmp_path):
    (tmp_path / "row.json").write_text(text)
    with pytest.raises(SettingError, match="Expected a row at .*; got something else"):
        Row(tmp_path / "row.json", {})


def test_shares_have_intervals():
    assert share(np.array([True, True, False, False])) == {"accuracy": 0.5, "interval": [0.150039, 0.849961], "n": 4}
    # Nothing is known of what nothing was measured of.
    assert share(np.array([], bool)) == {"accuracy": 0.0, "interval": [0.0, 1.0], "n": 0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "row"),
    [
        ("guan", "2-bit"),
        ("readings", "readings-trainable"),
        ("taran", "mnist/permuted"),
        ("advgan", "a"),
        ("suites", "qusecnets-natural-cq-2"),
        ("rivals", "jpeg"),
    ],
)
def test_each_kind_of_row_is_measured(paper, row, tmp_path, monkeypatch):
    from tests.conftest import ROOT
    from turtlenet.reproduction.run import reproduce
    from turtlenet.settings.reproduce import ReproduceSettings
    from turtlenet.workflows.evaluate import evaluate
    from turtlenet.workflows.train import harden_model

    monkeypatch.chdir(ROOT)
    options = ReproduceSettings(quick=True, rows=[row], train_images=256, limit=16, tell=lambda line: None)
    assert reproduce([paper], tmp_path, options, Tools(harden_model, evaluate))["missing"] == 0
    found = next((tmp_path / "results").rglob("*.json"))
    cells = json.loads(found.read_text())["cells"]
    if paper == "guan":
        assert {"s", "m"} <= set(cells["clean"]) and cells["undetected"]["draws"] == 2
        assert cells["undetected"]["attack"].startswith("undetected:")
        assert cells["uncertainty-fgsm"]["mu_attacked"] != cells["uncertainty-fgsm"]["mu_clean"]
    if paper == "taran":
        assert cells["cw-key"]["median"] >= 0 and cells["square-0.3"]["gradients"] == 0
        assert next((tmp_path / "models").rglob("a.key")).stat().st_mode & 0o077 == 0
    if paper == "rivals":
        assert cells["pgd-naive-0.3"]["gradient"] == "naive" and cells["pgd-dct-0.3"]["surrogate"] == "dct"
        assert cells["adaptive-0.3"]["doubts"]
