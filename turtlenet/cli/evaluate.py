"""`turtlenet evaluate`: models in, a robustness report out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import framework, speaks, workflow_options
from turtlenet.settings.evaluate import EvaluateSettings

GATE_FAILED = 1


@click.command("evaluate")
@click.argument("models", nargs=-1, required=True)
@workflow_options(EvaluateSettings)
@click.option("--report", type=click.Path(path_type=Path), help="Folder of the report; MODEL-report by default.")
@click.option("--fail-under", type=float, help="Exit with 1 if a robust accuracy is below this.")
def command(models: tuple[str, ...], report: Path | None, fail_under: float | None, **given: Any) -> int:
    """Attacks MODELS as a strong adversary would, and writes report.json, report.md and report.html."""
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise click.UsageError(f"Expected --fail-under from 0 to 1; got {fail_under}.")
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.evaluate import evaluate

    folder = report or Path(f"{Path(models[0]).stem}-report")
    check_folder(folder)
    usual = {"surrogate_dir": Path(f"{Path(models[0]).stem}-surrogates"), "draws": 10}
    result = evaluate(list(models), progress=folder, tell=click.echo, **{**usual, **given})
    if speaks():
        result.save(folder)
        for file in folder.glob(".progress-*.npz"):
            file.unlink()
    click.echo(f"{result}\n\nreport: {folder / 'report.html'}")
    reports = getattr(result, "reports", (result,))
    low = [each for each in reports if fail_under is not None and each.robust_accuracy < fail_under]
    for each in low:
        click.echo(
            f"turtlenet: expected a robust accuracy of at least {fail_under} of {each.model['name']}; "
            f"got {each.robust_accuracy:.3f}.",
            err=True,
        )
    return GATE_FAILED if low else 0
