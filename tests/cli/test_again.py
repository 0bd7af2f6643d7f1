"""“To run it again” must run: the command that a report prints gives the same report, for each kind of data."""

import dataclasses
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import turtlenet as tn
from tests.conftest import ROOT
from turtlenet import models
from turtlenet.evaluation.results.load import load
from turtlenet.evaluation.views.again import call, command
from turtlenet.reports import markdown

QUICK = ("--attack", "noise:draws=1", "--eps", "0", "--curve", "0")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leaves out what takes longer than all the rest: plots (the page has the same command), and the probe."""
    monkeypatch.setattr("turtlenet.reports.page.render", lambda document: "")
    monkeypatch.setattr("turtlenet.evaluation.gather._PROBED", 0)


def printed(folder: Path) -> list[str]:
    """The words of the command in a report's page, as a shell takes them apart."""
    (text,) = re.findall(r"To run it again:\n\n```sh\n(.*?)\n```", (folder / "report.md").read_text(), flags=re.DOTALL)
    assert text == command(load(folder))
    said = subprocess.run(
        ["bash", "-c", f"turtlenet() {{ printf '%s\\0' \"$@\"; }}\n{text}"], capture_output=True, check=True
    )
    return said.stdout.decode().split("\0")[:-1]


def found(folder: Path) -> dict[str, Any]:
    """What a report says, without what differs from run to run."""
    report = json.loads((folder / "report.json").read_text())
    for row in report["attacks"]:
        row.pop("seconds")
    keys = ("model", "data", "threat", "seed", "mode", "attacks", "verdicts", "parts", "curve", "robust_accuracy")
    return {key: report[key] for key in keys}


def check(cli, *line: Any) -> list[str]:
    first = cli(*line, "--report", "first")
    assert first.code == 0, first.err
    again = printed(Path("first"))
    assert again[0] == "evaluate"
    result = cli(*again, "--report", "second")
    assert result.code == 0, result.err
    assert found(Path("second")) == found(Path("first"))
    return again


def pictures(folder: Path, arrays: dict[str, np.ndarray], parts: bool) -> None:
    """Images by class, with parts or without."""
    for part in ("train", "test"):
        for number, (x, y) in enumerate(zip(arrays[f"x_{part}"][:12], arrays[f"y_{part}"], strict=False)):
            place = folder / (part if parts else "") / f"class {y}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((x[..., 0] * 255).astype("uint8")).save(place / f"{part}-{number}.png")


@pytest.mark.parametrize("kind", ["npz", "npy folder", "hdf5", "images", "images without parts", "function"])
def test_the_command_runs_for_each_kind_of_data(kind, shelf, cli, away, monkeypatch):
    place = away / 'it\'s a "folder" $HOME'
    place.mkdir()
    arrays = dict(np.load(shelf / "data.npz"))
    if kind == "npz":
        np.savez(place / "pics test.npz", **arrays)
        data = f"{place.name}/pics test.npz"
    elif kind == "hdf5":
        data = str(shelf / "data.hdf5")
    elif kind == "npy folder":
        data = str(shelf / "mapped")
    elif kind == "function":
        (away / "readers_of_mine.py").write_text(
            f"import numpy as np\ndef read():\n    return dict(np.load({str(shelf / 'data.npz')!r}))\n"
        )
        monkeypatch.syspath_prepend(str(away))
        data = "readers_of_mine:read"
    else:
        pictures(place / "pics", arrays, kind == "images")
        data = f"./{place.name}/pics"
    again = check(cli, "evaluate", shelf / "good.h5", "--data", data, *QUICK, "--limit", "9")
    assert again[again.index("--data") + 1] == data
    assert again[again.index("--split") + 1] == ("all" if kind == "images without parts" else "test")


def test_the_command_runs_for_a_named_sample(cli, away):
    (away / "-odd name.h5").write_bytes((ROOT / "models" / "mnist-wong.h5").read_bytes())
    line = ("evaluate", "./-odd name.h5", *QUICK, "--limit", "5", "--split", "train", "--data", "mnist-sample")
    again = check(cli, *line, "--seed", "3")
    assert again[1] == "./-odd name.h5" and again[again.index("--data") + 1] == "mnist-sample"


