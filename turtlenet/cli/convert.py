"""`turtlenet convert`: a model file of any Keras in, one of Keras 3 out."""

from pathlib import Path

import click

from turtlenet.cli.command import MODEL, Command
from turtlenet.cli.options import framework, loading_options
from turtlenet.cli.output import give

_EXAMPLES = (("a file of Keras 1 or 2 as one of Keras 3", "turtlenet convert old.h5 new.keras"),)


@click.command("convert", cls=Command, examples=_EXAMPLES)
@click.argument("old", type=MODEL)
@click.argument("new", type=click.Path(path_type=Path))
@loading_options
def command(old: str, new: Path) -> None:
    """Loads OLD, whatever Keras wrote it, and writes NEW (.keras, .h5 or .hdf5); what was changed is printed."""
    framework()
    from turtlenet import models
    from turtlenet.data.parts import TRAINED_ON, trained_on

    models.check_writable(new)
    found = models.inspect(old)
    model = models.load(old)
    seen = {TRAINED_ON: entries} if (entries := trained_on(old)) else {}
    models.save(model, new, provenance={"converted_from": found.sha256, "written_by": found.writer, **seen})
    for rule in found.rules:
        click.echo(f"  {rule.line()}")
    give(
        {
            "out": new,
            "parameters": model.count_params(),
            "compiled": bool(model.compiled),
            "writer": found.writer,
            "rules": [rule.line() for rule in found.rules],
        }
    )
    state = "with" if model.compiled else "without"
    click.echo(f"saved {new}: {model.count_params():,} parameters, {state} compiled state; from {found.writer}")
