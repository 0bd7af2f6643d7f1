"""`turtlenet key`: a secret for keyed defences."""

from pathlib import Path

import click

from turtlenet.cli.command import Command
from turtlenet.cli.options import Text, framework
from turtlenet.cli.output import give
from turtlenet.settings import text

_EXAMPLES = (
    ("make a key, and harden a model behind it", "turtlenet key secret.key"),
    ("then", "turtlenet train model.h5 --defence permutation:key=secret.key"),
)


@click.command("key", cls=Command, examples=_EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--bits", type=Text(text.count), help="How long the key is, from 256; by default enough to permute 4,096 pixels."
)
def command(path: Path, bits: int | None) -> None:
    """Writes a new random key to PATH, which only you can read, for --defence permutation:key=PATH and its like.

    A model file does not hold its key: commands find it by TURTLENET_KEY_FILE=PATH (several as in PATH, with a colon)
    or by its digits in TURTLENET_KEY. Without the key the model is lost.
    """
    framework()
    from turtlenet.defences import keyed_draws, write_key

    length = keyed_draws.bits_of_permutation(4096) if bits is None else bits
    write_key(path, length)
    give({"out": path, "bits": 8 * ((length + 7) // 8)})
    click.echo(f"saved {path}: a key of {8 * ((length + 7) // 8):,} bits; whoever has it has the defence")
