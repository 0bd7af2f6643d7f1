"""`turtlenet evaluate`: models in, a robustness report out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from turtlenet.cli.command import MODEL, Command, option, output_option
from turtlenet.cli.exit_codes import ExitCode
from turtlenet.cli.options import Number, check_file, framework, speaks, workflow_options
from turtlenet.cli.output import finish
from turtlenet.cli.results import check_results, results_option, write_bytes, write_results
from turtlenet.settings.evaluate import EvaluateSettings

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
@output_option("--report", "Folder of the report; MODEL-report by default.")
@option("--fail-under", group="Output", type=Number(), help="Exit with 1 if a robust accuracy is below this.")
@output_option("--junit", "A .xml for CI: tests of models and attacks.")
@output_option("--sarif", "A .sarif (2.1.0): failed gates, and doubts.")
@results_option
def command(
    models: tuple[str, ...],
    report: Path | None,
    fail_under: float | None,
    junit: Path | None,
    sarif: Path | None,
    results: Path | None,
    **given: Any,
) -> int:
    """Attacks MODELS as a strong adversary would, and writes report.json, report.md and report.html."""
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise click.UsageError(f"Expected --fail-under from 0 to 1; got {fail_under}.")
    _check(junit, sarif, results)
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.evaluate import evaluate

    folder = report or Path(f"{Path(models[0]).stem}-report")
    check_folder(folder)
    usual = {"surrogate_dir": Path(f"{Path(models[0]).stem}-surrogates"), "draws": 10}
    result = evaluate(list(models), progress=folder, tell=click.echo, **{**usual, **given})
    if speaks():
        result.save(folder)
        _write(result, fail_under, junit, sarif, results)
        # What the time was not enough for is continued by --resume.
        kept = {f".progress-{number}.npz" for number, each in enumerate(result.reports) if each.stopped}
        for file in folder.glob(".progress-*.npz"):
            if file.name not in kept:
                file.unlink()
    finish(result, folder, "report.html", "report")
    low = [each for each in result.reports if fail_under is not None and each.robust_accuracy < fail_under]
    for each in low:
        click.echo(
            f"turtlenet: expected a robust accuracy of at least {fail_under} of {each.model['name']}; "
            f"got {each.robust_accuracy:.3f}.",
            err=True,
        )
    return ExitCode.GATE_FAILED if low else ExitCode.OK


def _check(junit: Path | None, sarif: Path | None, results: Path | None) -> None:
    """Finds out, before any work, whether the files for machines can be written."""
    for path, suffix, flag in ((junit, ".xml", "--junit"), (sarif, ".sarif", "--sarif")):
        if path is not None:
            check_file(path, suffix, option=flag)
    check_results(results)


def _write(result: Any, gate: float | None, junit: Path | None, sarif: Path | None, results: Path | None) -> None:
    from turtlenet.evaluation.views import junit as junit_file
    from turtlenet.evaluation.views import sarif as sarif_file

    reports: Sequence[Any] = result.reports
    if junit is not None:
        write_bytes(junit, junit_file.junit(reports, gate))
    if sarif is not None:
        write_bytes(sarif, sarif_file.sarif(reports, gate))
    write_results(results, result)
