"""An option is one field of a dataclass: the command line, Python, recipes and resumed runs have it from there."""

import importlib
import inspect
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import turtlenet as tn
from turtlenet.cli.options import settings_options
from turtlenet.errors import SettingError, SpecError, TurtlenetError
from turtlenet.ranges import count, one_of, share
from turtlenet.settings import recipes
from turtlenet.settings.attack import AttackSettings
from turtlenet.settings.base import flag_of, options, setting, table, takes
from turtlenet.settings.detect import FitSettings, ScoreSettings
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.settings.fronts import FrontSettings, ShowFrontSettings
from turtlenet.settings.gan import GanSettings, ShowSettings
from turtlenet.settings.measure import ToleranceSettings, UniversalSettings
from turtlenet.settings.train import TrainSettings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class More(TrainSettings):
    """Training with options that are nowhere but here."""

    twist: float = share(0.5, "How much of each image is turned.", note="a share of the images")
    turns: int | None = count(None, low=1, help="Turns of an image.")
    colour: str | None = one_of(None, ("red", "blue"), "What colour it has.")
    shown: bool = setting(False, "Whether to show it.", identity="never", recipe=False)


def given(*args: str) -> dict[str, Any]:
    """What a command with these settings is given."""
    found: dict[str, Any] = {}

    @click.command()
    @settings_options(More)
    def command(**settings: Any) -> None:
        found.update(settings)

    result = CliRunner().invoke(command, args)
    assert result.exit_code == 0, result.output
    return found


def test_a_field_is_an_option_of_the_command_line() -> None:
    assert given("--twist", "0.25", "--colour", "red", "--epochs", "3") == {
        "twist": 0.25,
        "colour": "red",
        "epochs": 3,
    }
    assert given() == {}

    @click.command()
    @settings_options(More)
    def command(**settings: Any) -> None: ...

    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "--twist FLOAT How much of each image is turned. [default: 0.5]" in text
    assert "--colour TEXT What colour it has. (red or blue)" in text


def test_a_field_is_an_argument_of_the_function() -> None:
    @takes(More)
    def train(model: Any, data: Any = None, **settings: Any) -> Any:
        """Trains.

        Args:
            model: A model.
            **settings: Those of `More`.
        """

    parameter = inspect.signature(train).parameters["twist"]
    assert (parameter.default, parameter.annotation, parameter.kind) == (0.5, float, parameter.KEYWORD_ONLY)
    assert "        twist: How much of each image is turned.\n" in (train.__doc__ or "")
    assert list(inspect.signature(tn.train).parameters)[:2] == ["model", "data"]
    assert {field.name for field in options(TrainSettings)} < set(inspect.signature(tn.train).parameters)


def test_a_field_is_a_key_of_a_recipe(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recipes, "KEYS", recipes.keys_of(More))
    path = tmp_path / "more.toml"
    path.write_text('twist = 1\ncolour = "blue"\nepochs = 2\n', "utf-8")
    assert recipes.with_recipe({"recipe": str(path), "epochs": 5}) == {
        "recipe": str(path),
        "twist": 1,
        "colour": "blue",
        "epochs": 5,
    }
    path.write_text('twist = "much"\n', "utf-8")
    with pytest.raises(SpecError, match="Expected a number for 'twist' in recipe"):
        recipes.find(str(path))
    path.write_text("shown = true\n", "utf-8")
    with pytest.raises(SpecError, match="Unknown key 'shown' in recipe"):
        recipes.find(str(path))


def test_a_field_tells_a_run_from_another() -> None:
    # What has its default is not noted, so that the states of older versions can be continued.
    assert More().noted() == TrainSettings().noted()
    assert More(twist=0.25, turns=2, shown=True).noted(always=False) == {"twist": 0.25, "turns": 2}
    assert TrainSettings().noted() == {
        "epochs": None,
        "steps_per_epoch": 0,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "optimizer": "adam",
        "seed": 0,
        "generator_moves": 1,
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"twist": 2}, "Expected twist from 0 to 1, a share of the images; got 2."),
        ({"twist": "much"}, "Expected twist as a number; got 'much' (str)."),
        ({"turns": 0}, "Expected turns >= 1; got 0."),
        ({"colour": "bleu"}, "Unknown colour 'bleu'. Did you mean 'blue'?"),
        ({"callbacks": [3]}, "Expected callbacks as a Callback; got a list of 3 (int)."),
    ],
)
def test_a_field_has_its_type_and_its_range(settings, words) -> None:
    with pytest.raises(TurtlenetError) as caught:
        More(**settings)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("command", "function", "kind"),
    [
        ("attack", "attack", AttackSettings),
        ("defence show", "show_front", ShowFrontSettings),
        ("defence train", "train_front", FrontSettings),
        ("detect fit", "fit_detector", FitSettings),
        ("detect score", "score_detector", ScoreSettings),
        ("evaluate", "evaluate", EvaluateSettings),
        ("gan show", "show_generator", ShowSettings),
        ("gan train", "train_generator", GanSettings),
        ("tolerance", "tolerance", ToleranceSettings),
        ("train", "train", TrainSettings),
        ("universal", "universal", UniversalSettings),
    ],
)
def test_every_field_is_an_option_and_an_argument(command, function, kind) -> None:
    name, _, part = command.partition(" ")
    found: Any = importlib.import_module(f"turtlenet.cli.{name}").command
    found = found.commands[part] if part else found
    flags = {flag for parameter in found.params for flag in parameter.opts}
    assert {flag_of(field) for field in options(kind) if flag_of(field)} <= flags
    parameters = inspect.signature(getattr(tn, function)).parameters
    assert {field.name: field.default for field in options(kind)} == {
        name: each.default for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY
    }


def test_an_unknown_setting_is_one_line() -> None:
    with pytest.raises(SettingError) as caught:
        tn.train("model.h5", epoch=3)
    assert str(caught.value) == "Unknown setting 'epoch' of turtlenet.train. Did you mean 'epochs'?"


def test_an_option_is_named_in_no_other_file() -> None:
    """A new option touches `turtlenet/settings/train.py` alone, and what works with it."""
    places = {
        path.relative_to(ROOT / "turtlenet").as_posix()
        for path in (ROOT / "turtlenet").rglob("*.py")
        if "validation_attack" in path.read_text("utf-8")
    }
    assert places == {
        "settings/train.py",
        "training/run/hardening.py",
        "training/trainer.py",
        "workflows/train.py",
        "training/run/setup.py",
    }


def test_the_page_is_what_the_fields_say() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert table(TrainSettings) in page, "python -m turtlenet.settings > docs/settings.md"
    printed = subprocess.run([sys.executable, "-m", "turtlenet.settings"], capture_output=True, text=True, check=True)
    assert printed.stdout == page
    assert "`--validation-attack`" in page
