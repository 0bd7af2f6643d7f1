"""`turtlenet detect`: a detector, fitted and scored."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Parts, output_option
from turtlenet.cli.options import check_file, framework, speaks, workflow_options
from turtlenet.cli.output import finish, give
from turtlenet.settings.detect import FitSettings, ScoreSettings


@click.group("detect", cls=Parts)
def command() -> None:
    """Tells adversarial inputs from clean ones, and attacks what tells them."""


@command.command(
    "fit", examples=(("a detector by fgsm and pgd", "turtlenet detect fit model.h5 --out detector.json"),)
)
@click.argument("model", type=MODEL)
@workflow_options(FitSettings)
@output_option("--out", "The detector; MODEL-detector.json by default.")
def _fit(model: str, out: Path | None, **given: Any) -> None:
    """Fits a detector of MODEL on clean and adversarial images of the training part of the data."""
    target = out or Path(f"{Path(model).stem}-detector.json")
    check_file(target, ".json")
    framework()
    from turtlenet.workflows.detect import fit_detector

    fitted = fit_detector(model, tell=click.echo, **given)
    if speaks():
        fitted.save(target)
    give(fitted)
    click.echo(f"{fitted}\n\nsaved {target}")


@command.command("score", examples=(("score it, and attack it too", "turtlenet detect score model.h5 detector.json"),))
@click.argument("model", type=MODEL)
@click.argument("detector", type=click.Path(path_type=Path))
@workflow_options(ScoreSettings)
@output_option("--report", "Folder of the report; MODEL-detection by default.")
def _score(model: str, detector: Path, report: Path | None, **given: Any) -> None:
    """Scores DETECTOR on test images of MODEL, attacks it, and writes report.json, report.md and report.html."""
    folder = report or Path(f"{Path(model).stem}-detection")
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.detect import score_detector

    check_folder(folder)
    result = score_detector(model, detector, **given)
    if speaks():
        result.save(folder)
    finish(result, folder, "report.html", "report")
