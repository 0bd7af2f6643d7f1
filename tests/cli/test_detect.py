"""`turtlenet detect`: a detector's file, the report's folder, and one line on bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import turtlenet as tn
from tests.cli.conftest import listing
from tests.detection.conftest import drawn, unsure  # noqa: F401
from turtlenet import models

FIT = ("--attack", "fgsm", "--eps", "0.15", "--draws", "6", "--attack-draws", "3")
NAMES = ("report.json", "report.md", "report.html", "histogram.png", "roc.png", "report.sha256")


@pytest.fixture(scope="module")
def box(unsure, tmp_path_factory) -> Path:  # noqa: F811
    """A random model, its data, and a detector that was fitted on them."""
    folder = tmp_path_factory.mktemp("box")
    models.save(unsure, folder / "unsure.h5")
    parts = {"train": drawn(60, 2), "test": drawn(60, 3)}
    arrays = {f"{kind}_{name}": part for name, both in parts.items() for kind, part in zip("xy", both, strict=True)}
    np.savez(folder / "data.npz", **arrays)
    np.savez(folder / "test-only.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    (folder / "text.json").write_text("no detector\n")
    made = tn.fit_detector(
        folder / "unsure.h5", folder / "data.npz", attacks=["fgsm"], eps=0.15, draws=6, attack_draws=3
    )
    made.save(folder / "detector.json")
    return folder


def test_fit_writes_the_detectors_file(box, cli, away) -> None:
    result = cli("detect", "fit", box / "unsure.h5", "--data", box / "data.npz", *FIT)
    assert (result.code, result.err) == (0, "")
    assert list(listing(away)) == ["unsure-detector.json"]
    found = tn.FittedDetector.load(away / "unsure-detector.json")
    assert result.out == f"{found}\n\nsaved unsure-detector.json\n"
    python = tn.FittedDetector.load(box / "detector.json")
    assert (found.detector, found.points, found.scores) == (python.detector, python.points, python.scores)
    assert found.model["sha256"] == models.file_sha256(box / "unsure.h5")


def test_score_writes_a_report(box, cli, away) -> None:
    result = cli(
        *("detect", "score", box / "unsure.h5", box / "detector.json", "--data", box / "data.npz", "--report", "r"),
        *("--limit", "30", "--adaptive", "undetected:steps=5,step_size=0.4"),
    )
    assert (result.code, result.err) == (0, "")
    assert set(listing(away)) == {"r", *(f"r/{name}" for name in NAMES)}
    found = tn.Detection.from_json((away / "r" / "report.json").read_text())
    assert result.out == f"{found}\n\nreport: r/report.html\n"
    assert (found.data["count"], found.draws, found.attack_draws, found.seed) == (30, 6, 3, 1)
    assert [row.name for row in found.rows] == ["fgsm", "undetected", "undetected"]
    assert found.doubts[0].code == "knowing-attacker"
    for name in ("histogram.png", "roc.png"):
        with Image.open(away / "r" / name) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_another_model_gets_one_line(box, unsure, cli, away) -> None:  # noqa: F811
    other = models.copy(unsure)
    other.layers[-1].set_weights([each + 1 for each in other.layers[-1].get_weights()])
    models.save(other, away / "other.h5")
    result = cli("detect", "score", "other.h5", box / "detector.json", "--data", box / "data.npz")
    assert (result.code, result.out) == (2, "")
    assert "Expected the model that the detector was fitted on, unsure with sha256" in result.err
    assert result.err.count("\n") == 1 and list(listing(away)) == ["other.h5"]


def refused(cli: Any, away: Path, words: str, *args: Any) -> None:
    result = cli(*args)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("turtlenet: ") and words in result.err and result.err.count("\n") == 1
    assert listing(away) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--draws 1", "Expected draws >= 2, whose answers can differ; got 1."),
        ("--detector logistics", "Unknown detector 'logistics'. Did you mean 'logistic'?"),
        ("--detector squeezing:bits=9", "Expected bits from 0 to 8; got 9."),
        ("--detector squeezing:median=7", "Expected a window of at most 6 pixels for squeezing; got 7."),
        ("--detector kernel-density:layer=nothing", "Unknown layer 'nothing' of unsure"),
        ("--detector logistic:slope=2", "Unknown setting 'slope' of detector 'logistic'."),
        ("--detector together:parts=(pca;pcb)", "Unknown detector 'pcb'. Did you mean 'pca'?"),
        ("--attack pgdd", "Unknown attack 'pgdd'. Did you mean 'pgd'?"),
        ("--out d.txt", "Expected --out with the suffix .json; got 'd.txt'."),
        ("--out no/d.json", "there is no folder no"),
        ("--eps -1", "Expected eps >= 0"),
        ("--limit -1", "Expected a whole number, 0 or more; got '-1'."),
    ],
)
def test_bad_input_to_fit(options, words, box, cli, away) -> None:
    refused(cli, away, words, "detect", "fit", box / "unsure.h5", "--data", box / "data.npz", *options.split())


def test_a_model_without_random_layers(shelf, cli, away) -> None:
    words = "Expected a model that draws random numbers when it answers"
    refused(cli, away, words, "detect", "fit", shelf / "good.h5", "--data", shelf / "data.npz")


def test_data_without_a_part_to_fit_on(box, cli, away) -> None:
    words = "to fit on that is not the test part; got test images only."
    refused(cli, away, words, "detect", "fit", box / "unsure.h5", "--data", box / "test-only.npz")


@pytest.mark.parametrize(
    ("detector", "options", "words"),
    [
        ("text.json", "", "Expected a detector that turtlenet wrote; got"),
        ("missing.json", "", "No such file or directory"),
        ("detector.json", "--adaptive undetectd", "Did you mean 'undetected'?"),
        ("detector.json", "--adaptive undetected:steps=0", "Expected steps from 1"),
        ("detector.json", "--attack-draws 1", "Expected attack_draws >= 2"),
    ],
)
def test_bad_input_to_score(detector, options, words, box, cli, away) -> None:
    args = ("detect", "score", box / "unsure.h5", box / detector, "--data", box / "data.npz", *options.split())
    refused(cli, away, words, *args)


def test_neither_fit_nor_score(cli, away) -> None:
    refused(cli, away, "Unknown command 'detect fitt'. Did you mean 'fit'?", "detect", "fitt")


def test_the_detectors_are_listed(cli) -> None:
    assert set(json.loads(cli("list", "detectors", "--json").out)) >= {"logistic", "mixture"}