def test_every_option_that_matters_is_repeated(shelf, cli, away):
    """A model that hides its gradient is attacked in both ways: the command says so once, not twice."""
    models.save(tn.wrap(shelf / "good.h5", "constant-quantization:levels=8"), away / "shield.h5")
    line = ("evaluate", "shield.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--eps", "0")
    more = ("--mode", "cascade", "--labels", "true", "--quantize-pixels", "--curve", "6")
    more += ("--precision", "bfloat16", "--head", "softmax", "--bounds", "0,1", "--limit", "8", "--norm", "linf")
    again = check(cli, *line, *more)
    assert [again[at + 1] for at, word in enumerate(again) if word == "--attack"] == [
        "fgsm:gradient=naive",
        "fgsm",
    ]
    words = " ".join(again)
    for said in ("--precision bfloat16", "--head softmax", "--curve 6", "--gradient adaptive", "--quantize-pixels"):
        assert said in words


def test_what_was_in_memory_says_how_to_call(shelf):
    arrays = np.load(shelf / "data.npz")
    x, y = arrays["x_test"][:6], arrays["y_test"][:6]
    settings = {"attacks": ["noise:draws=1"], "curve": 0, "eps": 0}
    model = tn.load_model(shelf / "good.h5")
    for given, data in ((str(shelf / "good.h5"), (x, y)), (model, str(shelf / "data.npz"))):
        report = tn.evaluate(given, data, **settings)
        assert command(report) is None
        text = call(report)
        assert text.startswith("turtlenet.evaluate(\n") and f"\n```python\n{text}\n```" in _page(report)
        again = eval(text, {"turtlenet": tn, "model": model, "x": x, "y": y})
        assert (again.verdicts, again.data, again.threat) == (report.verdicts, report.data, report.threat)


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        {"bounds": (np.zeros(2), np.array([200.0, 1.0])), "eps": (5, 0.1), "constraints": ["integer:features=0"]},
        {"bounds": (0, 200), "eps": ("3%", 1.0), "movable": (True, False)},
        {"bounds": (0, 200), "eps": 0.5, "normalize": {"mean": np.array([100.0, 0.5]), "std": [50.0, 0.25]}},
    ],
)
def test_what_is_said_by_arrays_is_repeated(said):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    x = np.array([[20, 0.5], [150, 0.25], [70, 1]], "float32")
    y = model.predict(x, verbose=0).argmax(axis=1)
    report = tn.evaluate(model, (x, y), attacks=["noise:draws=1"], curve=0, limit=3, **said)
    assert command(report) is None and json.loads(json.dumps(report.to_dict(), allow_nan=False))
    again = eval(call(report), {"turtlenet": tn, "model": model, "x": x, "y": y})
    assert (again.verdicts, again.threat, again.asked) == (report.verdicts, report.threat, report.asked)


def _page(report) -> str:
    return markdown.render(report.document())


def test_a_report_of_an_older_version_names_the_data_without_its_part(shelf):
    arrays = np.load(shelf / "data.npz")
    report = tn.evaluate(
        str(shelf / "good.h5"), (arrays["x_test"][:4], arrays["y_test"][:4]), attacks=["noise"], eps=0, curve=0
    )
    old = report.to_dict()
    del old["asked"], old["parts"]
    old["data"] = {"name": "pics test", "count": 4, "sha256": "0"}
    read = type(report).from_dict(old)
    assert "--data pics \\" in command(read) and call(read) is None
    # No digit of a number is lost, and a name cannot leave its quotes or its line.
    threat = {**report.threat, "eps": 8 / 255, "bounds": [-0.4242129623889923, 1.0]}
    wild = dataclasses.replace(read, threat=threat, model={"path": "a\nb'; rm -rf \udcff \\"})
    said = subprocess.run(
        ["bash", "-c", f"turtlenet() {{ printf '%s\\0' \"$@\"; }}\n{command(wild)}"], capture_output=True, check=True
    ).stdout.split(b"\0")
    assert said[1] == b"a\nb'; rm -rf \xff \\" and "\nb" not in command(wild)
    assert repr(8 / 255).encode() in said and b"-0.4242129623889923,1" in said
