"""`turtlenet evaluate`: models in, a robustness report out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option
from turtlenet.cli.options import framework, speaks, workflow_options
from turtlenet.settings.evaluate import EvaluateSettings

GATE_FAILED = 1


_EXAMPLES = (
    ("attack a model on the data that fit it, minutes on a CPU", "turtlenet evaluate model.h5"),
    (
        "two models side by side, on your data, at 8/255",
        "turtlenet evaluate before.h5 after.h5 --data mine.npz --eps 8/255",
    ),
    ("a gate for CI: exit code 1 below 40 %", "turtlenet evaluate model.h5 --suite standard --fail-under 0.4"),
)


@click.command("evaluate", cls=Command, examples=_EXAMPLES)
@click.argument("models", type=MODEL, nargs=-1, required=True)
@workflow_options(EvaluateSettings)
@option(
    "--report", group="Output", type=click.Path(path_type=Path), help="Folder of the report; MODEL-report by default."
)
@option("--fail-under", group="Output", type=float, help="Exit with 1 if a robust accuracy is below this.")
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
