"""Help under headings, with examples that can be typed, and completion by the shell."""

import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from tests.cli.conftest import environment
from tests.cli.test_config import leaves
from turtlenet.cli.app import turtlenet
from turtlenet.cli.command import GROUPS, Command
from turtlenet.cli.completion import FAMILY_OF
from turtlenet.cli.families import FAMILIES

COMMANDS = dict(leaves(turtlenet))


def test_the_options_of_train_stand_under_headings() -> None:
    text = CliRunner().invoke(turtlenet, ["train", "--help"], terminal_width=80).output
    assert max(map(len, text.splitlines())) <= 80
    headings = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == [group for group in GROUPS if group in headings] + ["Examples"] and len(headings) >= 9
    sizes = {}
    for param in COMMANDS["train",].params:
        if isinstance(param, click.Option):
            sizes[param.group] = sizes.get(param.group, 0) + 1
    assert max(sizes.values()) <= 14 and sizes["Options"] == 1


@pytest.mark.parametrize("words", [words for words, found in COMMANDS.items() if isinstance(found, Command)])
def test_examples_can_be_typed(words) -> None:
    """Each is a line of a command whose options there are, short enough for a terminal of 80 columns."""
    command = COMMANDS[words]
    assert command.examples
    text = CliRunner().invoke(turtlenet, [*words, "--help"], terminal_width=80).output
    for what, line in command.examples:
        assert len(line) <= 78 and f"\n  # {what}\n  {line}\n" in text
        program, *args = shlex.split(line)
        assert program == "turtlenet"
        _parse(args)


def test_the_examples_of_the_first_page_can_be_typed() -> None:
    text = CliRunner().invoke(turtlenet, ["--help"], terminal_width=80).output
    lines = [line.strip() for line in text.partition("Examples:")[2].splitlines() if "  turtlenet" in line]
    assert len(lines) == 3 and max(map(len, text.splitlines())) <= 80
    for line in lines:
        _parse(shlex.split(line)[1:])


def _parse(args: list[str]) -> None:
    """Takes a line apart as Click does, and runs nothing."""
    group, context = turtlenet, click.Context(turtlenet, info_name="turtlenet")
    while isinstance(group, click.Group):
        name, group, args = group.resolve_command(context, args)
        assert group is not None
        context = click.Context(group, parent=context, info_name=name)
    if "--help" not in args:
        group.make_context(name, args, parent=context)


@pytest.mark.parametrize(
    ("typed", "word", "wanted"),
    [
        ([], "tr", {"train"}),
        (["gan"], "", {"train", "show"}),
        (["train", "model.h5"], "--pre", {"--preset", "--precision"}),
        (["train", "model.h5", "--preset"], "", {"quick", "balanced", "strong"}),
        (["list"], "su", {"suites"}),
        (["train", "model.h5", "--attack"], "pg", {"pgd"}),
        (["train", "model.h5", "--attack"], "clever", {"cleverhans:"}),
        (["train", "model.h5", "--defence"], "bit", {"bit-depth"}),
        (["evaluate", "model.h5", "--suite"], "gano", {"gano-2019"}),
        (["new"], "le", {"lenet"}),
        (["trian"], "", None),
    ],
)
def test_the_shell_completes(typed, word, wanted) -> None:
    complete = BashComplete(turtlenet, {}, "turtlenet", "_TURTLENET_COMPLETE")
    found = {item.value for item in complete.get_completions(typed, word)}
    assert wanted is None or found == wanted


def test_the_shell_completes_a_model_to_files() -> None:
    complete = BashComplete(turtlenet, {}, "turtlenet", "_TURTLENET_COMPLETE")
    for typed in (["train"], ["inspect"], ["evaluate", "a.h5"], ["train", "a.h5", "--extra"]):
        assert [item.type for item in complete.get_completions(typed, "mo")] == ["file"]


def test_the_options_whose_names_the_shell_completes_exist() -> None:
    options = {param.opts[0].lstrip("-") for command in COMMANDS.values() for param in command.params}
    assert set(FAMILY_OF) <= options and set(FAMILY_OF.values()) <= set(FAMILIES)


def test_the_shell_completes_a_name_and_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    complete = BashComplete(turtlenet, {}, "turtlenet", "_TURTLENET_COMPLETE")
    found = complete.get_completions(["train", "model.h5", "--data"], "m")
    assert [(item.value, item.type) for item in found] == [
        ("mnist", "plain"),
        ("mnist-sample", "plain"),
        ("mine.npz", "plain"),
    ]
    assert found[0].help == "Handwritten digits"


SHELLS = {
    "bash": """
    eval "$(_TURTLENET_COMPLETE=bash_source turtlenet)"
    COMP_WORDS=(turtlenet train --pres); COMP_CWORD=2
    _turtlenet_completion turtlenet
    echo "${COMPREPLY[@]}"
    """,
    # Its completion asks for a terminal: what it would be given is printed in its place.
    "zsh": """
    compdef() { }; compadd() { print -l -- $completions }
    _describe() { print -l -- ${completions_with_descriptions%%:*} }
    eval "$(_TURTLENET_COMPLETE=zsh_source turtlenet)"
    words=(turtlenet train --pres); CURRENT=3
    _turtlenet_completion
    """,
    "fish": """
    _TURTLENET_COMPLETE=fish_source turtlenet | source
    complete -C "turtlenet train --pres" | string split --fields 1 \\t
    """,
}
"""The lines of the guide, and what a shell does when its user presses the tab key."""


@pytest.mark.parametrize("shell", [each for each in SHELLS if shutil.which(each)])
def test_shells_complete(shell, tmp_path) -> None:
    program = tmp_path / "turtlenet"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m turtlenet "$@"\n')
    program.chmod(0o755)
    found = environment() | {"HOME": str(tmp_path)}
    found["PATH"] = f"{tmp_path}:{found['PATH']}"
    run = subprocess.run([shell, "-c", SHELLS[shell]], env=found, capture_output=True, text=True, check=True)
    assert run.stdout == "--preset\n"
