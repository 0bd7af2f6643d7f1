"""Recipes: found by name or path, checked, and given to a run."""

import re
from pathlib import Path

import keras
import pytest
from keras import layers

import turtlenet
from turtlenet import models
from turtlenet.defences import defences
from turtlenet.errors import SettingError, SpecError
from turtlenet.settings import recipes
from turtlenet.training import objectives


@pytest.mark.parametrize("name", recipes.names())
def test_ready_recipes(name) -> None:
    recipe = recipes.find(name)
    assert recipe.title and recipe.source and recipe.settings
    assert "title" not in recipe.settings
    for spec in recipe.settings.get("defences", ()):
        assert str(defences.build(spec)).partition(":")[0] == spec.partition(":")[0]
    assert recipe.settings.get("objective", "madry").partition(":")[0] in objectives.names()


def test_the_page_lists_every_recipe() -> None:
    page = (Path(__file__).parents[2] / "defences" / "README.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    ready = {path.stem for path in (Path(__file__).parents[2] / "defences").glob("*.toml")}
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} >= ready


@pytest.mark.parametrize("name", [name for name in recipes.names() if not name.startswith("mnist-")])
def test_the_defences_of_a_recipe_go_around_a_model(name, monkeypatch) -> None:
    monkeypatch.setenv("TURTLENET_KEY", "5a" * 8192)
    convolution = layers.Conv2D(2, 3, activation="relu")
    parts = [keras.Input((16, 16, 1)), convolution, layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)]
    wrapped = models.wrap(keras.Sequential(parts), recipes.find(name).settings.get("defences", []))
    assert len(models.defences_of(wrapped)) >= len(recipes.find(name).settings.get("defences", []))


@pytest.mark.parametrize("name", ["taran-permutation", "taran-sign-flip", "taran-orthogonal"])
def test_a_keyed_recipe_without_a_key_is_one_line(name, demo_path, digits, monkeypatch) -> None:
    for variable in ("TURTLENET_KEY", "TURTLENET_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SettingError) as caught:
        turtlenet.train(demo_path, digits.train.batch(slice(0, 64)), recipe=name)
    assert str(caught.value).startswith("Expected a key: key=PATH, key=env:NAME, TURTLENET_KEY_FILE or TURTLENET_KEY;")


def test_the_working_directory_comes_first(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "defences"
    folder.mkdir()
    (folder / "mine.toml").write_text('title = "Mine"\nepochs = 3\nlearning_rate = 1\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    assert "mine" in recipes.names() and "qusecnets-cq" in recipes.names()
    assert recipes.find("mine").settings == {"epochs": 3, "learning_rate": 1}
    assert recipes.find("defences/mine.toml") == recipes.find("mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "Unknown key 'epoch' in recipe .*bad.toml. Did you mean 'epochs'?"),
        ("epochs = 2.5", "Expected a whole number for 'epochs' in recipe .*bad.toml; got 2.5."),
        ("epochs = true", "Expected a whole number for 'epochs' in recipe .*bad.toml; got True."),
        ("eps = 'big'", "Expected eps in input units .*; got 'big' in recipe .*bad.toml."),
        (
            "defences = 'mc-dropout'",
            "Expected a list of strings for 'defences' in recipe .*; got 'mc-dropout'.",
        ),
        ("defences = [1]", "Expected a list of strings for 'defences' in recipe"),
        ("epochs = ", "Expected TOML in .*bad.toml; got: "),
    ],
)
def test_bad_recipes(text, words, tmp_path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SpecError, match=words):
        recipes.find(str(path))


def test_no_such_recipe(tmp_path) -> None:
    with pytest.raises(SpecError, match="Unknown recipe 'guan-dropout'. Did you mean 'guan-mc-dropout'?"):
        recipes.find("guan-dropout")
    with pytest.raises(SpecError, match="Expected a recipe at .*none.toml; got: No such file"):
        recipes.find(str(tmp_path / "none.toml"))


def test_a_run_takes_its_recipe(demo_path: Path, digits, tmp_path) -> None:
    path = tmp_path / "short.toml"
    path.write_text('defences = ["constant-quantization:levels=3"]\nobjective = "natural"\nepochs = 900\n', "utf-8")
    model = turtlenet.train(
        demo_path,
        digits.train.batch(slice(0, 64)),
        recipe=str(path),
        epochs=1,
        validation=0,
        batch_size=32,
        tell=lambda line: None,
    )
    assert model.layers[1].levels == 3 and model.compiled
