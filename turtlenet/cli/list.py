"""`turtlenet list`: what there is to choose from."""

import json

import click

from turtlenet.cli.command import Command, option
from turtlenet.cli.completion import starting
from turtlenet.cli.families import FAMILIES, described
from turtlenet.errors import SpecError, did_you_mean

_EXAMPLES = (
    ("each attack in a line", "turtlenet list attacks"),
    ("for scripts", "turtlenet list suites --json"),
)


@click.command("list", cls=Command, examples=_EXAMPLES)
@click.argument("family", default="attacks", shell_complete=starting(FAMILIES))
@option("--json", "as_json", group="Output", is_flag=True, help="For machines.")
def command(family: str, as_json: bool) -> None:
    """Lists attacks, augmentations, constraints, datasets, defences, detectors, models, objectives, recipes, suites,
    tasks, trackers or wrappers.

    Each is told in a line. No framework is started for it.
    """
    if family not in FAMILIES:
        raise SpecError(f"Unknown family {family!r}.{did_you_mean(family, FAMILIES)}")
    entries = described(family)
    if as_json:
        click.echo(json.dumps(entries, indent=1))
        return
    width = max(map(len, entries), default=0)
    for name, line in entries.items():
        click.echo(f"{name:{width}}  {line}".rstrip())
