"""`turtlenet list`: what there is to choose from."""

import importlib
import inspect
import json
from collections.abc import Callable
from typing import Any

import click

from turtlenet.cli.command import Command, option, starting
from turtlenet.cli.options import framework
from turtlenet.errors import SpecError, did_you_mean

_FAMILIES = (
    "attacks",
    "augmentations",
    "datasets",
    "defences",
    "detectors",
    "models",
    "objectives",
    "recipes",
    "suites",
    "wrappers",
)


_EXAMPLES = (
    ("each attack in a line", "turtlenet list attacks"),
    ("for scripts", "turtlenet list suites --json"),
)


@click.command("list", cls=Command, examples=_EXAMPLES)
@click.argument("family", default="attacks", shell_complete=starting(_FAMILIES))
@option("--json", "as_json", group="Output", is_flag=True, help="For machines.")
def command(family: str, as_json: bool) -> None:
    """Lists attacks, augmentations, datasets, defences, detectors, models, objectives, recipes, suites or wrappers.

    Each is told in a line.
    """
    if family not in _FAMILIES:
        raise SpecError(f"Unknown family {family!r}.{did_you_mean(family, _FAMILIES)}")
    entries = _titles(family) if family in ("recipes", "suites") else _entries(family)
    if as_json:
        click.echo(json.dumps(entries, indent=1))
        return
    width = max(map(len, entries), default=0)
    for name, line in entries.items():
        click.echo(f"{name:{width}}  {line}".rstrip())


def _titles(family: str) -> dict[str, str]:
    """What is told of files, which needs no framework."""
    files: Any = importlib.import_module(f"turtlenet.settings.{family}")
    return {name: files.find(name).title for name in files.names()}


def _entries(family: str) -> dict[str, str]:
    framework()
    from turtlenet import attacks, data, defences, detection, models, training

    registry: Any = {
        "attacks": attacks.attacks,
        "augmentations": training.augmentations,
        "datasets": data.datasets,
        "defences": defences.defences,
        "detectors": detection.detectors,
        "models": models.architectures,
        "objectives": training.objectives,
        "wrappers": training.wrappers,
    }[family]
    others = {f"{name}:NAME": _first_line(registry.factory(name)) for name in registry.families()}
    return {name: _first_line(registry.factory(name)) for name in registry.names()} | others


def _first_line(factory: Callable[..., Any]) -> str:
    return (inspect.getdoc(factory) or "").partition("\n")[0]
