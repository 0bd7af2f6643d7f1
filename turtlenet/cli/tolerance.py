"""`turtlenet tolerance`: a model in, the noise that it bears and the levels of a quantizer out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, output_option
from turtlenet.cli.options import framework, speaks, workflow_options
from turtlenet.cli.output import finish
from turtlenet.settings.measure import ToleranceSettings

_EXAMPLES = (("how much noise a model bears", "turtlenet tolerance model.h5 --kind uniform --kind gaussian"),)


@click.command("tolerance", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@workflow_options(ToleranceSettings)
@output_option("--out", "Folder of the result; MODEL-tolerance by default.")
def command(model: str, out: Path | None, **settings: Any) -> None:
    """Injects growing noise into images until MODEL fails, and proposes how many levels to quantize its input to."""
    framework()
    from turtlenet.files import check_folder
    from turtlenet.noise_tolerance.pictures import PLOT
    from turtlenet.workflows.tolerance import tolerance

    folder = out or Path(f"{Path(model).stem}-tolerance")
    check_folder(folder)
    result = tolerance(model, tell=click.echo, **settings)
    if speaks():
        result.save(folder)
    finish(result, folder, PLOT, "plot")
