"""`turtlenet init`: a file of options for a model and its data."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, output_option
from turtlenet.cli.config import NAME
from turtlenet.cli.options import check_file, data_option, framework, loading_options, settings_options
from turtlenet.cli.output import give
from turtlenet.errors import OutputError
from turtlenet.settings.init import InitSettings

_EXAMPLES = (
    ("look at a model and your data, and write turtlenet.toml", "turtlenet init model.h5 --data mine.npz"),
    ("a table", "turtlenet init model.h5 --data rows.csv --label outcome"),
    ("one of several outputs", "turtlenet init model.h5 --data mine.npz --output digit"),
    ("a file of another name", "turtlenet init model.h5 --out mine.toml"),
)


@click.command("init", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@data_option
@settings_options(InitSettings)
@loading_options
@output_option("--out", "The file.", default=NAME, show_default=True)
def command(model: str, data: str | None, out: Path, **given: Any) -> None:
    """Writes a file of options for MODEL, after looking at it and at its data; asks nothing.

    A few hundred examples are classified. The file is plain TOML with a comment for each choice, to be edited; a file
    that is there already is left as it is.
    """
    check_file(out, ".toml")
    if out.exists():
        raise OutputError(f"Expected no file at {out} yet; there is one: pass another --out, or remove it.")
    framework()
    from turtlenet.files import write_whole
    from turtlenet.workflows.init import init

    text = init(model, data, tell=partial(click.echo, err=True), **given)
    write_whole(out, lambda file: file.write(text.encode()))
    give({"out": out, "text": text})
    more = "" if str(out) == NAME else f" --config {out}"
    click.echo(f"{text}\nsaved {out}; next: turtlenet train{more}, or turtlenet evaluate{more}")
