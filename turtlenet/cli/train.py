"""`turtlenet train`: a model in, a hardened model out."""

import tempfile
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    COUNT,
    data_option,
    device_options,
    framework,
    loading_options,
    settings_options,
    speaks,
)
from turtlenet.errors import OutputError
from turtlenet.settings.train import TrainSettings

_THREAT = ("data", "eps", "norm", "bounds", "head", "precision", "seed")


@click.command("train")
@click.argument("model")
@data_option
@settings_options(TrainSettings, but=("precision",))
@device_options
@loading_options
@click.option("--out", type=click.Path(path_type=Path), help="The hardened model; MODEL-hardened.h5 by default.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a report of both models on test images.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most test images there; 0 for all.")
def command(model: str, out: Path | None, report: Path | None, limit: int, **given: Any) -> None:
    """Hardens MODEL on the saddle point: each batch is attacked on the current weights, then learned."""
    framework()
    from turtlenet import models
    from turtlenet.files import check_folder
    from turtlenet.training.run.recipes import with_recipe
    from turtlenet.workflows.evaluate import evaluate
    from turtlenet.workflows.models import load_model, save_model
    from turtlenet.workflows.train import harden_model

    settings = with_recipe(given)
    target = out or Path(model).with_name(f"{Path(model).stem}-hardened.h5")
    before = load_model(model)
    models.check_writable(target)
    if report:
        check_folder(report)
        if target.exists() and target.samefile(model):
            raise OutputError(f"Expected --out to be another file than {model}: the report compares the two.")
    checkpoint = target.with_name(f"{target.name}.resume")
    hardened, run = harden_model(before, checkpoint=checkpoint, out=target, tell=click.echo, **settings)
    kept = target if speaks() else Path(tempfile.mkdtemp()) / target.name
    source = {"name": Path(model).name, "sha256": models.file_sha256(Path(model))}
    save_model(hardened, kept, provenance={"source": source, "recipe": run.recipe})
    if speaks():
        checkpoint.unlink(missing_ok=True)
    click.echo(_summary(run, target))
    if report:
        threat = {key: settings[key] for key in _THREAT if key in settings}
        result = evaluate([model, kept], limit=limit or None, held_out=True, **threat)
        if speaks():
            result.save(report)
        click.echo(f"\n{result}\n\nreport: {report / 'report.html'}")


def _summary(run: Any, target: Path) -> str:
    if not run.validation:
        return f"saved {target} after {run.steps:,} steps, without validation"
    return (
        f"saved {target} after {run.steps:,} steps: epoch {run.best_epoch} was best on the validation images, "
        f"clean {run.validation['accuracy']:.3f}, robust {run.validation['robust_accuracy']:.3f}"
    )
