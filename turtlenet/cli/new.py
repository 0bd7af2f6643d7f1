"""`turtlenet new`: an architecture with fresh weights, to be trained from its start."""

from pathlib import Path

import click

from turtlenet.cli.command import Command, output_option
from turtlenet.cli.completion import of_family
from turtlenet.cli.options import framework
from turtlenet.cli.output import give
from turtlenet.errors import SettingError, at_least

_EXAMPLES = (("an untrained LeNet for gray images, to be trained", "turtlenet new lenet --out lenet.h5"),)


@click.command("new", cls=Command, examples=_EXAMPLES)
@click.argument("architecture", shell_complete=of_family("models"))
@click.option("--shape", default="28,28,1", show_default=True, help="Height, width and channels; 40 for a row.")
@click.option("--classes", type=int, default=10, show_default=True, help="Classes to tell apart.")
@click.option("--seed", type=int, default=0, show_default=True, help="Repeats the weights.")
@output_option("--out", "The model; ARCHITECTURE.h5 by default.")
def command(architecture: str, shape: str, classes: int, seed: int, out: Path | None) -> None:
    """Writes ARCHITECTURE, a name of `turtlenet list models` or cnn7:width=24, with fresh weights, to be trained."""
    at_least(0, seed=seed)
    framework()
    import keras

    from turtlenet import models
    from turtlenet.workflows.models import save_model

    target = out or Path(f"{architecture.partition(':')[0]}.h5")
    sides = shape.split(",")
    if not all(side.strip().isdigit() and int(side) for side in sides):
        raise SettingError(f"Expected --shape as height,width,channels such as 28,28,1, or 40 for mlp; got {shape!r}.")
    models.check_writable(target)
    keras.utils.set_random_seed(seed % 2**32)
    model = models.build(architecture, tuple(map(int, sides)), classes)
    save_model(model, target, provenance={"source": {"name": architecture, "seed": seed}})
    give({"out": target, "architecture": architecture, "parameters": model.count_params(), "seed": seed})
    click.echo(f"saved {target}: {architecture} with {model.count_params():,} fresh weights, seed {seed}")
