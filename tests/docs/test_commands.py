"""Every command line in the documentation has a command and options that exist, with values of their types."""

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator

import click
import pytest

from tests.docs.pages import PAGES, Block, blocks
from turtlenet.cli import main
from turtlenet.cli.app import turtlenet

SHELL = ("", "sh", "bash", "console")
ALL = [block for page in PAGES for block in blocks(page)]


def commands(text: str) -> Iterator[str]:
    """The lines of a shell that call turtlenet, continued lines joined, without what comes before or after a pipe."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:\||&&|;|>|2>)\s?", line.strip().removeprefix("$ ")):
            words = re.sub(r"^(?:[A-Z_]+=\S* +)+", "", part.strip())
            if re.match(r"turtlenet +(?!=)\S", words):
                yield words


COMMANDS = [(block, line) for block in ALL if block.language in SHELL for line in commands(block.text)]


def check(line: str) -> None:
    """Reads a command line as click does, and runs nothing.

    Raises:
        click.ClickException: An unknown command or option, or a value of another type.
    """
    words = shlex.split(line, comments=True)[1:]
    context = click.Context(turtlenet, info_name="turtlenet")
    command: click.Command = turtlenet
    while isinstance(command, click.Group):
        if not words or words[0] in ("--help", "-h", "--version"):
            return
        if words[0].isupper() or words[0] == "...":  # COMMAND: any
            return
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    if {"--help", "-h"} & set(words):
        return
    # Whether a file exists is the reader's affair: only names and the number of values are read here.
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{block.place} {line}" for block, line in COMMANDS])
def test_commands_exist(block: Block, line: str):
    try:
        check(line)
    except click.ClickException as error:
        pytest.fail(f"{block.place}: {line}\n{error.format_message()}")


@pytest.mark.parametrize(
    "line",
    [
        "turtlenet trian model.h5",
        "turtlenet train model.h5 --epoch-count 3",
        "turtlenet gan shwo x",
        "turtlenet list --no",
    ],
)
def test_what_does_not_exist_is_found(line):
    with pytest.raises(click.ClickException):
        check(line)


def test_commands_are_found():
    text = "KERAS_BACKEND=jax turtlenet train \\\n  a.h5 | jq .x\n$ turtlenet list attacks > a.txt\nturtlenet = x\n"
    assert [shlex.split(line) for line in commands(text)] == [
        ["turtlenet", "train", "a.h5"],
        ["turtlenet", "list", "attacks"],
    ]
    assert callable(main) and len(COMMANDS) > 40


@pytest.mark.parametrize("block", [each for each in ALL if each.language == "python"], ids=lambda block: block.place)
def test_python_can_be_read(block: Block):
    ast.parse(textwrap.dedent(block.text))
