"""What a command says, for people or for machines: `--json` and `--quiet`, the same for every command."""

import contextlib
import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import Option

_RESULT = "turtlenet.result"
_OWN = "as_json"
"""A command with a `--json` of its own has nothing else to say."""


def give(result: Any) -> None:
    """Hands over what a command found, which `--json` prints: a report, or a mapping of plain data."""
    click.get_current_context().meta[_RESULT] = result


def finish(result: Any, folder: Path | None, file: str, word: str) -> None:
    """Hands over and prints a result, and where its page or picture is.

    Args:
        result: A report.
        folder: Where it was written; None where it was not.
        file: What to look at there.
        word: What that is: `report`.
    """
    give(result)
    click.echo(str(result))
    if folder:
        click.echo(f"\n{word}: {folder / file}")


def with_output(command: click.Command) -> click.Command:
    """Adds `--json` and `--quiet` to a command, or to those of a group; once, however often it is asked."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            with_output(each)
        return command
    names = {parameter.name for parameter in command.params}
    if command.callback is None or names & {_OWN, "quiet"}:
        return command
    command.params += [
        Option(["--json", "json_"], group="Output", is_flag=True, help="Print the result as JSON, and nothing else."),
        Option(["--quiet"], group="Output", is_flag=True, help="Print nothing but errors."),
    ]
    command.callback = _around(command.callback)
    return command


def _around(callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def run(*args: Any, json_: bool, quiet: bool, **settings: Any) -> Any:
        if not (json_ or quiet):
            return callback(*args, **settings)
        with _words_elsewhere(quiet):
            code = callback(*args, **settings)
        result = click.get_current_context().meta.get(_RESULT)
        if json_ and result is not None:
            click.echo(_json(result))
        return code

    return run


@contextlib.contextmanager
def _words_elsewhere(quiet: bool) -> Iterator[None]:
    """Sends what is said on stdout to stderr, or nowhere; errors stay on stderr."""
    from turtlenet import bars

    with contextlib.ExitStack() as stack:
        if quiet:
            stack.enter_context(bars.hidden())
        nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8")) if quiet else sys.stderr
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield


def _plain(value: Any) -> Any:
    """What JSON has: numbers of NumPy as numbers, what is not finite as null, paths as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _json(result: Any) -> str:
    if isinstance(result, Mapping):
        return json.dumps(_plain(result), indent=1, allow_nan=False)
    text: str = result.to_json()
    return text
