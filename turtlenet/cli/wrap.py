"""`turtlenet wrap`: layers around a model, no training."""

from pathlib import Path

import click

from turtlenet.cli.options import Text, framework, loading_options
from turtlenet.settings import text


@click.command("wrap")
@click.argument("model")
@click.option(
    "--defence", "defences", multiple=True, required=True, help="constant-quantization:levels=4; from the input on."
)
@click.option("--bounds", type=Text(text.bounds), help="Smallest and largest pixel, e.g. 0,255; told from the model.")
@click.option("--out", type=click.Path(path_type=Path), help="The wrapped model; MODEL-defended.h5 by default.")
@loading_options
def command(model: str, defences: tuple[str, ...], bounds: tuple[float, float] | None, out: Path | None) -> None:
    """Puts defences in front of MODEL as they are; most defend little until the model is trained behind them."""
    framework()
    from turtlenet import models
    from turtlenet.workflows.models import save_model, wrap

    target = out or Path(model).with_name(f"{Path(model).stem}-defended.h5")
    models.check_writable(target)
    wrapped = wrap(model, *defences, bounds=bounds)
    source = {"name": Path(model).name, "sha256": models.file_sha256(Path(model))}
    shields = [str(each) for each in models.defences_of(wrapped)]
    save_model(wrapped, target, provenance={"source": source, "defences": shields})
    click.echo(f"saved {target}: {' then '.join(shields)}, then {Path(model).name}; it loads after `import turtlenet`")
