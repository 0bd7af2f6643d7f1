"""`turtlenet list`, `turtlenet inspect`, and help without a framework."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import environment
from tests.conftest import ROOT

SLOW = {"keras", "tensorflow", "jax", "numpy", "scipy", "matplotlib", "h5py"}
"""What `turtlenet --help` and the like do without."""
FAMILIES = {
    "attacks": {"bim", "fgsm", "madry", "mim", "noise", "pgd", "rfgsm"},
    "augmentations": {"cifar", "crop", "cutout", "flip", "mnist", "shift"},
    "datasets": {"cifar10", "cifar100", "fashion_mnist", "mnist", "mnist-sample"},
    "objectives": {"madry", "natural"},
    "suites": {"gano-2019", "quick"},
    "models": {"cleverhans", "lenet", "resnet18", "wong-mnist"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_line_on_each_of_its_names(family, cli, away):
    listed = json.loads(cli("list", family, "--json").out)
    assert set(listed) >= FAMILIES[family]
    assert all(listed.values())
    lines = cli("list", family).out.splitlines()
    assert [line.split()[0] for line in lines] == list(listed)


def test_attacks_are_listed_if_no_family_is_named(cli):
    assert cli("list").out == cli("list", "attacks").out


def test_a_suite_of_the_working_directory_is_listed(shelf, cli, away):
    (away / "attacks").mkdir()
    (away / "attacks" / "ours.toml").write_bytes((shelf / "mine.toml").read_bytes())
    assert json.loads(cli("list", "suites", "--json").out)["ours"] == "Mine"


def test_inspect_says_what_a_file_is(shelf, cli):
    found = json.loads(cli("inspect", shelf / "good.h5", "--json").out)
    assert (found["input_shape"], found["num_classes"], found["attackable"]) == ([None, 8, 8, 1], 4, True)
    assert (found["optimizer"], found["loss"]) == ("Adam", "sparse_categorical_crossentropy")
    assert found["parameters"] == 40 + 36 * 4 * 4 + 4
    text = cli("inspect", shelf / "good.h5").out
    assert "safe: yes" in text
    assert "can be attacked and hardened: yes" in text
    assert json.loads(cli("inspect", shelf / "wide.h5", "--json").out)["input_range"] == [0, 255]


def test_inspect_describes_what_cannot_be_attacked(shelf, cli):
    result = cli("inspect", shelf / "regression.h5", "--json")
    found = json.loads(result.out)
    assert (result.code, found["attackable"]) == (0, False)
    assert "regression" in found["why_not"]


LIGHT = {
    ("--help",): {"turtlenet.settings.base", "turtlenet.files.toml_files"},
    ("--version",): {"turtlenet.settings.base", "turtlenet.files.toml_files"},
    ("train", "--help"): {"turtlenet.settings.gan", *SLOW},
    ("trian",): SLOW,
    ("evaluate", "-h"): SLOW,
    ("list", "suites"): SLOW,
    ("list", "recipes"): SLOW,
    ("list", "attacks"): SLOW,
    ("list", "defences", "--json"): SLOW,
    ("rank", "models", "--out", "board"): {"keras", "tensorflow", "jax", "torch", "turtlenet.backend", "matplotlib"},
}
"""Commands that answer at once, and what each does without."""


def test_help_and_files_wait_for_no_framework(tmp_path):
    """One process for all, in which nothing is unloaded: the first to import something is the one that is told."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    code = (
        "import sys\nfrom turtlenet.cli import main\n"
        f"for line, without in {LIGHT!r}.items():\n"
        "    try:\n        main(list(line))\n    except SystemExit as end:\n        code = end.code\n"
        "    print(line, code, sorted(without & set(sys.modules)), file=sys.__stderr__)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    told = [line for line in run.stderr.splitlines() if line.startswith("(")]
    assert told == [f"{line} {2 if line == ('trian',) else 0} []" for line in LIGHT], run.stderr
    assert (tmp_path / "board" / "leaderboard.html").is_file()


def test_help_names_every_command(cli):
    out = cli("--help").out
    assert all(f"  {name} " in out for name in ("attack", "evaluate", "inspect", "list", "train"))


def test_another_backend_is_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "turtlenet", "new", "lenet"],
        env={**os.environ, "KERAS_BACKEND": "theano"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "turtlenet: Expected the Keras backend tensorflow, jax or torch; got 'theano' by KERAS_BACKEND.\n"
    )


@pytest.mark.parametrize("line", [(), ("gan",), ("detect",)])
def test_a_bare_group_prints_its_help(line, cli):
    bare = cli(*line)
    assert (bare.code, bare.err) == (0, "")
    assert bare.out == cli(*line, "--help").out and "\n\nCommands:\n  " in bare.out
