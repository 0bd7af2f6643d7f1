"""`turtlenet evaluate`: models in, a robustness report out."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    BATCH_SIZE,
    COUNT,
    device_options,
    framework,
    loading_options,
    speaks,
    split_option,
    threat_options,
)

__all__ = ["command"]

GATE_FAILED = 1


@click.command("evaluate")
@click.argument("models", nargs=-1, required=True)
@click.option("--attack", "attacks", multiple=True, help="An attack, or a suite's .toml; may be given several times.")
@click.option("--suite", help="An attack suite by name or path; quick if neither attack nor suite is given.")
@threat_options
@device_options
@loading_options
@split_option
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most images; 0 for all.")
@click.option("--mode", help="table: every attack on all images; cascade: each on the survivors.")
@click.option("--gradient", help="Of defences: adaptive, or naive as in the papers; both where they differ.")
@click.option("--draws", type=int, default=10, show_default=True, help="Of random defences, in an answer's mean.")
@click.option("--labels", help="true, or predicted as in the papers.")
@click.option("--quantize-pixels", is_flag=True, help="Count a success only if it survives 8-bit pixels.")
@click.option("--batch-size", type=BATCH_SIZE, default=256, show_default=True, help="Images at a time, or auto.")
@click.option("--curve", type=COUNT, default=256, show_default=True, help="Images for accuracy against eps; 0: none.")
@click.option(
    "--perceptibility",
    type=COUNT,
    help="Images whose smallest adversarial example is searched; 100 for several models with a defence, else 0.",
)
@click.option(
    "--access",
    help="white-box, the default; grey-box: all but a keyed model's key; black-box:substitute=lenet: answers only.",
)
@click.option("--surrogates", type=COUNT, default=2, show_default=True, help="Grey-box: models behind other keys.")
@click.option("--surrogate-dir", type=click.Path(path_type=Path), help="Where those are kept; MODEL-surrogates.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder of the report; MODEL-report by default.")
@click.option("--fail-under", type=float, help="Exit with 1 if a robust accuracy is below this.")
@click.option("--resume", is_flag=True, help="Continue an evaluation that was stopped.")
def command(
    models: tuple[str, ...],
    report: Path | None,
    fail_under: float | None,
    limit: int,
    access: str | None,
    surrogate_dir: Path | None,
    **settings: Any,
) -> int:
    """Attacks MODELS as a strong adversary would, and writes report.json, report.md and report.html."""
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise click.UsageError(f"Expected --fail-under from 0 to 1; got {fail_under}.")
    framework()
    from turtlenet.files import check_folder
    from turtlenet.workflows.evaluate import evaluate

    folder = report or Path(f"{Path(models[0]).stem}-report")
    check_folder(folder)
    grey: dict[str, Any] = {"access": access or "white-box", "tell": click.echo}
    grey["surrogate_dir"] = surrogate_dir or Path(f"{Path(models[0]).stem}-surrogates")
    result = evaluate(list(models), limit=limit or None, progress=folder, **grey, **settings)
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
