"""What the shell completes: words of a list, and the names that options take."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

__all__ = ["FAMILY_OF", "of_family", "starting"]

FAMILY_OF = {
    "architecture": "models",
    "attack": "attacks",
    "augment": "augmentations",
    "constraint": "constraints",
    "data": "datasets",
    "defence": "defences",
    "detector": "detectors",
    "extra": "datasets",
    "log": "trackers",
    "objective": "objectives",
    "recipe": "recipes",
    "suite": "suites",
    "task": "tasks",
    "validation-attack": "attacks",
    "validation-data": "datasets",
    "wrapper": "wrappers",
}
"""Options, without their dashes, and the family whose names they take."""
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def starting(words: Sequence[str]) -> Completer:
    """Completes what is typed to one of some words."""
    return lambda ctx, param, typed: _items(dict.fromkeys(words, ""), typed)


def of_family(family: str) -> Completer:
    """Completes what is typed to a name of a family, and to files whose names begin so."""

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        # Read where a shell asks, so that --help waits for no settings.
        from turtlenet.cli.families import described

        names = _items(described(family), typed)
        # Bash takes files from the shell only where it is given no names.
        return [*names, *_files(typed)] if names else [CompletionItem(typed, type="file")]

    return complete


def _items(words: Mapping[str, str], typed: str) -> list[CompletionItem]:
    """Words and what they are; of another library's things the shell knows the library alone."""
    found = {word.removesuffix("NAME"): line for word, line in words.items() if word}
    return [CompletionItem(word, help=_short(line)) for word, line in found.items() if word.startswith(typed)]


def _files(typed: str) -> list[CompletionItem]:
    """The files of a folder that begin with what is typed, once a letter of their names is."""
    folder, slash, first = typed.rpartition("/")
    place = Path(f"{folder}{slash}" or ".")
    names = sorted(path.name for path in place.iterdir()) if first and place.is_dir() else []
    return [CompletionItem(f"{folder}{slash}{name}") for name in names if name.startswith(first)]


def _short(line: str) -> str | None:
    """A line up to its first comma, at which click's script for fish ends it, or its first parenthesis."""
    return re.split(r", | \(|\.$", line)[0] or None
