"""`turtlenet wrap`, and what the other commands make of a defended model."""

import json

import keras
import pytest

from turtlenet.models import load


@pytest.fixture()
def wrapped(cli, demo_path, tmp_path):
    """The demo's model behind two levels."""
    path = tmp_path / "wrapped.h5"
    said = cli("wrap", demo_path, "--defence", "constant-quantization:sharpness=80", "--out", path)
    assert said.code == 0
    assert said.out == (
        f"saved {path}: constant-quantization:sharpness=80.0, then mnist-wong.h5; it loads after `import turtlenet`\n"
    )
    return path


def test_layers_from_the_input_on(cli, demo_path, tmp_path) -> None:
    path = tmp_path / "two.keras"
    specs = ["--defence", "constant-quantization:levels=4", "--defence", "trainable-quantization:shared=true"]
    assert cli("wrap", demo_path, *specs, "--out", path).code == 0
    assert [type(layer).__name__ for layer in load(path).layers[1:3]] == [
        "ConstantQuantization",
        "TrainableQuantization",
    ]
    assert isinstance(load(path).layers[3], keras.Model)


def test_a_report_has_the_naive_and_the_adaptive_number(cli, wrapped, tmp_path) -> None:
    few = ("--limit", "60", "--curve", "0", "--eps", "0.4")
    said = cli("evaluate", wrapped, "--attack", "pgd:steps=10", *few, "--report", tmp_path / "r")
    assert said.code == 0
    found = json.loads((tmp_path / "r" / "report.json").read_text("utf-8"))
    assert [row["spec"] for row in found["attacks"]] == ["pgd:steps=10,gradient=naive", "pgd:steps=10"]
    naive, adaptive = (row["accuracy"] for row in found["attacks"])
    assert adaptive < naive and found["robust_accuracy"] <= adaptive
    assert "masked-by-defence" in {doubt["code"] for doubt in found["doubts"]}
    assert found["model"]["defences"] == [
        {"defence": "constant-quantization:sharpness=80.0", "adaptive": "the same sum with a smaller z"}
    ]
    assert found["threat"]["gradient"] == "adaptive"


@pytest.mark.parametrize(("how", "doubted"), [("naive", True), ("adaptive", False)])
def test_one_way_of_taking_gradients(how, doubted, cli, wrapped, tmp_path) -> None:
    few = ("--limit", "30", "--curve", "0", "--attack", "fgsm", "--gradient", how)
    assert cli("evaluate", wrapped, *few, "--report", tmp_path / how).code == 0
    found = json.loads((tmp_path / how / "report.json").read_text("utf-8"))
    assert len(found["attacks"]) == 1 and found["threat"]["gradient"] == how
    assert ("naive-gradient" in {doubt["code"] for doubt in found["doubts"]}) == doubted


def test_training_behind_a_defence(cli, demo_path, tmp_path) -> None:
    out = tmp_path / "trained.h5"
    few = ("--epochs", "1", "--steps-per-epoch", "2", "--validation", "32", "--attack", "fgsm")
    assert cli("train", demo_path, "--defence", "trainable-quantization", *few, "--out", out).code == 0
    layer = load(out).layers[1]
    assert float(keras.ops.max(keras.ops.abs(layer.moved))) > 0


def test_the_recipe_and_what_counts_more(cli, demo_path, tmp_path) -> None:
    out = tmp_path / "trained.h5"
    few = ("--epochs", "1", "--steps-per-epoch", "1", "--validation", "16")
    assert cli("train", demo_path, "--recipe", "qusecnets-cq", *few, "--out", out).code == 0
    model = load(out)
    assert str(model.layers[1]) == "constant-quantization"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["wrap"], "Missing option '--defence' or '--normalize'."),
        (["wrap", "--defence", "quantisation"], "Unknown defence 'quantisation'."),
        (["wrap", "--defence", "constant-quantization:levels=1"], "Expected levels >= 2; got 1."),
        (
            ["wrap", "--defence", "mc-dropout:where=pool"],
            "Expected pool layers before the last one for mc-dropout; 'wong_mnist' has none.",
        ),
        (["wrap", "--defence", "mc-dropout:rate=1"], "Expected rate < 1; got 1.0."),
        (["wrap", "--defence", "jpeg:quality=101"], "Expected quality from 1 to 100; got 101."),
        (["wrap", "--defence", "median-filter:size=29"], "Expected size <= 28 for inputs of 28 x 28; got 29."),
        (["wrap", "--defence", "resize-pad:size=20"], "Expected size > 28 to resize images of 28 x 28 and pad them; "),
        (["wrap", "--defence", "thermometer:levels=1"], "Expected levels from 2 to 256; got 1."),
        (["wrap", "--defence", "gaussian-noise:sigma=-1"], "Expected sigma > 0, in input units; got -1.0."),
        (["evaluate", "--gradient", "exact"], "Unknown gradient 'exact'. Known: adaptive, naive."),
        (["evaluate", "--draws", "0"], "Expected draws >= 1; got 0."),
        (["train", "--recipe", "none"], "Unknown recipe 'none'."),
        (["train", "--defence", "constant-quantization:form=v3"], "Unknown form 'v3'. Did you mean 'v2'?"),
    ],
)
def test_bad_input_is_one_line(arguments, line, cli, demo_path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli(arguments[0], demo_path, *arguments[1:])
    assert said.code == 2 and said.err.startswith("turtlenet: ") and line in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value"), [("--classes", "a,b"), ("--weight", "w"), ("--label", "l"), ("--drop", "d")]
)
def test_columns_without_data_are_refused(option, value, cli, demo_path, tmp_path) -> None:
    out = tmp_path / "w.h5"
    said = cli("wrap", demo_path, "--defence", "bit-depth", option, value, "--out", out)
    assert (said.code, said.err) == (2, f"turtlenet: Expected --data for {option}; got none: leave it out.\n")
    assert not out.exists()
