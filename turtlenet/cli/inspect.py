"""`turtlenet inspect`: what a model file is."""

import click

from turtlenet.cli.options import framework, loading_options


@click.command("inspect")
@click.argument("model")
@loading_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(model: str, as_json: bool) -> None:
    """Says what MODEL is, and whether it loads safely; nothing of the file is executed."""
    framework()
    from turtlenet import models

    found = models.inspect(model)
    click.echo(found.to_json() if as_json else found.to_text())
