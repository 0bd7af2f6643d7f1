"""`turtlenet tolerance`: a model in, the noise that it bears and the levels of a quantizer out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    BATCH_SIZE,
    COUNT,
    device_options,
    framework,
    loading_options,
    pixel_options,
    speaks,
    split_option,
)

__all__ = ["command"]


@click.command("tolerance")
@click.argument("model")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="uniform, gaussian, salt-and-pepper or sign; may be given several times; all if none is.",
)
@click.option("--loss", type=float, default=0.01, show_default=True, help="Fall of accuracy that is tolerable.")
@click.option("--strengths", type=COUNT, default=25, show_default=True, help="Strengths of noise, of each kind.")
@pixel_options
@device_options
@loading_options
@split_option
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most images; 0 for all.")
@click.option("--batch-size", type=BATCH_SIZE, default=256, show_default=True, help="Images at a time, or auto.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the result; MODEL-tolerance by default.")
def command(model: str, out: Path | None, limit: int, **settings: Any) -> None:
    """Injects growing noise into images until MODEL fails, and proposes how many levels to quantize its input to."""
    framework()
    from turtlenet.files import check_folder
    from turtlenet.noise_tolerance.pictures import PLOT
    from turtlenet.workflows.tolerance import tolerance

    folder = out or Path(f"{Path(model).stem}-tolerance")
    check_folder(folder)
    result = tolerance(model, limit=limit or None, tell=click.echo, **settings)
    if speaks():
        result.save(folder)
    click.echo(f"{result}\n\nplot: {folder / PLOT}")
