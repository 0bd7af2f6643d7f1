"""Finds import paths, which run code, among the values of a file of options that nobody named."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from turtlenet.errors import SpecError
from turtlenet.reproduction import paper
from turtlenet.settings import recipes, suites

__all__ = ["code_in"]

_FIRST = re.compile(r"[^:,;()=]*")
_LIBRARIES = re.compile(r"(?:^|[,;(])\s*(?:art|cleverhans|foolbox)$")
"""What stands before the colon in names of other libraries' attacks."""
_ADDRESS = re.compile(r"^mlflow:(?:.*,)?uri=(?:file|https?)$")
_OF_ATTACKS = ("attack", "objective")
"""Options in which such names may stand."""


def code_in(option: str, said: Any) -> str:
    """The first import path in the value of an option, or in the suite, recipe or paper that it names; else empty.

    Args:
        option: Name of the option, without its dashes.
        said: What was said: a text, several, or a switch.
    """
    texts = [each for each in (said if isinstance(said, tuple) else (said,)) if isinstance(each, str)]
    return next((path for text in texts for path in (*_paths(option, text), *_within(option, text))), "")


def _paths(option: str, text: str) -> Iterator[str]:
    """Each `package.module:Name`: a name after a colon that no value follows. A module's file may have any name."""
    for mark in re.finditer(":", text):
        before, after = text[: mark.start()], text[mark.end() :]
        name = _FIRST.match(after)[0]  # type: ignore[index]
        if not name.strip().isidentifier() or after[len(name) :].startswith("="):
            continue
        known = _ADDRESS if option == "log" else _LIBRARIES if option in _OF_ATTACKS else None
        if before.strip() and not (known and known.search(before)):
            yield re.split(r"[,;(]", before)[-1].strip() + f":{name.strip()}"


def _within(option: str, text: str) -> Iterator[str]:
    """Import paths in the file that a text names, if it is that of a suite, a recipe or a paper."""
    if option == "papers":
        yield from _within_paper(text)
        return
    find: Any = None
    if option in ("recipe", "preset"):
        find = recipes.find
    elif option == "suite" or (option == "attack" and text.endswith(".toml")):
        find = suites.find
    try:
        found = find(text) if find else None
    except SpecError:  # The command refuses it.
        return
    settings = {} if found is None else found.settings if option in ("recipe", "preset") else {"attack": found.attacks}
    for each in _texts(settings):
        yield from _paths("attack", each)
        if each.endswith(".toml") and option != "attack":
            yield from _within("attack", each)


def _within_paper(name: str) -> Iterator[str]:
    """Import paths in a paper, and in the suites and recipes that it names."""
    try:
        rows = paper.find(name).rows
    except SpecError:  # The command refuses it.
        return
    for row in rows:
        yield from _within("recipe", row.recipe)
        for cell in row.cells:
            yield from _within("suite", str(cell.settings.get("suite", "")))
        for each in _texts([row.train, row.net, *(cell.settings for cell in row.cells)]):
            yield from _paths("attack", each)
            if each.endswith(".toml"):
                yield from _within("attack", each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
