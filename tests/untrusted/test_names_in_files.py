"""What comes out of a file names registered things alone: nothing is imported, called or opened because it says so."""

import json
import os
import sys

import pytest

import turtlenet as tn
from turtlenet import attacks
from turtlenet.attacks.from_file import attack_from_file
from turtlenet.data.named import read_named
from turtlenet.defences import defences
from turtlenet.errors import DataError, ModelError, SpecError, TurtlenetError
from turtlenet.keras_files.load import _made
from turtlenet.registry import parse_spec
from turtlenet.training import objectives
from turtlenet.training.run.provenance import training_of

AROUND = [
    "{}",
    "worst-of:attacks=({};fgsm)",
    "mixed:attacks=(fgsm;{})",
    "restarts:attack=({}),count=2",
    "targets:attack=({})",
    "averaged:attack=({})",
    "worst-of:attacks=(fgsm;restarts:attack=(worst-of:attacks=({};pgd)))",
]


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module in the working directory that leaves a mark when it is imported."""
    (tmp_path / "trap_module.py").write_text(
        "open('imported', 'w').close()\nfrom turtlenet.attacks import PGD as Mine\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "imported"
    sys.modules.pop("trap_module", None)
    attacks.ensembles.base._built.cache_clear()


def recipe(attack):
    ball = {"norm": "linf", "eps": 0.1, "bounds": [0, 1]}
    return {"recipe": {"epochs": 1, "objective": {"name": "madry", "attack": attack, "ball": ball}}}


@pytest.mark.parametrize("around", AROUND)
def test_a_file_imports_nothing(around, trap) -> None:
    spec = around.format("trap_module:Mine")
    with pytest.raises(SpecError, match="registered names alone|Unknown attack"):
        attack_from_file(spec)
    name, settings, _ = parse_spec(spec) if "=" in spec else (spec, {}, {})
    assert training_of(recipe({"name": name, **settings})).missing
    assert not trap.exists()
    # What the user typed may be imported, and is no more known to a file for it.
    attacks.build(spec)
    assert trap.exists()
    with pytest.raises(SpecError):
        attack_from_file(spec)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("reader", ["advgan:generator=it", "universal:file=it", "transfer:source=it"])
def test_a_file_opens_no_other_file(around, reader, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("it")
    with pytest.raises(SpecError, match="that reads no file in a file"):
        attack_from_file(around.format(reader))
    name, settings, _ = parse_spec(around.format(reader))
    assert "reads no file" in training_of(recipe({"name": name, **settings})).missing


def test_a_file_still_tells_what_it_may() -> None:
    assert str(attack_from_file("worst-of:attacks=(pgd:steps=3;noise)")) == "worst-of:attacks=(pgd:steps=3;noise)"
    assert not training_of(recipe(attacks.build("mixed:attacks=(pgd:steps=3;fgsm)").to_dict())).missing


def test_augmentations_of_a_file_are_registered_ones(trap) -> None:
    said = recipe(attacks.build("fgsm").to_dict())
    good = training_of({"recipe": {**said["recipe"], "augment": ["crop:padding=2", "flip"]}})
    assert good.settings["augment"] == ["crop:padding=2", "flip"] and not good.missing
    for bad in (["trap_module:Mine"], "flip", 3, [{}]):
        assert training_of({"recipe": {**said["recipe"], "augment": bad}}).missing
    assert not trap.exists()
    extra = training_of({"recipe": {**said["recipe"], "extra": {"name": "more.npz", "share": 0.5}}})
    assert extra.missing == "it was trained on extra data too (more.npz), which are not in its file"


def test_wrappers_of_a_file_are_registered_ones(trap) -> None:
    said = recipe(attacks.build("fgsm").to_dict())
    good = training_of({"recipe": {**said["recipe"], "wrappers": [{"name": "ema", "decay": 0.9}]}})
    assert good.settings["wrappers"] == [{"name": "ema", "decay": 0.9}] and not good.missing
    for bad in ([{"name": "trap_module:Mine"}], [{"name": "ema", "decay": 2}], ["ema"], 3, "ema", [{}]):
        assert training_of({"recipe": {**said["recipe"], "wrappers": bad}}).missing
    assert not trap.exists()


def test_an_entry_point_is_installed_and_known_by_its_name(monkeypatch) -> None:
    entry = type("Entry", (), {"name": "theirs", "load": staticmethod(lambda: attacks.PGD)})
    monkeypatch.setattr(attacks.attacks, "_entry_points", lambda: {"theirs": entry})
    monkeypatch.setattr(attacks.attacks, "_factories", dict(attacks.attacks._factories))
    assert isinstance(attack_from_file("theirs:steps=2"), attacks.PGD)


@pytest.mark.parametrize("deep", [40, 200, 5000])
def test_an_attack_that_nests_too_deep_is_one_line(deep) -> None:
    spec = "fgsm"
    for _ in range(deep):
        spec = f"restarts:attack=({spec})"
    for build in (attacks.build, attack_from_file):
        with pytest.raises(SpecError, match="at most 30 deep") as caught:
            build(spec)
        assert len(str(caught.value)) < 300


CALLED: list[str] = []


def needs(value):
    CALLED.append(value)


@pytest.mark.parametrize("path", ["subprocess:getoutput", "os:system", f"{__name__}:needs", "os:getcwd", "os:environ"])
@pytest.mark.parametrize("build", [attacks.build, defences.build, objectives.build])
def test_what_is_no_such_class_is_never_called(build, path) -> None:
    with pytest.raises(SpecError, match="Expected a class derived from"):
        build(path)
    assert not CALLED


@pytest.mark.parametrize("path", ["subprocess:getoutput", "os:system", f"{__name__}:needs", "os:environ", "os:sep"])
def test_what_needs_arguments_gives_no_data_and_no_model(path) -> None:
    for make, kind in ((read_named, SpecError), (_made, SpecError)):
        with pytest.raises(kind, match="Expected a function"):
            make(path)
    assert not CALLED


@pytest.mark.parametrize("path", ["sys:exit", "os:getcwd", "os:times"])
def test_what_gives_something_else_is_one_line(path) -> None:
    with pytest.raises(DataError) as caught:
        read_named(path)
    with pytest.raises(TurtlenetError):
        _made(path)
    assert "\n" not in str(caught.value)


def test_a_detectors_file_imports_nothing(trap, tmp_path) -> None:
    for spec in ("trap_module:Mine", "worst-of:attacks=(trap_module:Mine)"):
        with pytest.raises(SpecError):
            attack_from_file(json.loads(json.dumps(spec)))
    assert not trap.exists()


@pytest.mark.parametrize("key", ["it", "env:SECRET", "/dev/zero"])
def test_a_keyed_layer_in_a_file_says_no_place_of_a_key(key, tmp_path, monkeypatch) -> None:
    import keras

    monkeypatch.chdir(tmp_path)
    os.mkfifo("it")
    monkeypatch.setenv("SECRET", "ab" * 40)
    monkeypatch.setenv("TURTLENET_KEY", "cd" * 40)
    model = keras.Sequential([keras.Input((4, 4, 1)), defences.build("permutation"), keras.layers.Flatten()])
    model.save("m.h5")
    said = json.loads(json.dumps(model.get_config()))
    layer = said["layers"][1]["config"]
    for change in ({"key": key}, {"seal": ""}, {"key": key, "seal": ""}):
        layer_now = {**layer, **change}
        text = json.dumps(
            {
                "class_name": "Sequential",
                "config": {
                    **said,
                    "layers": [said["layers"][0], {**said["layers"][1], "config": layer_now}, said["layers"][2]],
                },
            }
        )
        _describe("m.h5", text)
        with pytest.raises(ModelError, match="Expected the seal of a key in a keyed layer's description"):
            tn.load_model("m.h5")


def _describe(path, text):
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = text
