"""`turtlenet sweep`: one model at several radii, in one report."""

import shutil
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option, output_option
from turtlenet.cli.options import (
    Text,
    data_option,
    device_options,
    framework,
    loading_options,
    settings_options,
    speaks,
)
from turtlenet.cli.output import finish
from turtlenet.cli.results import check_results, results_option, write_results
from turtlenet.settings import text
from turtlenet.settings.evaluate import EvaluateSettings

_EXAMPLES = (
    ("what is left at three radii", "turtlenet sweep model.h5 --eps 0.1,0.2,0.3"),
    ("the same of your own attack, as a table too", "turtlenet sweep model.h5 --eps 2/255,4/255 --results rows.csv"),
)


@click.command("sweep", cls=Command, examples=_EXAMPLES)
@click.argument("model", type=MODEL)
@option(
    "--eps",
    group="Attack",
    type=Text(text.radii),
    required=True,
    multiple=True,
    callback=lambda context, option, lists: [radius for radii in lists for radius in radii],
    help="Radii: 0.1,0.2, 2/255,4/255 or 2px,4px; may be given several times.",
)
@data_option
@settings_options(EvaluateSettings, but=("curve", "eps", "time"))
@device_options
@loading_options
@output_option("--report", "Folder of the report; MODEL-sweep by default.")
@results_option
def command(model: str, report: Path | None, results: Path | None, **given: Any) -> None:
    """Attacks MODEL at several radii: an image that falls at one has fallen at all larger ones.

    Writes the accuracies and their curve, and below them the whole report of each radius.
    """
    check_results(results)
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.evaluate import sweep

    folder = report or Path(f"{Path(model).stem}-sweep")
    check_folder(folder)
    usual = {"surrogate_dir": Path(f"{Path(model).stem}-surrogates"), "draws": 10}
    progress = folder / ".progress"
    result = sweep(model, progress=progress, tell=click.echo, **{**usual, **given})
    if speaks():
        result.save(folder)
        write_results(results, result)
        shutil.rmtree(progress, ignore_errors=True)
    finish(result, folder, "report.html", "report")
