"""`turtlenet inspect`: what a model file is."""

import click

from turtlenet.cli.command import MODEL, Command, option
from turtlenet.cli.options import framework, loading_options

_EXAMPLES = (("before anything else, of a file from elsewhere", "turtlenet inspect model.h5"),)


@click.command("inspect", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@loading_options
@option("--json", "as_json", group="Output", is_flag=True, help="For machines.")
def command(model: str, as_json: bool) -> None:
    """Says what MODEL is, and whether it loads safely; nothing of the file is executed."""
    framework()
    from turtlenet import models

    found = models.inspect(model)
    click.echo(found.to_json() if as_json else found.to_text())
